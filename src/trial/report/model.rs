//! What a report is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::millis;
use super::outage::{Figures, Outage};
use crate::trial::audit::Audit;
use crate::trial::event::Event;
use crate::trial::fact::ProbeKind;

/// A run of trials.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// In words: processors, memory.
    pub host: String,
    /// From start to end, images and templates included.
    #[serde(with = "millis")]
    pub wall: Duration,
    /// What was to be tried, by `ROLE/SUITE/NAME`, and how often: a run that ends
    /// early has fewer trials. Of reports that do not tell, nothing.
    #[serde(default)]
    pub chosen: BTreeMap<String, u16>,
    /// In the order they ended.
    pub trials: Vec<Trial>,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Passed,
    /// The role did not do what it must.
    Failed,
    /// Nothing is known of the role: the machine, the network or a tool
    /// failed.
    Environment,
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Environment => "environment",
        }
    }
}

/// One scenario, run once for one role on one suite. Times without another
/// word are since its first step began, by the driver's clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    pub scenario: String,
    pub summary: String,
    pub role: String,
    pub suite: String,
    /// Counted from 1.
    pub repeat: u16,
    /// When it began, RFC 3339.
    pub began: String,
    /// Over all that it was made of but hapkg itself: packages, image, answers,
    /// scenario, accelerator.
    pub fingerprint: String,
    /// It was in the report already that this run goes on with.
    pub kept: bool,
    /// Those of ours that the role consists of.
    pub packages: Vec<Package>,
    pub verdict: Verdict,
    /// Why it did not pass, in plain words.
    pub why: Vec<String>,
    /// Booted and formed for this trial, not forked from a template.
    pub cold: bool,
    /// Until the first step: boot or fork.
    #[serde(with = "millis")]
    pub start: Duration,
    /// From then on, until every node answered with quorum, and the address;
    /// `None` where that was not seen.
    #[serde(with = "millis::option")]
    pub served: Option<Duration>,
    /// Of the steps and audits.
    #[serde(with = "millis")]
    pub length: Duration,
    /// `TCG`, `KVM`, …
    pub accelerator: String,
    /// By how much time limits were stretched.
    pub scale: f64,
    /// How late the client's own questions were at worst, the host being busy:
    /// outages are known to no less.
    #[serde(with = "millis", default)]
    pub late: Duration,
    /// Stand-ins for software that no archive has.
    pub stubs: Vec<String>,
    pub nodes: Vec<String>,
    pub steps: Vec<StepDone>,
    pub events: Vec<Event>,
    /// How each kind of probe fared.
    pub spans: Vec<Span>,
    /// Who held the address, and when nodes stood still.
    pub held: Vec<Held>,
    pub outages: Vec<Outage>,
    pub floor: Option<Floor>,
    pub records: Option<RecordCount>,
    pub audits: Vec<Audit>,
    pub attachments: Vec<Attachment>,
}

/// A package of ours, as the repository's index has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub sha256: String,
}

/// A step that was taken, or stopped at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepDone {
    pub line: usize,
    pub text: String,
    pub note: Option<String>,
    #[serde(with = "millis")]
    pub from: Duration,
    #[serde(with = "millis")]
    pub to: Duration,
    /// What stopped it.
    pub stopped: Option<Stopped>,
}

/// Why a step was the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by", content = "why")]
pub enum Stopped {
    /// What was expected does not hold.
    Role(Vec<String>),
    Environment(String),
}

/// A stretch of time in which all probes of a kind fared alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub kind: ProbeKind,
    #[serde(with = "millis")]
    pub from: Duration,
    #[serde(with = "millis")]
    pub to: Duration,
    pub good: bool,
}

/// A node and something that was so for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub node: String,
    pub what: Stretch,
    #[serde(with = "millis")]
    pub from: Duration,
    #[serde(with = "millis")]
    pub to: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stretch {
    /// It answered for the address.
    Address,
    Off,
    Frozen,
}

/// What no configuration of this cluster can do faster: the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    #[serde(with = "millis")]
    pub token: Duration,
    #[serde(with = "millis")]
    pub consensus: Duration,
    /// As long as the fence device took, nothing where none is asked.
    #[serde(with = "millis")]
    pub fence: Duration,
    /// As long as the agents took to start.
    #[serde(with = "millis")]
    pub start: Duration,
}

impl Floor {
    pub fn total(&self) -> Duration {
        self.token + self.consensus + self.fence + self.start
    }

    pub fn parts(&self) -> [(&'static str, Duration); 4] {
        [
            ("token", self.token),
            ("consensus", self.consensus),
            ("fence", self.fence),
            ("start", self.start),
        ]
    }
}

/// Records of the acknowledged-write client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCount {
    pub acknowledged: usize,
    pub stored: usize,
    pub lost: usize,
}

/// A log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attachment {
    /// `alpha: journal`.
    pub name: String,
    pub text: String,
}

impl Attachment {
    /// What a node logged, unless that is nothing.
    pub fn of(node: &str, kind: &str, text: String) -> Option<Self> {
        let name = format!("{node}: {kind}");
        (!text.trim().is_empty()).then_some(Attachment { name, text })
    }
}

impl Trial {
    /// The longest time that clients were not served.
    pub fn outage(&self) -> Option<&Outage> {
        super::longest(&self.outages)
    }

    /// `vip/noble/power-off`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.role, self.suite, self.scenario)
    }
}

/// All repeats of one scenario for one role on one suite.
#[derive(Debug)]
pub struct Group<'a> {
    pub trials: Vec<&'a Trial>,
}

impl<'a> Group<'a> {
    pub fn first(&self) -> &'a Trial {
        self.trials[0]
    }

    /// The worst of all.
    pub fn verdict(&self) -> Verdict {
        let worst = |verdict: &Verdict| match verdict {
            Verdict::Failed => 2,
            Verdict::Environment => 1,
            Verdict::Passed => 0,
        };
        let all = self.trials.iter().map(|trial| trial.verdict);
        all.max_by_key(worst).unwrap_or(Verdict::Environment)
    }

    /// Outages over the repeats that tell something of the role.
    pub fn outages(&self) -> Option<Figures> {
        let told = self
            .trials
            .iter()
            .filter(|trial| trial.verdict != Verdict::Environment);
        Figures::of(
            told.filter_map(|trial| Some(trial.outage()?.length))
                .collect(),
        )
    }

    /// The median of the model's floor.
    pub fn floor(&self) -> Option<Duration> {
        let all = self
            .trials
            .iter()
            .filter_map(|trial| Some(trial.floor?.total()));
        Some(Figures::of(all.collect())?.p50)
    }

    pub fn lost(&self) -> Option<usize> {
        let all: Vec<usize> = (self.trials.iter())
            .filter_map(|trial| Some(trial.records?.lost))
            .collect();
        (!all.is_empty()).then(|| all.iter().sum())
    }
}

impl Report {
    /// Repeats brought together; sorted by role, scenario, and suite in the
    /// order of releases.
    pub fn groups(&self) -> Vec<Group<'_>> {
        use crate::recipe::suite::SUITES;
        let place = |name: &str| SUITES.iter().position(|suite| suite.name == name);
        let mut trials: Vec<&Trial> = self.trials.iter().collect();
        trials.sort_by(|a, b| {
            let key = |trial: &Trial| (trial.role.clone(), trial.scenario.clone());
            (key(a), place(&a.suite), a.repeat).cmp(&(key(b), place(&b.suite), b.repeat))
        });
        let mut groups: Vec<Group> = Vec::new();
        for trial in trials {
            match groups.last_mut() {
                Some(group) if group.first().path() == trial.path() => group.trials.push(trial),
                _ => groups.push(Group {
                    trials: vec![trial],
                }),
            }
        }
        groups
    }

    /// How many trials ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.trials
            .iter()
            .filter(|trial| trial.verdict == verdict)
            .count()
    }

    /// The sentences that say under which conditions figures were taken.
    pub fn conditions(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for trial in &self.trials {
            if trial.accelerator.is_empty() {
                continue;
            }
            let mut line = format!("QEMU with {}", trial.accelerator);
            if trial.scale > 1.0 {
                line.push_str(&format!(
                    ": slower than a real machine, time limits stretched {:.0} times; \
                     compare figures only with others taken so",
                    trial.scale
                ));
            }
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let mut stubs: Vec<&String> = self.trials.iter().flat_map(|t| &t.stubs).collect();
        stubs.sort();
        stubs.dedup();
        lines.extend(self.unfinished());
        lines.extend(self.kept());
        lines.extend(self.mixed());
        for stub in stubs {
            lines.push(format!(
                "{stub} was a stub: no archive has the software, so that the agents were tried \
                 and the service was not"
            ));
        }
        lines
    }

    /// The trials that were chosen and have no end, with the number of the repeat
    /// where that is not the first.
    pub fn missing(&self) -> Vec<String> {
        let there: BTreeSet<(String, u16)> = (self.trials.iter())
            .map(|trial| (trial.path(), trial.repeat))
            .collect();
        let all = (self.chosen.iter())
            .flat_map(|(path, times)| (1..=*times).map(move |repeat| (path.clone(), repeat)));
        all.filter(|one| !there.contains(one))
            .map(|(path, repeat)| match repeat {
                1 => path,
                repeat => format!("{path} #{repeat}"),
            })
            .collect()
    }

    fn unfinished(&self) -> Option<String> {
        let missing = self.missing();
        let all: usize = self.chosen.values().map(|times| usize::from(*times)).sum();
        (!missing.is_empty()).then(|| {
            format!(
                "{} of {all} chosen trials have no result: {}",
                missing.len(),
                few(&missing)
            )
        })
    }

    /// How many trials this run did not make.
    fn kept(&self) -> Option<String> {
        let began = self.trials.iter().filter(|trial| trial.kept);
        let first = began.clone().map(|trial| trial.began.as_str()).min()?;
        Some(format!(
            "{} of {} trials are of earlier runs, the first of {first}",
            began.count(),
            self.trials.len()
        ))
    }

    /// The packages that came from more than one build.
    fn mixed(&self) -> Vec<String> {
        let mut builds: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for trial in &self.trials {
            for package in &trial.packages {
                let of = builds.entry((&package.name, &trial.suite)).or_default();
                of.insert(&package.sha256);
            }
        }
        let several = builds.into_iter().filter(|(_, of)| of.len() > 1);
        several
            .map(|((name, suite), of)| {
                format!("{name} on {suite} was of {} different builds", of.len())
            })
            .collect()
    }
}

/// The first names of a list.
pub fn few(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(", …");
    }
    text
}
