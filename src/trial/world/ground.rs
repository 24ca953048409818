//! What a start state is made of, and how a cluster comes to it: by the packages,
//! their answers, and what the nodes do themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Trouble;
use super::repository::{self, Repository};
use crate::chroot::hash;
use crate::recipe::suite::Suite;
use crate::trial::report::Package;
use crate::trial::run::Course;
use crate::trial::scenario::{FormedBy, NODE_NAMES};
use crate::trial::stub;
use crate::vm::shell::Shell;
use crate::vm::template::{Cluster, Spec};

/// Raised when the same input gives another start state than before.
const LAYOUT: &str = "start 4";

/// Before the stretch: unpacking and configuring packages, and what comes
/// until the cluster serves.
const INSTALL: Duration = Duration::from_secs(300);
const FORM: Duration = Duration::from_secs(300);

/// The service that keeps the client's records.
const SERVER: &str = include_str!("../../../vm-tests/guest/records.pl");

/// What a start state is made of.
pub struct Ground {
    pub(super) spec: Spec,
    /// Of the formed cluster, beside its machines.
    pub(super) key: String,
    suite: &'static Suite,
    repository: Repository,
    plans: Vec<Plan>,
    stubs: Vec<stub::Deb>,
}

impl Ground {
    pub(super) fn new(
        course: &Course,
        suite: &'static Suite,
        spec: Spec,
        repository: Repository,
        plans: Vec<Plan>,
        stubs: Vec<stub::Deb>,
    ) -> Self {
        let key = key(&repository.key, course, &plans, &stubs);
        Self {
            spec,
            key,
            suite,
            repository,
            plans,
            stubs,
        }
    }

    /// Those of ours that are tried.
    pub fn packages(&self) -> &[Package] {
        &self.repository.packages
    }

    /// Covers all that a trial of the course on this ground is made of, but
    /// hapkg itself.
    pub fn fingerprint(&self, course: &Course) -> String {
        let (spec, scenario) = (&self.spec, course.scenario);
        let accelerator = (spec.accelerator.kind, spec.accelerator.scale);
        let machines = format!(
            "{:?} {:?} {:?} {:?}",
            spec.nodes, accelerator, spec.disks, spec.shared
        );
        let asked = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            scenario.steps,
            scenario.end,
            scenario.allow,
            scenario.must_break,
            scenario.budget,
            course.client
        );
        hash(&[&self.key, &spec.image.key, &machines, &asked])
    }

    /// Packages and answers onto the nodes; then, unless the scenario does it
    /// itself, the installation and the forming of the cluster.
    ///
    /// # Errors
    /// `Guest`: the packages do not install, or the cluster does not form.
    pub(super) fn form(
        &self,
        cluster: &Cluster,
        course: &Course,
        say: &dyn Fn(&str),
    ) -> Result<(), Trouble> {
        let (archive, plans) = (&self.repository.archive, &self.plans);
        let start = &course.start;
        let members = start.members();
        say("giving the packages to the nodes");
        cluster.on_all(|node| {
            let shell = node.machine.shell();
            shell.push(archive, &format!("{}.tar", repository::PLACE), 0o644)?;
            shell.succeed(&repository::shell(self.suite), INSTALL)?;
            for deb in &self.stubs {
                let place = format!("/root/{}", deb.name);
                shell.push(&deb.data, &place, 0o644)?;
                shell.succeed(&format!("dpkg -i {place} && rm {place}"), INSTALL)?;
            }
            let name = node.machine.name();
            // Who joins by a token has no answers of the cluster's.
            let forms = match start.formed_by {
                FormedBy::Token => name == members[0],
                _ => members.contains(&name),
            };
            for plan in plans {
                let text: String = match !forms {
                    true => (plan.preseed.lines())
                        .filter(|line| !line.starts_with("ubuntu-ha-node"))
                        .map(|line| format!("{line}\n"))
                        .collect(),
                    false => plan.preseed.clone(),
                };
                preseeded(&shell, &text)?;
            }
            if let Some(port) = course.client.records {
                records(&shell, port)?;
            }
            for script in start.prepare.iter().flatten() {
                shell.succeed(script, INSTALL)?;
            }
            Ok(())
        })?;
        match (start.formed_by, &start.script) {
            (FormedBy::Nothing, _) => return Ok(()),
            (FormedBy::Script, Some(script)) => {
                say("forming the cluster by the scenario's script");
                let first = cluster.node(members[0])?.machine.shell();
                first.succeed(script, INSTALL + FORM)?;
                return Ok(());
            }
            _ => {}
        }
        let names: Vec<String> = plans
            .iter()
            .map(|plan| format!("ubuntu-ha-{}", plan.role))
            .collect();
        let install = format!(
            "DEBIAN_FRONTEND=noninteractive apt-get -q -y install {}",
            names.join(" ")
        );
        say("installing the packages");
        cluster.on_all(|node| match members.contains(&node.machine.name()) {
            true => node.machine.shell().succeed(&install, INSTALL).map(drop),
            false => Ok(()),
        })?;
        say("waiting for the cluster to form");
        if start.formed_by == FormedBy::Token {
            by_token(cluster, members, say)?;
        }
        whole(cluster, members)?;
        // Each node's own `apply` may still be looking whether all is well.
        cluster.on_all(|node| node.machine.shell().succeed(super::SET_UP_IS_OVER, FORM))?;
        Ok(())
    }
}

/// A role with its answers, as preseed lines.
pub(super) struct Plan {
    pub role: String,
    pub preseed: String,
}

/// Covers all that went into a formed cluster beside its machines.
fn key(repository: &str, course: &Course, plans: &[Plan], stubs: &[stub::Deb]) -> String {
    let start = format!("{:?} {:?}", course.start, course.client.records);
    let server = course.client.records.map_or("", |_| SERVER);
    let texts = [LAYOUT, server, repository, course.role, &start].map(str::as_bytes);
    let plans = plans.iter().map(|plan| plan.preseed.as_bytes());
    let stubs = stubs.iter().map(|deb| deb.data.as_slice());
    hash(
        &texts
            .into_iter()
            .chain(plans)
            .chain(stubs)
            .collect::<Vec<_>>(),
    )
}

/// The first member, which has no shared secret, gives each other one a token,
/// and forms the cluster while they join.
fn by_token(cluster: &Cluster, members: &[&str], say: &dyn Fn(&str)) -> Result<(), Trouble> {
    let first = cluster.node(members[0])?.machine.shell();
    let mut tokens = BTreeMap::new();
    for name in &members[1..] {
        let told = first.succeed(&format!("ubuntu-ha token {name}"), FORM)?;
        let token = told.split_whitespace().last().unwrap_or_default();
        tokens.insert((*name).to_string(), format!("{token}\n"));
    }
    say("forming the cluster, the others join by their tokens");
    cluster.on_all(|node| {
        let (shell, name) = (node.machine.shell(), node.machine.name());
        let done = match tokens.get(name) {
            Some(token) => shell.feed(&["ubuntu-ha", "join", "-"], token.as_bytes(), FORM)?,
            None if name == members[0] => shell.script("ubuntu-ha apply --wait 300", FORM)?,
            None => return Ok(()),
        };
        match done.success() {
            true => Ok(()),
            false => Err(crate::vm::Error::Guest(format!(
                "{name}: forming by tokens ended with {}: {}",
                done.status,
                done.errors()
            ))),
        }
    })?;
    Ok(())
}

/// The service that keeps the client's records; it runs on every node and
/// writes only where a role's filesystem is mounted.
fn records(shell: &Shell, port: u16) -> Result<(), crate::vm::Error> {
    let place = "/usr/local/lib/hapkg/records.pl";
    shell.push(SERVER.as_bytes(), place, 0o644)?;
    let unit = format!(
        "[Unit]\nDescription=Records of the trials' client\n\n[Service]\n\
         ExecStart=/usr/bin/perl {place} {port}\nRestart=always\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    let path = "/etc/systemd/system/hapkg-records.service";
    shell.push(unit.as_bytes(), path, 0o644)?;
    let start = "systemctl daemon-reload && systemctl -q enable --now hapkg-records";
    shell.succeed(start, INSTALL).map(drop)
}

fn preseeded(shell: &Shell, text: &str) -> Result<(), crate::vm::Error> {
    let done = shell.feed(&["debconf-set-selections"], text.as_bytes(), INSTALL)?;
    match done.success() {
        true => Ok(()),
        false => Err(crate::vm::Error::Guest(format!(
            "debconf-set-selections: {}",
            done.errors()
        ))),
    }
}

/// Waits until all members are online and everything that is not disabled runs,
/// or one of them has given up.
fn whole(cluster: &Cluster, members: &[&str]) -> Result<(), Trouble> {
    // Polled in the guest, as an exchange with it costs more than a look; seldom,
    // as crm_mon keeps an emulated node from what it is waited for.
    let looks = format!(
        "for i in $(seq 5); do \
         if [ -e /var/lib/ubuntu-ha/formed ] && told=$(crm_mon -1 --inactive 2>/dev/null) \
         && echo \"$told\" | grep -E '^ *\\* Online:' | grep -oE '[a-z]+' | grep -cE '^({})$' | grep -qx {} \
         && ! echo \"$told\" | grep -v '(disabled)' | grep -qE 'Starting|Stopped|pending'; then exit 0; fi; \
         sleep 3; done; exit 1",
        NODE_NAMES.join("|"),
        members.len()
    );
    let gave_up = "systemctl -q is-failed ubuntu-ha-setup.service";
    let shell = |name: &str| cluster.node(name).map(|node| node.machine.shell());
    let first = shell(members[0])?;
    for _ in 0..40 {
        match first.script(&looks, FORM) {
            Ok(done) if done.success() => return Ok(()),
            Err(error @ crate::vm::Error::Environment(_)) => return Err(error.into()),
            Err(error) => return Err(unformed(&first, &error.to_string())),
            Ok(_) => {}
        }
        for name in members {
            let member = shell(name)?;
            match member.script(gave_up, Duration::from_secs(30)) {
                Ok(done) if done.success() => {
                    return Err(unformed(&member, &format!("{name} gave up")));
                }
                Err(error @ crate::vm::Error::Environment(_)) => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    Err(unformed(&first, "it did not"))
}

/// With what that member says of it.
fn unformed(shell: &Shell, why: &str) -> Trouble {
    let look = "crm_mon -1; systemctl --no-pager status ubuntu-ha-setup.service; \
                journalctl --no-pager -n 30 -u ubuntu-ha-setup.service";
    let seen = shell.script(look, Duration::from_secs(30));
    let seen = seen.map(|done| done.text()).unwrap_or_default();
    Trouble::Guest(format!("the cluster was to form: {why}\n{seen}"))
}
