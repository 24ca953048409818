//! The report for other programs, and for a later run that goes on with it.
//! Times are milliseconds; fields are added, not changed.

use serde_json::{Value, json};

use super::millis::whole;
use super::model::Report;

const VERSION: u64 = 1;

/// `report.json`: the report, and the figures over repeats as `results`.
pub fn json(report: &Report) -> String {
    let groups: Vec<Value> = (report.groups().iter())
        .map(|group| {
            let first = group.first();
            json!({
                "role": first.role,
                "suite": first.suite,
                "scenario": first.scenario,
                "summary": first.summary,
                "verdict": group.verdict(),
                "repeats": group.trials.len(),
                "outage": group.outages().map(|figures| json!({
                    "p50": whole(figures.p50),
                    "p95": whole(figures.p95),
                    "max": whole(figures.max),
                    "all": figures.all.iter().map(|one| whole(*one)).collect::<Vec<_>>(),
                })),
                "floor": group.floor().map(whole),
                "lost": group.lost(),
            })
        })
        .collect();
    let all = json!({
        "version": VERSION,
        "began": report.began,
        "host": report.host,
        "wall": whole(report.wall),
        "chosen": report.chosen,
        "conditions": report.conditions(),
        "results": groups,
        "trials": report.trials,
    });
    format!("{all:#}\n")
}

/// Reads what [`json`] wrote.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(text: &str) -> Result<Report, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("this is no JSON: {e}"))?;
    match value["version"].as_u64() {
        Some(VERSION) => {}
        Some(other) => return Err(format!("it is of version {other}, not {VERSION}")),
        None => return Err("it is no report of hapkg test".into()),
    }
    serde_json::from_value(value)
        .map_err(|e| format!("another release of hapkg has written it: {e}"))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn other_programs_find_figures_and_verdicts() {
        let value: Value = serde_json::from_str(&json(&sample::report())).unwrap();
        let results = value["results"].as_array().unwrap();
        let ours = |one: &&Value| one["role"] == "vip" && one["scenario"] == "power-off";
        let power = results.iter().find(ours).unwrap();
        assert_eq!(power["outage"]["p50"], 6100);
        assert_eq!(power["verdict"], "passed");
        assert_eq!(value["trials"].as_array().unwrap().len(), 6);
        assert_eq!(
            value["trials"][0]["steps"][0]["text"],
            "cut the power of alpha"
        );
    }

    #[test]
    fn what_was_written_reads_back() {
        let report = sample::report();
        let text = json(&report);
        let again = read(&text).unwrap();
        assert_eq!(json(&again), text);
        assert_eq!(again.trials[0].spans, report.trials[0].spans);
        assert_eq!(again.trials[0].audits, report.trials[0].audits);
    }

    #[test]
    fn what_is_no_report_is_refused_in_words() {
        for (text, part) in [
            ("", "no JSON"),
            ("{}", "no report"),
            ("{\"version\": 9}", "version 9"),
            ("{\"version\": 1, \"trials\": [{}]}", "another release"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
