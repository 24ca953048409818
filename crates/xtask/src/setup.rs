//! `cargo xtask setup`: what the two commands of the README need, on a fresh
//! Debian or Ubuntu. Nothing is done, and no privilege asked for, where
//! nothing is missing.

mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use hapkg::chroot::as_root;

use crate::host::{output, read, say};
use crate::stop::{During, Stop};

/// What building runs on the host itself; the rest happens in chroots. `Some`
/// is the oldest version that will do.
const BUILD: &[(&str, Option<&str>)] = &[
    ("ca-certificates", None),
    ("cpio", None),
    ("debian-archive-keyring", None),
    // mmdebstrap learns from it which family a suite is of.
    ("distro-info-data", None),
    ("gcc", None),
    ("gpg", None),
    ("gpg-agent", None),
    ("gpgconf", None),
    ("gpgv", None),
    ("libc6-dev", None),
    ("mmdebstrap", Some("1.4")),
    ("mount", None),
    ("ubuntu-keyring", None),
    ("xz-utils", None),
];

/// What the tests run on the host beside it, apart from [`AGENT_TOOLS`].
const TESTS: &[(&str, Option<&str>)] = &[
    ("cpio", None),
    ("curl", None),
    ("debconf", None),
    ("debhelper", None),
    ("dpkg-dev", None),
    ("expect", None),
    ("faketime", None),
    ("gettext", None),
    ("groff", None),
    ("libxml2-utils", None),
    ("lintian", None),
    ("lvm2", None),
    ("openssl", None),
    ("pacemaker-cli-utils", None),
    ("po-debconf", None),
    ("python3", None),
    ("shellcheck", None),
    ("xfsprogs", None),
];

/// What virtual machines need on the host. QEMU maps a template's RAM
/// privately, and writes a machine's state to a file, from 8.2 on.
const MACHINES: &[(&str, Option<&str>)] = &[
    ("e2fsprogs", None),
    ("ipmitool", None),
    ("openipmi", None),
    ("perl-base", None),
    ("qemu-system-x86", Some("1:8.2")),
    ("qemu-utils", Some("1:8.2")),
];

/// The package with ocf-tester and ocf-shellfuncs, in Ubuntu and in Debian.
const AGENT_TOOLS: [&str; 2] = ["resource-agents-common", "resource-agents"];

/// What the comparison with other tools runs.
const BENCH: &[(&str, Option<&str>)] = &[
    ("debhelper", None),
    ("dpkg-dev", None),
    ("equivs", None),
    ("po-debconf", None),
    ("time", None),
];

/// Installs what is missing for `cargo xtask build`.
///
/// # Errors
/// `Environment`: not Debian or Ubuntu, no root, or apt failed.
pub fn build() -> Result<(), Stop> {
    install(BUILD)?;
    toolchain()
}

/// Installs what is missing for `cargo xtask build` and `test`.
///
/// # Errors
/// As [`build`].
pub fn tests() -> Result<(), Stop> {
    let release = fs::read_to_string("/etc/os-release").during("reading /etc/os-release")?;
    let [ubuntu, debian] = AGENT_TOOLS;
    let agents = if field(&release, "ID") == Some("ubuntu") {
        ubuntu
    } else {
        debian
    };
    let wanted: Vec<_> = [BUILD, TESTS, MACHINES, &[(agents, None)]].concat();
    install(&wanted)?;
    toolchain()
}

/// Installs what is missing for `cargo xtask bench`.
///
/// # Errors
/// As [`build`].
pub fn bench() -> Result<(), Stop> {
    install(BENCH)
}

fn install(wanted: &[(&str, Option<&str>)]) -> Result<(), Stop> {
    let missing = missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("installing {}", missing.join(" ")));
    apt(&["update", "-q"])?;
    let from_backports = lacking_candidate(wanted, &missing)?;
    if !from_backports.is_empty() {
        let suite = backports()?;
        let mut words = vec![
            "install",
            "-q",
            "-y",
            "--no-install-recommends",
            "-t",
            &suite,
        ];
        words.extend(from_backports.iter().map(String::as_str));
        apt(&words)?;
    }
    let rest: Vec<&str> = missing
        .iter()
        .map(String::as_str)
        .filter(|name| !from_backports.iter().any(|other| other == name))
        .collect();
    if !rest.is_empty() {
        let mut words = vec!["install", "-q", "-y", "--no-install-recommends"];
        words.extend(rest);
        apt(&words)?;
    }
    match self::missing(wanted)?.as_slice() {
        [] => Ok(()),
        still => Err(Stop::environment(format!(
            "apt-get installed no usable {}",
            still.join(", ")
        ))),
    }
}

/// Packages that are not installed, or too old.
fn missing(wanted: &[(&str, Option<&str>)]) -> Result<Vec<String>, Stop> {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Package} ${db:Status-Status} ${Version}\n"]);
    query.args(wanted.iter().map(|(name, _)| name));
    let found = output(&mut query).map_err(|_| {
        Stop::environment("this is no Debian or Ubuntu: there is no dpkg-query here")
    })?;
    let lines = String::from_utf8_lossy(&found.stdout);
    let installed = installed(&lines);
    let mut missing = Vec::new();
    for (name, least) in wanted {
        let enough = match (installed.get(*name), least) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(version), Some(least)) => at_least(version, least)?,
        };
        if !enough {
            missing.push((*name).to_owned());
        }
    }
    Ok(missing)
}

/// Package to version, of dpkg-query's lines `NAME STATUS VERSION`.
fn installed(lines: &str) -> BTreeMap<&str, &str> {
    lines
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, status, version) = (words.next()?, words.next()?, words.next()?);
            (status == "installed").then_some((name, version))
        })
        .collect()
}

/// Those of `missing` that the present apt sources cannot give, or give too
/// old.
fn lacking_candidate(
    wanted: &[(&str, Option<&str>)],
    missing: &[String],
) -> Result<Vec<String>, Stop> {
    let mut lacking = Vec::new();
    for (name, least) in wanted {
        if !missing.iter().any(|one| one == name) {
            continue;
        }
        let policy = read(
            Command::new("apt-cache")
                .args(["policy", name])
                .env("LC_ALL", "C"),
        )?;
        let enough = match (candidate(&policy), least) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(version), Some(least)) => at_least(version, least)?,
        };
        if !enough {
            lacking.push((*name).to_owned());
        }
    }
    Ok(lacking)
}

/// The candidate of `apt-cache policy NAME`.
fn candidate(policy: &str) -> Option<&str> {
    policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate:"))
        .map(str::trim)
        .filter(|version| *version != "(none)")
}

fn at_least(version: &str, least: &str) -> Result<bool, Stop> {
    let compare = &["--compare-versions", version, "ge", least];
    Ok(output(Command::new("dpkg").args(compare))?.status.success())
}

/// Makes the machine's backports known to apt, from the same place as its own
/// release; the suite's name.
fn backports() -> Result<String, Stop> {
    let release = fs::read_to_string("/etc/os-release").during("reading /etc/os-release")?;
    let codename = field(&release, "VERSION_CODENAME").unwrap_or_default();
    let suite = format!("{codename}-backports");
    if field(&release, "ID") != Some("debian") || codename.is_empty() {
        return Err(Stop::environment(
            "this release has no mmdebstrap, QEMU or archive keyring that will do; use Ubuntu 24.04, Debian 12, or later",
        ));
    }
    let known = sources::read(Path::new("/etc/apt"))?;
    if !known.iter().any(|source| source.suite == suite) {
        let Some(own) = known.iter().find(|source| source.suite == codename) else {
            return Err(Stop::environment(format!(
                "no apt source of {codename} itself to take {suite} from; add a source of {suite}"
            )));
        };
        let path = "/etc/apt/sources.list.d/hapkg-backports.sources";
        say(&format!("adding {path}"));
        put_as_root(path, &own.stanza(&suite))?;
    }
    apt(&["update", "-q"])?;
    Ok(suite)
}

fn put_as_root(path: &str, text: &str) -> Result<(), Stop> {
    use std::io::Write;
    let script = "umask 022; cat >\"$1.new\"; sync \"$1.new\"; mv \"$1.new\" \"$1\"";
    let mut child = as_root("sh")
        .args(["-euc", script, "sh", path])
        .stdin(Stdio::piped())
        .spawn()
        .during(format_args!("writing {path}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(text.as_bytes())
            .during(format_args!("writing {path}"))?;
    }
    let status = child.wait().during(format_args!("writing {path}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Stop::environment(format!("could not write {path} as root")))
}

fn apt(words: &[&str]) -> Result<(), Stop> {
    let mut command = as_root("env");
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = command.status().during(
        "running apt-get; without root, sudo is needed: run this as root or install sudo",
    )?;
    if status.success() {
        return Ok(());
    }
    Err(Stop::environment(format!(
        "apt-get {} failed",
        words.join(" ")
    )))
}

/// rustfmt and clippy, where rustup left them out.
fn toolchain() -> Result<(), Stop> {
    for component in ["rustfmt", "clippy"] {
        let tool = format!(
            "cargo-{}",
            if component == "rustfmt" {
                "fmt"
            } else {
                component
            }
        );
        if output(Command::new(&tool).arg("--version")).is_ok_and(|done| done.status.success()) {
            continue;
        }
        say(&format!("installing {component}"));
        let added = output(Command::new("rustup").args(["component", "add", component]))?;
        if !added.status.success() {
            return Err(Stop::environment(format!(
                "rustup could not add {component}: {}",
                String::from_utf8_lossy(&added.stderr).trim_end()
            )));
        }
    }
    Ok(())
}

/// A value of os-release(5).
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::{candidate, field, installed};

    #[test]
    fn only_installed_packages_count() {
        let lines = "gcc installed 4:12.2\nequivs config-files 2.3.1\nx not-installed \n";
        let found = installed(lines);
        assert_eq!(found.get("gcc"), Some(&"4:12.2"));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_package_without_candidate_has_none() {
        assert_eq!(
            candidate("x:\n  Installed: (none)\n  Candidate: 1.5-1\n"),
            Some("1.5-1")
        );
        assert_eq!(
            candidate("x:\n  Installed: (none)\n  Candidate: (none)\n"),
            None
        );
        assert_eq!(candidate(""), None);
    }

    #[test]
    fn os_release_values_lose_their_quotes() {
        let text = "ID=debian\nVERSION_CODENAME=\"bookworm\"\nVERSION_ID=12\n";
        assert_eq!(field(text, "VERSION_CODENAME"), Some("bookworm"));
        assert_eq!(field(text, "ID"), Some("debian"));
        assert_eq!(field(text, "VERSION"), None);
    }
}
