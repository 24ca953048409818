//! What is tried before anything is written.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fencing;
use super::survey::{COROSYNC_CONF, Survey};
use super::units;
use crate::atomic;
use crate::cluster::Desired;
use crate::node::cib::{self, Element};
use crate::node::host::Host;
use crate::node::key;
use crate::node::layout::{Subject, entries, reading};
use crate::node::loaded::Loaded;
use crate::node::problem::{Failure, Problem};
use crate::node::storage;

const LIMIT: Duration = Duration::from_secs(60);

/// Looks at devices, agents and addresses, and lets corosync and pacemaker
/// judge their configuration. What is worth knowing is returned.
///
/// # Errors
/// [`Failure::Refused`]: something stands in the way.
pub fn preflight(
    host: &Host,
    loaded: &Loaded,
    me: u32,
    survey: &Survey,
) -> Result<Vec<String>, Failure> {
    let desired = &loaded.desired;
    let mut problems = Vec::new();
    problems.extend(addresses(host, desired, me)?);
    problems.extend(watchdog(host, desired));
    problems.extend(services(host, desired, survey.formed)?);
    problems.extend(sources(host, desired)?);
    if survey.forming {
        problems.extend(former_resources(host)?);
    }
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }
    storage::check(host, desired)?;
    let scratch = Scratch::new(host)?;
    judge_corosync(host, desired, survey, &scratch)?;
    judge_cib(host, desired, &scratch)?;
    drop(scratch);
    fencing::check(host, loaded)
}

/// A directory for files that only a judge reads.
struct Scratch(PathBuf);

impl Scratch {
    fn new(host: &Host) -> Result<Self, Failure> {
        let path = host.layout.state().join("scratch");
        let _ = fs::remove_dir_all(&path);
        atomic::create_dir_all(&path, key::STATE_MODE)?;
        Ok(Self(path))
    }

    fn file(&self, name: &str, data: &[u8], mode: u32) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        atomic::write(&path, data, mode)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn cluster_problem(host: &Host, message: String) -> Problem {
    let file = host.layout.answers(&Subject::Cluster);
    Problem::new(&Subject::Cluster, message).in_file(file, None)
}

/// This node's addresses have to be on its interfaces.
fn addresses(host: &Host, desired: &Desired, me: u32) -> Result<Option<Problem>, Failure> {
    let Some(member) = desired.members.iter().find(|member| member.id == me) else {
        return Ok(None);
    };
    if host.program("ip").is_none() {
        return Ok(None);
    }
    let shown = host.must("ip", &["-o", "address", "show"], LIMIT)?;
    let present: Vec<&str> = shown
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            words.find(|word| ["inet", "inet6"].contains(word))?;
            words.next()?.split('/').next()
        })
        .collect();
    let missing: Vec<String> = member
        .addresses
        .iter()
        .map(ToString::to_string)
        .filter(|address| !present.contains(&address.as_str()))
        .collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let message = format!(
        "nodes: {} shall have {}, but no interface of this host has it (there are {}); correct \
         the answer, or give the address to an interface",
        member.name,
        missing.join(" and "),
        present.join(", ")
    );
    Ok(Some(cluster_problem(host, message)))
}

fn watchdog(host: &Host, desired: &Desired) -> Option<Problem> {
    let sbd = desired
        .files
        .iter()
        .find(|file| file.path == super::survey::SBD)?;
    let text = String::from_utf8_lossy(&sbd.content).into_owned();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("SBD_WATCHDOG_DEV="))?;
    let device = line.trim_matches('"');
    if host.layout.path(device).exists() {
        return None;
    }
    let message = format!(
        "sbd_watchdog: there is no {device}; load the driver of the watchdog (`modprobe softdog` \
         where there is no hardware for it), or name another device"
    );
    Some(cluster_problem(host, message))
}

/// A service that the cluster shall run must not run by itself.
fn services(host: &Host, desired: &Desired, formed: bool) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    for name in systemd_types(&cib::design(&desired.cib)?) {
        let Some(unit) = units::state(host, &name)? else {
            let message =
                format!("the unit {name}.service, which the cluster shall run, is missing");
            problems.push(cluster_problem(host, message));
            continue;
        };
        if unit.enabled || (unit.active && !formed) {
            let message = format!(
                "{name}.service runs or is started at boot, but the cluster has to decide where \
                 it runs; run: systemctl disable --now {name}"
            );
            let command = format!("systemctl disable --now {name}");
            problems.push(cluster_problem(host, message).mend_by(command));
        }
    }
    Ok(problems)
}

fn systemd_types(element: &Element) -> Vec<String> {
    let mut types: Vec<String> = element.children.iter().flat_map(systemd_types).collect();
    if element.name == "primitive" && element.get("class") == Some("systemd") {
        types.extend(element.get("type").map(str::to_string));
    }
    types.sort();
    types.dedup();
    types
}

/// ocf:heartbeat:IPsrcaddr gives the default route a source, unless it is told
/// another destination, and fails where the virtual address's interface has no
/// default route or several: then no resource after it starts. Where no interface
/// is in the address's network even its probe fails, on a node that does not have
/// the address.
fn sources(host: &Host, desired: &Desired) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    if host.program("ip").is_none() {
        return Ok(problems);
    }
    for address in source_addresses(&cib::design(&desired.cib)?) {
        let (family, link): (_, &[&str]) = match address {
            IpAddr::V4(_) => ("-4", &["scope", "link"]),
            IpAddr::V6(_) => ("-6", &[]),
        };
        let text = address.to_string();
        let near = [family, "-o", "route", "show", "match", &text];
        let near = host.must("ip", &[&near[..], link].concat(), LIMIT)?;
        let Some(interface) = device(&near) else {
            let message = format!(
                "connections shall come from {address}, but no interface of this host is in its \
                 network; give one of them an address of its own there"
            );
            let shown = format!("ip {family} -o address show");
            problems.push(cluster_problem(host, message).mend_by(shown));
            continue;
        };
        let default = [family, "-o", "route", "show", "default", "dev", interface];
        let default = host.must("ip", &default, LIMIT)?;
        let count = default.lines().filter(|l| !l.trim().is_empty()).count();
        if count == 1 {
            continue;
        }
        let has = match count {
            0 => "no default route".to_string(),
            _ => format!("{count} default routes"),
        };
        let message = format!(
            "connections shall come from {address}, the source of {interface}'s default route, \
             but {interface} has {has}; give it one default route in this host's network \
             configuration"
        );
        let shown = format!("ip {family} route show default");
        problems.push(cluster_problem(host, message).mend_by(shown));
    }
    Ok(problems)
}

/// What follows `dev` in the first line of `ip -o route show` that is the route
/// of a network.
fn device(routes: &str) -> Option<&str> {
    let of_none = ["default", "unreachable", "prohibit", "blackhole"];
    let mut lines = routes.lines().filter(|line| {
        let kind = line.split_whitespace().next();
        kind.is_some_and(|kind| !of_none.contains(&kind))
    });
    let mut words = lines.next()?.split_whitespace();
    words.find(|word| *word == "dev")?;
    words.next()
}

/// Addresses of the IPsrcaddr resources that work on the default route.
fn source_addresses(element: &Element) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = element.children.iter().flat_map(source_addresses).collect();
    if element.name == "primitive" && element.get("type") == Some("IPsrcaddr") {
        let given = |name| {
            let sets = element.children.iter();
            let pairs = sets
                .filter(|set| set.name == "instance_attributes")
                .flat_map(|set| &set.children);
            let mut pairs = pairs.filter(|pair| pair.get("name") == Some(name));
            pairs.next().and_then(|pair| pair.get("value"))
        };
        let all = ["0.0.0.0/0", "::/0"];
        let default = given("destination").is_none_or(|to| all.contains(&to));
        let address = given("ipaddress").filter(|_| default);
        found.extend(address.and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    found
}

/// Resources in the CIB of the pacemaker that ran before.
fn former_resources(host: &Host) -> Result<Option<Problem>, Failure> {
    let path = host.layout.path("var/lib/pacemaker/cib/cib.xml");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(&path, &error)),
    };
    let found = Element::parse(&text).ok().and_then(|cib| {
        let resources = cib.child("configuration")?.child("resources")?;
        let ids: Vec<&str> = resources.children.iter().map(Element::id).collect();
        (!ids.is_empty()).then(|| ids.join(", "))
    });
    Ok(found.map(|ids| {
        let message = format!(
            "pacemaker has resources that ubuntu-ha did not make ({ids}), and a new cluster would \
             forget them; remove them first, or stop pacemaker and move the file away"
        );
        let mut problem = cluster_problem(host, message);
        problem.file = Some(path);
        problem.mend_by("crm_mon -1".into())
    }))
}

fn judge_corosync(
    host: &Host,
    desired: &Desired,
    survey: &Survey,
    scratch: &Scratch,
) -> Result<(), Failure> {
    let Some(file) = desired.files.iter().find(|file| file.path == COROSYNC_CONF) else {
        return Ok(());
    };
    let key = scratch.file("authkey", &key::authkey(&survey.master), 0o400)?;
    let text = String::from_utf8_lossy(&file.content);
    let text = text.replacen(
        "totem {\n",
        &format!("totem {{\n    keyfile: {}\n", key.display()),
        1,
    );
    let conf = scratch.file("corosync.conf", text.as_bytes(), 0o600)?;
    let done = host.run("corosync", &["-t", "-c", &path(&conf)], LIMIT)?;
    if done.success {
        return Ok(());
    }
    let said = said(&done.stderr, "error");
    let message = format!("corosync refuses its configuration: {said}");
    Err(Failure::Refused(vec![
        cluster_problem(host, message).mend_by("ubuntu-ha plan".into()),
    ]))
}

fn judge_cib(host: &Host, desired: &Desired, scratch: &Scratch) -> Result<(), Failure> {
    let file = scratch.file("cib.xml", desired.cib.as_bytes(), 0o600)?;
    let done = host.run("crm_verify", &["--xml-file", &path(&file)], LIMIT)?;
    if done.success {
        return Ok(());
    }
    let said = said(&done.stderr, "error");
    let message = format!("pacemaker refuses its configuration: {said}");
    Err(Failure::Refused(vec![
        cluster_problem(host, message).mend_by("ubuntu-ha plan".into()),
    ]))
}

/// The first line that names an error, or the last one.
fn said(text: &str, word: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let named = lines.iter().find(|line| line.contains(word));
    named
        .or(lines.last())
        .map_or("it does not say why".into(), |l| (*l).into())
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Removes what a run that was killed left in the scratch directory.
///
/// # Errors
/// It cannot be looked at.
pub fn clean(host: &Host) -> Result<(), Failure> {
    let path = host.layout.state().join("scratch");
    if !entries(&path)?.is_empty() {
        let _ = fs::remove_dir_all(&path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{device, source_addresses};
    use crate::node::cib::Element;

    #[test]
    fn the_interface_of_a_route_is_found() {
        let route = "192.0.2.0/24 dev enp0s8 proto kernel scope link src 192.0.2.11 \n";
        assert_eq!(device(route), Some("enp0s8"));
        assert_eq!(device("\n"), None);
        let routes = "default via fe80::1 dev eth0 proto ra metric 100 pref medium\n\
                      2001:db8::/64 dev eth1 proto kernel metric 256 pref medium\n";
        assert_eq!(device(routes), Some("eth1"));
        assert_eq!(device("default via fe80::1 dev eth0 proto ra\n"), None);
    }

    #[test]
    fn only_sources_of_the_default_route_count() {
        let primitive = |ip: &str, destination: &str| {
            format!(
                r#"<group id="g"><primitive id="s" type="IPsrcaddr"><instance_attributes id="a"><nvpair id="i" name="ipaddress" value="{ip}"/>{destination}</instance_attributes></primitive></group>"#
            )
        };
        let of = |text: &str| -> Vec<String> {
            let found = source_addresses(&Element::parse(text).expect("XML"));
            found.iter().map(ToString::to_string).collect()
        };
        assert_eq!(of(&primitive("192.0.2.10", "")), ["192.0.2.10"]);
        let narrow = r#"<nvpair id="d" name="destination" value="198.51.100.0/24"/>"#;
        assert!(of(&primitive("192.0.2.10", narrow)).is_empty());
        assert_eq!(of(&primitive("2001:db8::10", "")), ["2001:db8::10"]);
    }
}
