//! A cluster in virtual machines, as a trial sees it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::wires::{CARDS, Rule, Wires};
use super::{Answer, Files, Output, Power, Trouble, World};
use crate::trial::fact::{Probe, Records};
use crate::trial::run::{heal_shell, inject_shell};
use crate::trial::scenario::{Fault, Manner, VIP};
use crate::vm::Error;
use crate::vm::bmc::Behaviour;
use crate::vm::machine::Machine;
use crate::vm::template::Cluster;

/// For a fault inside a guest, before the stretch.
const FAULT: Duration = Duration::from_secs(60);

/// A running cluster, its wires and client.
pub struct Machines {
    // Ends before the switches that its machines are plugged into.
    cluster: Cluster,
    wires: Wires,
    origin: Instant,
    /// Length of each console when the trial began.
    consoles: BTreeMap<String, usize>,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Environment(text) => Self::Environment(text),
            Error::Guest(text) | Error::Timeout(text) | Error::Off(text) => Self::Guest(text),
        }
    }
}

impl Machines {
    pub fn new(cluster: Cluster, wires: Wires, origin: Instant) -> Self {
        let consoles = (cluster.nodes().iter())
            .map(|node| {
                let console = node.machine.console().unwrap_or_default();
                (node.machine.name().to_string(), console.len())
            })
            .collect();
        Machines {
            cluster,
            wires,
            origin,
            consoles,
        }
    }

    /// Ends the capture of its frames, if there is one.
    ///
    /// # Errors
    /// `Environment`: something of it could not be written.
    pub fn end_capture(&self) -> Result<(), Trouble> {
        Ok(self.wires.end_capture()?)
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn machine(&self, node: &str) -> Result<&Machine, Trouble> {
        Ok(&self.cluster.node(node)?.machine)
    }

    fn links(&self, link: Option<u8>) -> Vec<&'static str> {
        let all = self.cluster.spec().links.len();
        let wanted = |number: &usize| link.is_none_or(|link| usize::from(link) == number + 1);
        (0..all)
            .filter(wanted)
            .map(|number| CARDS[number])
            .collect()
    }

    fn in_guest(&mut self, fault: &Fault<String>, shell: Option<String>) -> Result<(), Trouble> {
        let nodes = fault.nodes();
        let (Some(shell), [node]) = (shell, nodes.as_slice()) else {
            return Ok(());
        };
        let done = self.run(node, &shell, "", FAULT)?;
        match done.status {
            0 => Ok(()),
            status => Err(Trouble::Guest(format!(
                "to {fault} ended with {status}: {}",
                done.stderr.trim()
            ))),
        }
    }
}

fn converted(output: &crate::vm::shell::Output) -> Output {
    Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl World for Machines {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn scale(&self) -> f64 {
        self.cluster.spec().accelerator.scale
    }

    fn lateness(&self) -> Duration {
        self.wires.lateness()
    }

    fn accelerator(&self) -> String {
        let accelerator = &self.cluster.spec().accelerator;
        let text = accelerator.to_string();
        text.split(',').next().unwrap_or(&text).to_string()
    }

    fn macs(&self) -> BTreeMap<String, String> {
        let spec = self.cluster.spec();
        let nodes = spec.nodes.iter().enumerate();
        nodes
            .map(|(place, node)| (spec.mac(place, 0), node.clone()))
            .collect()
    }

    fn power(&self, node: &str) -> Power {
        let Ok(machine) = self.machine(node) else {
            return Power::Off;
        };
        if !machine.is_on() {
            return Power::Off;
        }
        match machine.execute("query-status", &json!({})) {
            Ok(status) if status["running"] == false => Power::Frozen,
            Ok(_) => Power::On,
            Err(_) => Power::Off,
        }
    }

    fn is_up(&self, node: &str) -> bool {
        self.machine(node)
            .is_ok_and(|machine| machine.shell().is_up())
    }

    fn host_fault(&self) -> Option<String> {
        self.cluster.host_fault()
    }

    fn bmc(&self, node: &str) -> Option<String> {
        let spec = self.cluster.spec();
        let place = spec.nodes.iter().position(|name| name == node)?;
        spec.bmcs.then(|| spec.bmc_address(place).to_string())
    }

    fn run(
        &mut self,
        node: &str,
        shell: &str,
        input: &str,
        limit: Duration,
    ) -> Result<Output, Trouble> {
        let machine = self.machine(node)?;
        let words = ["/bin/sh", "-c", shell];
        let feed = || machine.shell().feed(&words, input.as_bytes(), limit);
        Ok(converted(&self.cluster.patrolled(feed)?))
    }

    fn ask(&mut self, nodes: &[String], shell: &str, limit: Duration) -> Vec<Answer> {
        let origin = self.origin;
        let ask = |node: &str, machine: Result<&Machine, Trouble>| {
            let begin = origin.elapsed();
            let output =
                machine.and_then(|machine| Ok(converted(&machine.shell().script(shell, limit)?)));
            Answer {
                node: node.into(),
                begin,
                end: origin.elapsed(),
                output,
            }
        };
        self.cluster.patrolled(|| self.at_once(nodes, ask))
    }

    fn files(
        &mut self,
        nodes: &[String],
        paths: &[&str],
        limit: Duration,
    ) -> Result<Vec<Files>, Trouble> {
        let origin = self.origin;
        let read = |node: &str, machine: Result<&Machine, Trouble>| {
            let begin = origin.elapsed();
            let contents = machine.and_then(|machine| Ok(machine.shell().files(paths, limit)?));
            contents.map(|contents| Files {
                node: node.into(),
                begin,
                end: origin.elapsed(),
                contents,
            })
        };
        let told = self.cluster.patrolled(|| self.at_once(nodes, read));
        let heard = told
            .into_iter()
            .filter(|one| !matches!(one, Err(Trouble::Guest(_))));
        heard.collect()
    }

    fn inject(&mut self, fault: &Fault<String>) -> Result<(), Trouble> {
        match fault {
            Fault::PowerOff { node } => self.machine(node)?.power_off()?,
            Fault::Reset { node } => self.machine(node)?.reset()?,
            Fault::Freeze { node } => self.machine(node)?.freeze()?,
            Fault::Partition {
                between,
                direction,
                link,
            } => {
                self.wires.rule(between, *direction, *link, Rule::Block)?;
            }
            Fault::Loss {
                between,
                direction,
                link,
                percent,
            } => {
                self.wires
                    .rule(between, *direction, *link, Rule::Lose(*percent))?;
            }
            Fault::Delay {
                between,
                direction,
                link,
                by,
            } => {
                self.wires
                    .rule(between, *direction, *link, Rule::Delay(*by))?;
            }
            Fault::LinkDown { node, link } => {
                for card in self.links(*link) {
                    self.machine(node)?.link(card, false)?;
                }
            }
            Fault::FenceDevice { node, manner } => self.behave(
                node,
                match manner {
                    Manner::Dead | Manner::Hangs => Behaviour::Hang,
                    Manner::Refuses => Behaviour::Refuse,
                    Manner::Lies => Behaviour::Lie,
                },
            )?,
            _ => self.in_guest(fault, inject_shell(fault))?,
        }
        Ok(())
    }

    fn heal(&mut self, fault: &Fault<String>) -> Result<(), Trouble> {
        match fault {
            Fault::PowerOff { node } => self.machine(node)?.power_on()?,
            Fault::Freeze { node } => match self.power(node) {
                Power::Frozen => self.machine(node)?.thaw()?,
                // It was fenced, and not switched on again.
                Power::Off => self.machine(node)?.power_on()?,
                Power::On => {}
            },
            Fault::Partition {
                between,
                direction,
                link,
            } => {
                self.wires.rule(between, *direction, *link, Rule::Unblock)?;
            }
            Fault::Loss {
                between,
                direction,
                link,
                ..
            } => {
                self.wires.rule(between, *direction, *link, Rule::Lose(0))?;
            }
            Fault::Delay {
                between,
                direction,
                link,
                ..
            } => {
                self.wires
                    .rule(between, *direction, *link, Rule::Delay(Duration::ZERO))?;
            }
            Fault::LinkDown { node, link } => {
                // A machine that was switched off has its carriers back.
                if self.power(node) != Power::Off {
                    for card in self.links(*link) {
                        self.machine(node)?.link(card, true)?;
                    }
                }
            }
            Fault::FenceDevice { node, .. } => self.behave(node, Behaviour::Honest)?,
            Fault::Reset { .. } | Fault::Kill { .. } => {}
            _ => {
                let node = fault.nodes().first().map(|node| node.to_string());
                // What it befell may be off for good.
                if node.is_some_and(|node| self.power(&node) == Power::On) {
                    self.in_guest(fault, heal_shell(fault))?;
                }
            }
        }
        Ok(())
    }

    fn probes(&mut self) -> Vec<Probe> {
        self.wires.probes()
    }

    fn records(&mut self) -> Result<Option<Records>, Trouble> {
        let Some(acknowledged) = self.wires.acknowledged() else {
            return Ok(None);
        };
        // Where vm-tests/guest/records.pl has put them.
        let shell = format!(
            "ip -o addr show to {VIP} | grep -q . || exit 0; \
             dir=$(awk '$2 != \"/\" && $3 ~ /^(ext4|xfs)$/ {{ print $2 }}' /proc/mounts \
             | LC_ALL=C sort | head -n 1); \
             [ -z \"$dir\" ] || [ ! -e \"$dir/records\" ] || cat \"$dir/records\""
        );
        let names: Vec<String> = self.cluster.spec().nodes.clone();
        let mut stored = Vec::new();
        for node in names
            .iter()
            .filter(|node| self.power(node) == Power::On)
            .cloned()
            .collect::<Vec<_>>()
        {
            let done = self.run(&node, &shell, "", FAULT)?;
            stored.extend(
                done.stdout
                    .lines()
                    .filter_map(|line| line.parse::<u64>().ok()),
            );
        }
        Ok(Some(Records {
            acknowledged,
            stored,
        }))
    }

    fn console(&mut self, node: &str) -> String {
        let Ok(machine) = self.machine(node) else {
            return String::new();
        };
        let all = machine.console().unwrap_or_default();
        let from = self.consoles.get(node).copied().unwrap_or(0);
        all.get(from..).unwrap_or(&all).to_string()
    }
}

impl Machines {
    /// The same of each node, on a thread of its own.
    fn at_once<T: Send>(
        &self,
        nodes: &[String],
        what: impl Fn(&str, Result<&Machine, Trouble>) -> T + Sync,
    ) -> Vec<T> {
        let what = &what;
        std::thread::scope(|scope| {
            let running: Vec<_> = nodes
                .iter()
                .map(|node| {
                    let machine = self.machine(node);
                    scope.spawn(move || what(node, machine))
                })
                .collect();
            running
                .into_iter()
                .filter_map(|one| one.join().ok())
                .collect()
        })
    }

    fn behave(&self, node: &str, behaviour: Behaviour) -> Result<(), Trouble> {
        match &self.cluster.node(node)?.bmc {
            Some(bmc) => bmc.behave(behaviour),
            None => return Err(Trouble::Environment(format!("{node} has no BMC"))),
        }
        Ok(())
    }
}
