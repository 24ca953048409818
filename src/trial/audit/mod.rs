//! What must hold after every scenario, whatever it was about. Pure: facts
//! in, judgement out.
//!
//! Where a fact that is needed is not there, the audit fails: what was not
//! seen is not proven.

mod cluster;
mod idempotent;
mod journal;
mod records;
mod single;
mod status;
mod survivor;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fact::{Facts, Single};

pub use journal::{Wrong, wrong};

/// The audits by name, as a scenario's `[allow]` has them.
pub const NAMES: [&str; 13] = [
    "one-survivor",
    "one-holder",
    "one-primary",
    "one-mount",
    "served",
    "no-failed-action",
    "all-online",
    "mirrored",
    "journal",
    "console",
    "records",
    "idempotent",
    "status",
];

/// Audits that are told and fail no trial.
const TOLD: [&str; 1] = ["status"];

/// How an audit ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Held,
    Broken,
    /// Broken, and the scenario says why that is right.
    Allowed(String),
    /// The role has no such thing.
    Absent,
}

/// One audit and what it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    pub name: String,
    pub verdict: Verdict,
    /// What speaks against it, in plain words.
    pub evidence: Vec<String>,
}

/// What an audit found: nothing to look at, or what is wrong.
type Found = Option<Vec<String>>;

/// Judges the facts by every audit. Those that `allow` names may fail, and those
/// that `must_break` names have to.
pub fn judge(
    facts: &Facts,
    allow: &BTreeMap<String, String>,
    must_break: &BTreeMap<String, String>,
) -> Vec<Audit> {
    let found: [(&'static str, Found); 13] = [
        ("one-survivor", survivor::dark(facts)),
        ("one-holder", single::holders(facts)),
        (
            "one-primary",
            single::never_two(facts, Single::Primary, facts.replicated),
        ),
        ("one-mount", single::never_two(facts, Single::Mount, false)),
        ("served", facts.unserved.clone()),
        ("no-failed-action", cluster::failed_actions(facts)),
        ("all-online", cluster::all_online(facts)),
        ("mirrored", cluster::mirrored(facts)),
        ("journal", journal::journals(facts)),
        ("console", journal::consoles(facts)),
        ("records", records::records(facts)),
        ("idempotent", idempotent::second_apply(facts)),
        ("status", status::agrees(facts)),
    ];
    let judged = found.into_iter().map(|(name, found)| {
        let reason = must_break.get(name);
        let broken = (found.as_ref()).is_some_and(|evidence| !evidence.is_empty());
        let (verdict, evidence) = match found {
            _ if !broken && reason.is_some() => {
                let why = format!(
                    "{} held, and must not: {}",
                    name,
                    reason.map_or("", |it| it)
                );
                (Verdict::Broken, vec![why])
            }
            None => (Verdict::Absent, Vec::new()),
            Some(evidence) if evidence.is_empty() => (Verdict::Held, evidence),
            Some(evidence) => match reason.or_else(|| allow.get(name)) {
                Some(reason) => (Verdict::Allowed(reason.clone()), evidence),
                None if TOLD.contains(&name) => {
                    (Verdict::Allowed("told, not judged".into()), evidence)
                }
                None => (Verdict::Broken, evidence),
            },
        };
        Audit {
            name: name.into(),
            verdict,
            evidence,
        }
    });
    judged.collect()
}

/// Short and long names of what each audit is about, for the report.
pub fn meaning(name: &str) -> &'static str {
    match name {
        "one-survivor" => "never all members down at once",
        "one-holder" => "never two holders of the address",
        "one-primary" => "never two primaries",
        "one-mount" => "never mounted twice",
        "served" => "the address served at the end",
        "no-failed-action" => "no failed action left",
        "all-online" => "all nodes online, with quorum, fenced state clean",
        "mirrored" => "all replicas connected and up to date",
        "journal" => "journals without crash, out of memory, hung task",
        "console" => "consoles without panic, oops, lockup",
        "records" => "every acknowledged record there, in order, once",
        "status" => "ubuntu-ha status finds all well",
        "idempotent" => "a second apply changes nothing",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_audit_has_a_name_and_a_meaning() {
        let judged = judge(&Facts::default(), &BTreeMap::new(), &BTreeMap::new());
        let names: Vec<&str> = judged.iter().map(|audit| audit.name.as_str()).collect();
        assert_eq!(names, NAMES);
        assert!(NAMES.iter().all(|name| !meaning(name).is_empty()));
    }

    #[test]
    fn without_facts_nothing_is_proven() {
        let judged = judge(&Facts::default(), &BTreeMap::new(), &BTreeMap::new());
        let held: Vec<&str> = (judged.iter())
            .filter(|audit| audit.verdict == Verdict::Held)
            .map(|audit| audit.name.as_str())
            .collect();
        assert!(held.is_empty(), "{held:?}");
    }

    #[test]
    fn what_is_only_told_fails_no_trial() {
        let node = super::super::fact::NodeFacts {
            name: "alpha".into(),
            status: "{\"state\": \"degraded\"}".into(),
            ..Default::default()
        };
        let facts = Facts {
            nodes: vec![node],
            ..Facts::default()
        };
        let judged = judge(&facts, &BTreeMap::new(), &BTreeMap::new());
        let audit = judged.iter().find(|audit| audit.name == "status").unwrap();
        assert_eq!(audit.verdict, Verdict::Allowed("told, not judged".into()));
        assert_eq!(audit.evidence, ["alpha: the state is degraded"]);
    }

    #[test]
    fn what_must_break_and_holds_is_broken() {
        let mut facts = Facts {
            dark: Some(Vec::new()),
            ..Facts::default()
        };
        let must = BTreeMap::from([("one-survivor".to_string(), "both go".to_string())]);
        let verdict = |facts: &Facts| {
            let judged = judge(facts, &BTreeMap::new(), &must);
            let one = judged.into_iter().find(|one| one.name == "one-survivor");
            one.map(|one| (one.verdict, one.evidence))
        };
        let why = "one-survivor held, and must not: both go";
        assert_eq!(
            verdict(&facts),
            Some((Verdict::Broken, vec![why.to_string()]))
        );
        let (from, to) = Default::default();
        facts.dark = Some(vec![super::super::fact::Dark { from, to }]);
        let found = verdict(&facts).map(|(verdict, _)| verdict);
        assert_eq!(found, Some(Verdict::Allowed("both go".into())));
    }

    #[test]
    fn what_is_allowed_stays_visible() {
        let allow = BTreeMap::from([("all-online".to_string(), "one is gone".to_string())]);
        let judged = judge(&Facts::default(), &allow, &BTreeMap::new());
        let audit = judged
            .iter()
            .find(|audit| audit.name == "all-online")
            .unwrap();
        assert_eq!(audit.verdict, Verdict::Allowed("one is gone".into()));
        assert!(!audit.evidence.is_empty());
    }
}
