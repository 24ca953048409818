//! A cluster that is none: two nodes, and a spare one, whose behaviour the tests
//! choose.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::trial::fact::{Probe, ProbeKind, Records};
use crate::trial::observe::ASK;
use crate::trial::run::QUORUM;
use crate::trial::run::closing::{CURSOR, again, idle};
use crate::trial::scenario::{Fault, VIP};
use crate::trial::world::{Files, Output, Power, Trouble, World};

const TICK: Duration = Duration::from_millis(20);

/// How the cluster takes what happens.
#[derive(Debug, Clone)]
pub struct Nature {
    /// From the loss of the holder to the other one's start.
    pub takeover: Duration,
    /// The other one starts although the holder still has the address.
    pub splits: bool,
    /// No takeover at all.
    pub stuck: bool,
    /// The second apply changes a file.
    pub restless: bool,
    /// A line in the journal of beta.
    pub journal: &'static str,
    pub lost_record: bool,
    /// The tool behind it fails when asked to inject.
    pub broken: bool,
    /// What the host did to a machine.
    pub host_fault: Option<&'static str>,
    pub failed_action: bool,
    /// Resources that have failed on beta.
    pub failed: Vec<&'static str>,
    /// When pacemaker forgets that by itself.
    pub expires: Option<Duration>,
    /// How late the client was.
    pub lateness: Duration,
    /// Only alpha takes records.
    pub read_only: bool,
    /// Nobody has the address any more when the last fault is healed.
    pub gives_up: bool,
    /// Pacemaker fences beta when it comes to what it has still in hand.
    pub fences_late: bool,
    /// A node that was taken out comes up with the old list and misses the others.
    pub returns: bool,
    /// A node that gets its power back prints this and never answers.
    pub boots_into: Option<&'static str>,
}

impl Default for Nature {
    fn default() -> Self {
        Nature {
            takeover: Duration::from_secs(5),
            splits: false,
            stuck: false,
            restless: false,
            journal: "all is well",
            lost_record: false,
            broken: false,
            host_fault: None,
            failed_action: false,
            failed: Vec::new(),
            expires: None,
            lateness: Duration::ZERO,
            read_only: false,
            gives_up: false,
            fences_late: false,
            returns: false,
            boots_into: None,
        }
    }
}

#[derive(Debug)]
pub struct Fake {
    pub nature: Nature,
    now: Duration,
    power: BTreeMap<String, Power>,
    /// Has power, and would not answer for long.
    pub booting: Option<String>,
    /// When each node booted.
    boots: BTreeMap<String, (u32, Duration)>,
    holders: Vec<String>,
    members: Vec<&'static str>,
    /// The holder is lost since then.
    lost: Option<(String, Duration)>,
    fenced: Vec<(String, Duration)>,
    probes: Vec<Probe>,
    applied: u32,
    /// When alpha takes the address for the first time.
    late: Option<Duration>,
    pub commands: Vec<String>,
}

impl Fake {
    pub fn new(nature: Nature) -> Self {
        let nodes = ["alpha", "beta", "gamma"];
        Fake {
            nature,
            now: Duration::ZERO,
            power: nodes.map(|node| (node.to_string(), Power::On)).into(),
            booting: None,
            boots: nodes
                .map(|node| (node.to_string(), (1, Duration::ZERO)))
                .into(),
            holders: vec!["alpha".into()],
            members: vec!["alpha", "beta"],
            lost: None,
            fenced: Vec::new(),
            probes: Vec::new(),
            applied: 0,
            late: None,
            commands: Vec::new(),
        }
    }

    /// Nobody has the address before that.
    pub fn without_holder_until(&mut self, at: Duration) {
        self.holders.clear();
        self.late = Some(at);
    }

    fn other(node: &str) -> String {
        if node == "alpha" {
            "beta".into()
        } else {
            "alpha".into()
        }
    }

    fn hangs(&self, node: &str) -> bool {
        self.nature.boots_into.is_some() && self.boots[node].0 > 1
    }

    fn is_on(&self, node: &str) -> bool {
        self.power.get(node) == Some(&Power::On)
    }

    /// Lets time pass in the client's steps.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            self.happen();
            let answers: Vec<String> = (self.holders.iter())
                .filter(|node| self.is_on(node))
                .map(|node| format!("mac-{node}"))
                .collect();
            for kind in [ProbeKind::Arp, ProbeKind::Ping] {
                self.probes.push(Probe {
                    at: self.now,
                    kind,
                    good: !answers.is_empty(),
                    from: answers.clone(),
                });
            }
            let writes = |node: &String| !self.nature.read_only || node == "mac-alpha";
            self.probes.push(Probe {
                at: self.now,
                kind: ProbeKind::Write,
                good: answers.iter().any(writes),
                from: Vec::new(),
            });
        }
    }

    fn happen(&mut self) {
        if self.late.is_some_and(|at| self.now >= at) {
            self.late = None;
            self.holders.push("alpha".into());
        }
        let Some((node, since)) = self.lost.clone() else {
            return;
        };
        if self.nature.stuck || self.now < since + self.nature.takeover {
            return;
        }
        self.lost = None;
        self.fenced.push((node.clone(), self.now));
        if self.holders.contains(&node) {
            if !self.nature.splits {
                self.holders.clear();
            }
            self.holders.push(Self::other(&node));
        }
    }

    fn answer(&self, node: &str) -> String {
        let (number, booted) = self.boots[node];
        let uptime = (self.now.saturating_sub(booted)).as_secs_f64() + 100.0;
        let address = match self.holders.iter().any(|one| one == node) {
            true => format!("2: eth0 inet {VIP}/24 scope global eth0\n"),
            false => String::new(),
        };
        let members: String = (self.members.iter())
            .map(|name| {
                let misses = self.nature.returns && node == "beta" && !self.members.contains(&node);
                let online = self.is_on(name) && !misses;
                format!(
                    "<node name=\"{name}\" online=\"{online}\" unclean=\"{}\"/>",
                    !online
                )
            })
            .collect();
        let lasting = self.nature.failed_action.then_some("vip-ip");
        let over = self.nature.expires.is_some_and(|at| self.now >= at);
        let failed = self.nature.failed.iter().filter(|_| !over);
        let failures: String = (failed.copied().chain(lasting))
            .map(|id| {
                format!(
                    "<failure op_key=\"{id}_monitor_10000\" node=\"beta\" exitstatus=\"error\"/>"
                )
            })
            .collect();
        let fences: String = (self.fenced.iter())
            .map(|(target, at)| {
                format!(
                    "<fence_event target=\"{target}\" action=\"reboot\" status=\"success\" completed=\"{}\"/>",
                    at.as_millis()
                )
            })
            .collect();
        let count = (self.members.iter())
            .filter(|node| self.is_on(node))
            .count();
        let votes: String = (1..=count).map(|id| format!("  {id}  1 node\n")).collect();
        format!(
            "@@ boot\nboot-{node}-{number}\n{uptime}\n@@ ip\n{address}@@ mounts\n@@ drbd\n@@ quorum\n\
             Quorate: Yes\n    Nodeid      Votes Name\n{votes}@@ monitor\n<pacemaker-result>\
             <nodes>{members}</nodes><failures>{failures}</failures><fence_history>{fences}</fence_history>\
             </pacemaker-result>\n@@ end\n"
        )
    }

    fn file(&self, node: &str, path: &str) -> Vec<u8> {
        let (number, booted) = self.boots[node];
        let uptime = (self.now.saturating_sub(booted)).as_secs_f64() + 100.0;
        let text = match path {
            "/proc/sys/kernel/random/boot_id" => format!("boot-{node}-{number}\n"),
            "/proc/uptime" => format!("{uptime} 1.00\n"),
            "/proc/net/fib_trie" if self.holders.iter().any(|one| one == node) => {
                format!("  |-- {VIP}\n     /32 host LOCAL\n")
            }
            _ => String::new(),
        };
        text.into_bytes()
    }

    fn lose(&mut self, node: &str, power: Power) {
        self.power.insert(node.into(), power);
        self.lost = Some((node.into(), self.now));
    }
}

impl World for Fake {
    fn host_fault(&self) -> Option<String> {
        self.nature.host_fault.map(str::to_owned)
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn sleep(&mut self, time: Duration) {
        self.pass(time);
    }

    fn scale(&self) -> f64 {
        1.0
    }

    fn lateness(&self) -> Duration {
        self.nature.lateness
    }

    fn bmc(&self, _: &str) -> Option<String> {
        None
    }

    fn accelerator(&self) -> String {
        "a fake".into()
    }

    fn macs(&self) -> BTreeMap<String, String> {
        ["alpha", "beta"]
            .map(|node| (format!("mac-{node}"), node.to_string()))
            .into()
    }

    fn power(&self, node: &str) -> Power {
        self.power[node]
    }

    fn is_up(&self, node: &str) -> bool {
        self.booting.as_deref() != Some(node) && !self.hangs(node)
    }

    fn run(&mut self, node: &str, shell: &str, _: &str, _: Duration) -> Result<Output, Trouble> {
        self.pass(Duration::from_millis(100));
        if !self.is_on(node) {
            return Err(Trouble::Guest(format!("{node} is off")));
        }
        let mut output = Output::default();
        output.stdout = match shell {
            ASK => self.answer(node),
            QUORUM => "Quorate: Yes\n    Nodeid      Votes Name\n  1  1 node\n".into(),
            CURSOR => "-- cursor: c\n".into(),
            line if line == again() => {
                self.applied += 1;
                String::new()
            }
            shell if shell.contains("sha256sum") => match self.nature.restless {
                true => format!("{} /etc/corosync/corosync.conf\n", self.applied),
                false => "1 /etc/corosync/corosync.conf\n".into(),
            },
            shell if shell.contains("journalctl --sync") => format!(
                "{{\"_BOOT_ID\":\"boot-{node}-{}\",\"__MONOTONIC_TIMESTAMP\":\"101000000\",\
                 \"SYSLOG_IDENTIFIER\":\"kernel\",\"MESSAGE\":\"{}\"}}\n",
                self.boots[node].0, self.nature.journal
            ),
            shell if shell.contains("status --json") => {
                "{\"state\": \"degraded\"}\n@@\nbeta is lost\n".into()
            }
            shell if shell.contains("cmapctl") => "runtime.config.totem.token (u32) = 1000\n\
                 runtime.config.totem.consensus (u32) = 1200\n"
                .into(),
            line if line == idle(Duration::from_secs(120)) => {
                if self.nature.fences_late {
                    self.fenced.push(("beta".into(), self.now));
                }
                String::new()
            }
            line if line.starts_with("crm_resource --cleanup") => {
                let all = !line.contains("--resource");
                let failed = &mut self.nature.failed;
                failed.retain(|id| !all && !line.contains(&format!("--resource {id}")));
                String::new()
            }
            line if line.starts_with("ubuntu-ha leave") => {
                let who = line.rsplit_once(' ').map_or(node, |(_, last)| last);
                let who = if who == "leave" { node } else { who };
                self.members.retain(|one| *one != who);
                String::new()
            }
            "ubuntu-ha join -" => {
                self.members.push("gamma");
                String::new()
            }
            shell => {
                self.commands.push(format!("{node}: {shell}"));
                output.status = i32::from(shell == "false");
                "done\n".into()
            }
        };
        Ok(output)
    }

    fn files(
        &mut self,
        nodes: &[String],
        paths: &[&str],
        _: Duration,
    ) -> Result<Vec<Files>, Trouble> {
        self.pass(TICK);
        let now = self.now;
        let told = nodes
            .iter()
            .filter(|node| self.is_on(node))
            .map(|node| Files {
                node: node.clone(),
                begin: now,
                end: now,
                contents: paths.iter().map(|path| self.file(node, path)).collect(),
            });
        Ok(told.collect())
    }

    fn inject(&mut self, fault: &Fault<String>) -> Result<(), Trouble> {
        if self.nature.broken {
            return Err(Trouble::Environment("QMP: no answer".into()));
        }
        match fault {
            Fault::PowerOff { node } => self.lose(node, Power::Off),
            Fault::Freeze { node } => self.lose(node, Power::Frozen),
            _ => {}
        }
        Ok(())
    }

    fn heal(&mut self, fault: &Fault<String>) -> Result<(), Trouble> {
        if let (Fault::Freeze { node }, Some(_)) = (fault, &self.lost) {
            // It goes on where it was, and nobody has noticed.
            self.power.insert(node.clone(), Power::On);
            self.lost = None;
        } else if let Fault::PowerOff { node } | Fault::Freeze { node } = fault {
            self.power.insert(node.clone(), Power::On);
            if self.nature.gives_up {
                self.holders.clear();
            }
            let number = self.boots[node].0 + 1;
            self.boots.insert(node.clone(), (number, self.now));
        }
        Ok(())
    }

    fn probes(&mut self) -> Vec<Probe> {
        self.probes.clone()
    }

    fn records(&mut self) -> Result<Option<Records>, Trouble> {
        let stored = if self.nature.lost_record {
            vec![1, 3]
        } else {
            vec![1, 2, 3]
        };
        Ok(Some(Records {
            acknowledged: vec![1, 2, 3],
            stored,
        }))
    }

    fn console(&mut self, node: &str) -> String {
        let said = self.nature.boots_into.filter(|_| self.hangs(node));
        said.unwrap_or_default().into()
    }
}
