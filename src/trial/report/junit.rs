//! The report for CI, as JUnit XML.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use super::model::{Report, Trial, Verdict};
use crate::trial::audit::{Verdict as Judged, meaning};
use crate::trial::scenario::told;

/// How much of each log goes into the file: CI servers choke on more.
const TAIL: usize = 20_000;

/// `junit.xml`.
pub fn junit(report: &Report) -> String {
    let mut xml = Xml::new("hapkg test");
    xml.set_time(report.wall);
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    for group in report.groups() {
        let first = group.first();
        let name = format!("{}.{}", first.role, first.suite);
        let index = suites.iter().position(|(known, _)| *known == name);
        let index = index.unwrap_or_else(|| {
            suites.push((name.clone(), TestSuite::new(&*name)));
            suites.len() - 1
        });
        for trial in &group.trials {
            suites[index].1.add_test_case(case(trial));
        }
    }
    for (_, mut suite) in suites {
        let total: Duration = suite.test_cases.iter().filter_map(|case| case.time).sum();
        suite.set_time(total);
        xml.add_test_suite(suite);
    }
    // The writer is a string: only a broken model could fail.
    xml.to_string().unwrap_or_default()
}

fn case(trial: &Trial) -> TestCase {
    let status = match trial.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        verdict => {
            let kind = match verdict {
                Verdict::Environment => NonSuccessKind::Error,
                _ => NonSuccessKind::Failure,
            };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(verdict.text());
            status.set_message(trial.why.first().map_or("", String::as_str));
            status.set_description(trial.why.join("\n"));
            status
        }
    };
    let name = match trial.repeat {
        1 => trial.scenario.clone(),
        repeat => format!("{} #{repeat}", trial.scenario),
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("{}.{}", trial.role, trial.suite));
    case.set_time(trial.length);
    case.set_system_out(out(trial));
    if trial.verdict != Verdict::Passed && !trial.attachments.is_empty() {
        let logs = trial.attachments.iter().map(|one| {
            let mut start = one.text.len().saturating_sub(TAIL);
            while !one.text.is_char_boundary(start) {
                start += 1;
            }
            format!("== {}\n{}\n", one.name, &one.text[start..])
        });
        case.set_system_err(logs.collect::<String>());
    }
    case
}

fn out(trial: &Trial) -> String {
    let mut text = format!("{}\n", trial.summary);
    text.push_str(&format!(
        "{}, time limits ×{:.0}\n",
        trial.accelerator, trial.scale
    ));
    for stub in &trial.stubs {
        text.push_str(&format!("{stub} is a stub\n"));
    }
    for step in &trial.steps {
        text.push_str(&format!("{:>8}  {}\n", told(step.from), step.text));
    }
    if let Some(outage) = trial.outage() {
        text.push_str(&format!("outage {}\n", told(outage.length)));
    }
    for audit in trial
        .audits
        .iter()
        .filter(|audit| audit.verdict != Judged::Absent)
    {
        let word = match &audit.verdict {
            Judged::Held => "holds",
            Judged::Broken => "BROKEN",
            Judged::Allowed(_) => "allowed to break",
            Judged::Absent => continue,
        };
        text.push_str(&format!("{word}: {}\n", meaning(&audit.name)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn failures_and_errors_are_told_apart() {
        let text = junit(&sample::report());
        let xml = roxmltree::Document::parse(&text).unwrap();
        let root = xml.root_element();
        assert_eq!(root.attribute("tests"), Some("6"));
        assert_eq!(root.attribute("failures"), Some("1"));
        assert_eq!(root.attribute("errors"), Some("1"));
        let failure = root
            .descendants()
            .find(|node| node.has_tag_name("failure"))
            .unwrap();
        assert!(
            failure.attribute("message").unwrap().contains("both held"),
            "{text}"
        );
        let case = failure.parent().unwrap();
        assert_eq!(case.attribute("classname"), Some("vip.resolute"));
        assert!(text.contains("is a stub"), "{text}");
    }

    #[test]
    fn no_log_can_break_the_document() {
        let mut report = sample::report();
        let trial = &mut report.trials[3];
        trial.attachments[0].text = "]]> \u{1b}[31m <a> \u{0} & é".repeat(4000);
        trial.why = vec!["</failure> \u{8}".into()];
        let text = junit(&report);
        roxmltree::Document::parse(&text).unwrap();
    }
}
