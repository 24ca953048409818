//! The software of this host: versions, and what its agents say of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use super::host::Host;
use super::problem::Failure;
use crate::cluster::{AgentMetadata, DrbdVersion, Platform};

/// Agents written in Python take a second on a slow host.
const LIMIT: Duration = Duration::from_secs(30);

/// Where OCF agents are.
const AGENTS: &str = "usr/lib/ocf/resource.d";

/// Where systemd looks for units (systemd.unit(5)).
const UNITS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator.late",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// The platform, with the metadata of `agents` (`ocf:heartbeat:IPaddr2`,
/// `stonith:fence_ipmilan`, `systemd:nginx`). A host without pacemaker or
/// without agents is none of a cluster: there anything is taken on trust.
///
/// # Errors
/// An agent is there but says no metadata.
pub fn detect(host: &Host, agents: &BTreeSet<String>) -> Result<Platform, Failure> {
    let mut platform = Platform::trusted();
    if let Some(version) = drbd(host)? {
        platform.drbd = version;
    }
    if host.program("pacemakerd").is_none() || !host.layout.path(AGENTS).is_dir() {
        return Ok(platform);
    }
    let said = host.must("pacemakerd", &["--version"], LIMIT)?;
    platform.pacemaker = pacemaker(&said).unwrap_or(platform.pacemaker);
    platform.agents_known = true;
    let mut known = BTreeMap::new();
    for name in agents {
        if let Some(metadata) = metadata(host, name)? {
            known.insert(name.clone(), metadata);
        }
    }
    platform.agents = known;
    Ok(platform)
}

/// `Pacemaker 2.1.6` as numbers.
fn pacemaker(text: &str) -> Option<(u32, u32)> {
    let version = text.split_whitespace().nth(1)?;
    let mut numbers = version.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The version of the module that is loaded, or would be.
fn drbd(host: &Host) -> Result<Option<DrbdVersion>, Failure> {
    let files = ["proc/drbd", "sys/module/drbd/version"].map(|path| host.layout.path(path));
    let mut said = files.iter().find_map(|path| fs::read_to_string(path).ok());
    if said.is_none() && host.program("modinfo").is_some() {
        let done = host.run("modinfo", &["-F", "version", "drbd"], LIMIT)?;
        said = done.success.then_some(done.stdout);
    }
    Ok(said.as_deref().and_then(drbd_version))
}

/// `version: 8.4.11 (api:1/proto:86-101)`, or the number alone.
fn drbd_version(text: &str) -> Option<DrbdVersion> {
    let text = text.trim_start();
    let text = text.strip_prefix("version:").unwrap_or(text);
    let major = text.trim_start().split('.').next()?.parse::<u32>().ok()?;
    Some(if major < 9 {
        DrbdVersion::V8_4
    } else {
        DrbdVersion::V9
    })
}

/// What the agent says; `None` where there is no such agent.
fn metadata(host: &Host, name: &str) -> Result<Option<AgentMetadata>, Failure> {
    let done = match name.split(':').collect::<Vec<_>>().as_slice() {
        ["ocf", provider, kind] if is_name(provider) && is_name(kind) => {
            let path = format!("{AGENTS}/{provider}/{kind}");
            if !host.layout.path(&path).is_file() {
                return Ok(None);
            }
            host.run_agent(&path, &["meta-data"], LIMIT)?
        }
        ["stonith", kind] if is_name(kind) => {
            if host.program(kind).is_none() {
                return Ok(None);
            }
            host.run(kind, &["-o", "metadata"], LIMIT)?
        }
        ["systemd", unit @ ..] => {
            let there = has_unit(host, &unit.join(":"));
            return Ok(there.then(AgentMetadata::default));
        }
        _ => return Ok(None),
    };
    if let Ok(metadata) = AgentMetadata::parse(&done.stdout) {
        return Ok(Some(metadata));
    }
    Err(Failure::environment(
        format!(
            "the agent {name} does not say what it takes: {}",
            done.last_words()
        ),
        "reinstall its package, and what that recommends".into(),
    ))
}

/// A name that stays in its directory.
fn is_name(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !text.is_empty() && !text.starts_with('.') && text.chars().all(sound)
}

/// Whether systemd would find the unit; `a@b` comes from `a@`.
fn has_unit(host: &Host, name: &str) -> bool {
    let name = name.strip_suffix(".service").unwrap_or(name);
    if name.is_empty() || name.contains('/') {
        return false;
    }
    let template = name.split_once('@').map(|(before, _)| format!("{before}@"));
    let files: Vec<String> = [Some(name.to_owned()), template]
        .into_iter()
        .flatten()
        .map(|name| format!("{name}.service"))
        .collect();
    let mut places = UNITS.iter().flat_map(|directory| {
        files
            .iter()
            .map(move |file| host.layout.path(directory).join(file))
    });
    // systemd makes a unit of an init script.
    places.any(|path| path.exists()) || host.layout.path("etc/init.d").join(name).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::layout::Layout;

    #[test]
    fn versions_are_read() {
        let said = "Pacemaker 3.0.0\nWritten by the contributors\n";
        assert_eq!(pacemaker(said), Some((3, 0)));
        assert_eq!(pacemaker("Pacemaker 2.1.6-rc1"), Some((2, 1)));
        assert_eq!(pacemaker("x"), None);
        for (text, version) in [
            ("version: 8.4.11 (api:1/proto:86-101)\n", DrbdVersion::V8_4),
            ("8.4.11\n", DrbdVersion::V8_4),
            ("9.2.12\n", DrbdVersion::V9),
        ] {
            assert_eq!(drbd_version(text), Some(version), "{text}");
        }
        assert_eq!(drbd_version("none"), None);
    }

    /// A host with these files, all of them executable.
    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let host = Host::of_test(Layout::new(root.path().to_owned()));
        (root, host)
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const PACEMAKER: (&str, &str) = ("usr/sbin/pacemakerd", "#!/bin/sh\necho Pacemaker 3.0.1\n");

    #[test]
    fn agents_are_asked_in_their_own_way() {
        let agent = "#!/bin/sh\n[ \"$1\" = meta-data ] && [ -d \"$OCF_ROOT/resource.d\" ] &&\n\
                     echo '<resource-agent><parameter name=\"ip\"/></resource-agent>'\n";
        let fence = "#!/bin/sh\n[ \"$*\" = '-o metadata' ] &&\n\
                     echo '<resource-agent><parameter name=\"plug\"/></resource-agent>'\n";
        let (_root, host) = host(&[
            PACEMAKER,
            ("usr/lib/ocf/resource.d/test/one", agent),
            ("usr/sbin/fence_one", fence),
            ("usr/lib/systemd/system/plain.service", ""),
            ("etc/systemd/system/many@.service", ""),
            ("etc/init.d/old", ""),
            ("proc/drbd", "version: 9.2.12 (api:2)\n"),
        ]);
        let wanted = names(&[
            "ocf:test:one",
            "ocf:test:none",
            "stonith:fence_one",
            "stonith:fence_none",
            "systemd:plain",
            "systemd:many@one",
            "systemd:old",
            "systemd:none",
        ]);
        let platform = detect(&host, &wanted).unwrap();
        assert_eq!(platform.pacemaker, (3, 0));
        assert_eq!(platform.drbd, DrbdVersion::V9);
        assert!(platform.agents_known);
        let known: Vec<&str> = platform.agents.keys().map(String::as_str).collect();
        assert_eq!(
            known,
            [
                "ocf:test:one",
                "stonith:fence_one",
                "systemd:many@one",
                "systemd:old",
                "systemd:plain"
            ]
        );
        let parameters = |name: &str| platform.agents[name].parameters.keys().next().cloned();
        assert_eq!(parameters("ocf:test:one").as_deref(), Some("ip"));
        assert_eq!(parameters("stonith:fence_one").as_deref(), Some("plug"));
    }

    #[test]
    fn an_agent_that_says_nothing_is_named() {
        let broken = "#!/bin/sh\necho 'no module named pexpect' >&2\nexit 1\n";
        let (_root, host) = host(&[
            PACEMAKER,
            ("usr/lib/ocf/resource.d/test/one", ""),
            ("usr/sbin/fence_one", broken),
        ]);
        let Err(Failure::Environment { message, .. }) =
            detect(&host, &names(&["stonith:fence_one"]))
        else {
            panic!("a broken agent is taken");
        };
        assert!(message.contains("stonith:fence_one"), "{message}");
        assert!(message.contains("no module named pexpect"), "{message}");
    }

    #[test]
    fn a_host_without_pacemaker_takes_any_agent() {
        let (_root, host) = host(&[("usr/lib/ocf/resource.d/test/one", "")]);
        let platform = detect(&host, &names(&["ocf:test:none"])).unwrap();
        assert!(!platform.agents_known);
        assert_eq!(platform.drbd, DrbdVersion::V8_4);
    }

    #[test]
    fn no_agent_leads_out_of_its_directory() {
        for name in ["..", ".", "", "a/b", "../../bin/sh"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
