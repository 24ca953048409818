//! The steps of a scenario: which words belong to which verb.

use std::time::Duration;

use super::act::Act;
use super::check::Checker;
use super::expect;
use super::fault::Fault;
use super::raw::{ActWord, Direction, FaultWord, Fencing, Step as Raw};
use super::takes::{NODE, OUTCOME};
use super::words::{self, Who};
use super::{Outcome, Start, Step, Verb};
use crate::recipe::document::at;
use crate::recipe::suggest;

/// Until what a step expects holds, where it says nothing else.
const WITHIN: Duration = Duration::from_secs(120);

const SIGNALS: [&str; 8] = ["KILL", "TERM", "STOP", "CONT", "SEGV", "ABRT", "HUP", "INT"];

pub(super) fn steps(checker: &mut Checker, raw: &[Raw], start: &Start) -> Vec<Step> {
    let mut injected: Vec<FaultWord> = Vec::new();
    let mut list = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let mut one = One {
            checker,
            raw,
            index,
            start,
        };
        if let Some(step) = one.step(&injected) {
            if let Verb::Fault(fault) = &step.verb {
                injected.push(fault.word());
            }
            list.push(step);
        }
    }
    list
}

/// One step being checked.
pub(super) struct One<'c, 'a, 't, 'r> {
    pub checker: &'c mut Checker<'a, 't>,
    pub raw: &'r Raw,
    pub index: usize,
    start: &'r Start,
}

impl One<'_, '_, '_, '_> {
    fn step(&mut self, injected: &[FaultWord]) -> Option<Step> {
        let (raw, index) = (self.raw, self.index);
        let line = self.checker.line(at!["step", index]);
        let verb = self.verb(injected)?;
        let expect = match &raw.expect {
            Some(expect) => {
                expect::expectations(self.checker, expect, at!["step", index, "expect"])
            }
            None => Vec::new(),
        };
        if raw.within.is_some() && raw.expect.is_none() {
            self.checker.key(
                at!["step", index, "within"],
                "nothing is expected within that time",
                "add `expect`, or take `within` out",
            );
        }
        let path = at!["step", index, "within"];
        let within = self.checker.time(path, raw.within.as_deref(), WITHIN);
        Some(Step {
            line,
            verb,
            note: raw.note.clone(),
            within,
            expect,
        })
    }

    /// The verb with its arguments; what does not belong to it is reported.
    fn verb(&mut self, injected: &[FaultWord]) -> Option<Verb> {
        let (raw, index) = (self.raw, self.index);
        let verbs = [
            ("fault", raw.fault.is_some()),
            ("heal", raw.heal.is_some()),
            ("act", raw.act.is_some()),
            ("run", raw.run.is_some()),
            ("wait", raw.wait.is_some()),
        ];
        let mut there = verbs
            .iter()
            .filter(|(_, there)| *there)
            .map(|(verb, _)| *verb);
        let first = there.next();
        if let Some(second) = there.next() {
            self.checker.key(
                at!["step", index, second],
                format!(
                    "a step has one verb, and `{}` is here too",
                    first.unwrap_or_default()
                ),
                "begin another [[step]] for it",
            );
            return None;
        }
        if let Some(word) = raw.fault {
            self.only(&format!("the fault `{}`", word.text()), &[word.takes()])?;
            let fault = self.fault(word)?;
            let path = at!["step", index, "for"];
            let time = raw.lasting.as_deref();
            let time = time.map(|text| self.checker.time(path, Some(text), Duration::ZERO));
            return Some(match time {
                Some(time) => Verb::Brief(fault, time),
                None => Verb::Fault(fault),
            });
        }
        if let Some(word) = raw.act {
            let name = format!("the act `{}`", word.text());
            self.only(&name, &[word.takes(), &OUTCOME])?;
            return self.act(word);
        }
        if let Some(word) = &raw.heal {
            self.only("`heal`", &[&[("node", false)]])?;
            return self.heal(word, injected);
        }
        if let Some(shell) = &raw.run {
            self.only("`run`", &[&[NODE], &OUTCOME])?;
            if shell.trim().is_empty() {
                self.checker.value(
                    at!["step", index, "run"],
                    "there is no command",
                    "write the shell that is to run",
                );
            }
            let node = self.node()?;
            return Some(Verb::Run {
                node,
                shell: shell.clone(),
                outcome: self.outcome(),
            });
        }
        if let Some(time) = &raw.wait {
            self.only("`wait`", &[])?;
            let path = at!["step", index, "wait"];
            let time = self.checker.time(path, Some(time), Duration::ZERO);
            return Some(Verb::Wait(time));
        }
        if raw.expect.is_none() {
            self.checker.value(
                at!["step", index],
                "this step does nothing and expects nothing",
                "write a verb: `fault`, `heal`, `act`, `run` or `wait`",
            );
            return None;
        }
        self.only("a step without a verb", &[])?;
        Some(Verb::Look)
    }

    fn node(&mut self) -> Option<Who> {
        let word = self.raw.node.as_deref()?;
        Some(self.checker.who(at!["step", self.index, "node"], word))
    }

    fn on(&mut self) -> Option<Who> {
        let word = self.raw.on.as_deref()?;
        if self.raw.role.is_some() {
            self.checker.key(
                at!["step", self.index, "on"],
                "a role leaves on the node itself",
                "take it out, or `role`",
            );
        }
        Some(self.checker.who(at!["step", self.index, "on"], word))
    }

    fn between(&mut self) -> Option<[Who; 2]> {
        let index = self.index;
        let [a, b] = self.raw.between.as_slice() else {
            self.checker.value(
                at!["step", index, "between"],
                "a link has two ends",
                "write two nodes: between = [\"alpha\", \"beta\"]",
            );
            return None;
        };
        let first = self.checker.who(at!["step", index, "between", 0], a);
        let second = self.checker.who(at!["step", index, "between", 1], b);
        if first == second {
            self.checker.value(
                at!["step", index, "between", 1],
                format!("{b} is at both ends"),
                "name another node",
            );
        }
        Some([first, second])
    }

    fn link(&mut self) -> Option<u8> {
        let link = self.raw.link?;
        let most = self.start.links;
        let path = at!["step", self.index, "link"];
        Some(self.checker.within(path, Some(link), 1, 1..=most))
    }

    fn text(&self, field: &Option<String>) -> String {
        field.clone().unwrap_or_default()
    }

    fn outcome(&mut self) -> Outcome {
        let raw = self.raw;
        if raw.background == Some(true) {
            for (key, given) in [
                ("exit", raw.exit.is_some()),
                ("output", raw.output.is_some()),
            ] {
                if given {
                    let path = at!["step", self.index, key];
                    let message = format!("nobody waits for the end, so `{key}` is not seen");
                    self.checker
                        .key(path, message, "take it out, or `background`");
                }
            }
            return Outcome::Background;
        }
        Outcome::Ends {
            exit: raw.exit.unwrap_or(0),
            output: raw.output.clone(),
        }
    }

    fn fault(&mut self, word: FaultWord) -> Option<Fault<Who>> {
        let (raw, index) = (self.raw, self.index);
        let direction = raw.direction.unwrap_or(Direction::Both);
        Some(match word {
            FaultWord::PowerOff => Fault::PowerOff { node: self.node()? },
            FaultWord::Reset => Fault::Reset { node: self.node()? },
            FaultWord::Freeze => Fault::Freeze { node: self.node()? },
            FaultWord::Kill => Fault::Kill {
                node: self.node()?,
                process: self.process()?,
                signal: self.signal(),
            },
            FaultWord::Partition => Fault::Partition {
                between: self.between()?,
                direction,
                link: self.link(),
            },
            FaultWord::LinkDown => Fault::LinkDown {
                node: self.node()?,
                link: self.link(),
            },
            FaultWord::Loss => Fault::Loss {
                between: self.between()?,
                direction,
                link: self.link(),
                percent: self.checker.within(
                    at!["step", index, "percent"],
                    raw.percent,
                    1,
                    1..=100,
                ),
            },
            FaultWord::Delay => Fault::Delay {
                between: self.between()?,
                direction,
                link: self.link(),
                by: self
                    .checker
                    .time(at!["step", index, "by"], raw.by.as_deref(), Duration::ZERO),
            },
            FaultWord::DiskFull => {
                let path = self.text(&raw.path);
                if !path.starts_with('/') {
                    self.checker.value(
                        at!["step", index, "path"],
                        format!("{path:?} is no absolute path"),
                        format!("write \"/{path}\""),
                    );
                }
                Fault::DiskFull {
                    node: self.node()?,
                    path,
                }
            }
            FaultWord::DiskError => Fault::DiskError {
                node: self.node()?,
                disk: self.disk()?,
            },
            FaultWord::FenceDevice => {
                if self.start.fencing.unwrap_or_default() != Fencing::Ipmi {
                    self.checker.value(
                        at!["step", index, "fault"],
                        "this cluster has no fence device that could fail so",
                        "write fencing = \"ipmi\" in [start]",
                    );
                }
                Fault::FenceDevice {
                    node: self.node()?,
                    manner: raw.manner?,
                }
            }
            FaultWord::ClockJump => Fault::ClockJump {
                node: self.node()?,
                by: self.jump()?,
            },
            FaultWord::Misbehave => {
                if self.start.stubs.as_ref().is_some_and(Vec::is_empty) {
                    self.checker.value(
                        at!["step", index, "fault"],
                        "there is no stub that could misbehave",
                        "write stubs = [\"eucalyptus\"] in [start]",
                    );
                }
                Fault::Misbehave {
                    node: self.node()?,
                    mode: self.text(&raw.mode),
                    value: self.text(&raw.value),
                }
            }
        })
    }

    fn process(&mut self) -> Option<String> {
        let process = self.raw.process.clone()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if process.is_empty() || !process.chars().all(plain) {
            self.checker.value(
                at!["step", self.index, "process"],
                format!("{process:?} is no name of a process"),
                "write its name as `ps -o comm` has it, such as corosync",
            );
            return None;
        }
        Some(process)
    }

    fn signal(&mut self) -> String {
        let Some(signal) = &self.raw.signal else {
            return "KILL".into();
        };
        let bare = signal.strip_prefix("SIG").unwrap_or(signal);
        if !SIGNALS.contains(&bare) {
            let remedy = suggest::remedy(bare, SIGNALS);
            let path = at!["step", self.index, "signal"];
            self.checker
                .value(path, format!("there is no signal {signal:?} here"), remedy);
        }
        bare.into()
    }

    fn disk(&mut self) -> Option<String> {
        let disk = self.raw.disk.clone()?;
        let Some(disks) = &self.start.disks else {
            return Some(disk);
        };
        let mut known: Vec<String> = (0..disks.len()).map(disk_name).collect();
        if self.start.shared_disk.is_some() {
            known.push("shared".into());
        }
        if !known.contains(&disk) {
            let remedy = match known.is_empty() {
                true => "add disks = [\"1G\"] to [start]".into(),
                false => suggest::remedy(&disk, known.iter().map(String::as_str)),
            };
            let path = at!["step", self.index, "disk"];
            self.checker
                .value(path, format!("there is no disk {disk:?}"), remedy);
        }
        Some(disk)
    }

    fn jump(&mut self) -> Option<i64> {
        let by = self.raw.by.as_deref()?;
        let jump = words::milliseconds(by, true).filter(|ms| *ms != 0);
        if jump.is_none() {
            self.checker.value(
                at!["step", self.index, "by"],
                format!("the clock cannot jump by {by:?}"),
                "write a sign, a number and its unit: +1h, -30s",
            );
        }
        jump
    }

    fn act(&mut self, word: ActWord) -> Option<Verb> {
        for (index, id) in self.raw.resources.iter().enumerate() {
            let path = at!["step", self.index, "resources", index];
            self.checker.resource(path, id);
        }
        let act = Act {
            word,
            node: self.node()?,
            on: self.on(),
            role: self.raw.role.clone(),
            packages: self.raw.packages.clone(),
            resources: self.raw.resources.clone(),
            answers: self.raw.answers.clone(),
        };
        Some(Verb::Act(act, self.outcome()))
    }

    fn heal(&mut self, word: &str, injected: &[FaultWord]) -> Option<Verb> {
        let path = at!["step", self.index, "heal"];
        if word == "all" {
            if self.raw.node.is_some() {
                self.checker.key(
                    at!["step", self.index, "node"],
                    "`all` heals every node",
                    "take `node` out, or name the fault",
                );
            }
            return Some(Verb::HealAll);
        }
        let lasting = FaultWord::ALL.iter().filter(|fault| fault.lasts());
        let Some(fault) = FaultWord::ALL.iter().find(|fault| fault.text() == word) else {
            let known: Vec<&str> = lasting.map(|fault| fault.text()).chain(["all"]).collect();
            let remedy = suggest::remedy(word, known.iter().copied());
            self.checker
                .value(path, format!("there is no fault {word:?}"), remedy);
            return None;
        };
        if !fault.lasts() {
            self.checker.value(
                path,
                format!("`{word}` is over at once: there is nothing to heal"),
                "take this step out",
            );
        } else if !injected.contains(fault) {
            self.checker.value(
                path,
                format!("no step before this one injects `{word}`"),
                "put the fault first, or heal another one",
            );
        }
        let node = self.node();
        Some(Verb::Heal(*fault, node))
    }
}

/// Names of a node's blank disks: `data`, `data2`, …
pub fn disk_name(index: usize) -> String {
    match index {
        0 => "data".into(),
        more => format!("data{}", more + 1),
    }
}
