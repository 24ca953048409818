//! The report for other programs. Times are milliseconds; fields are added,
//! not changed.

use std::time::Duration;

use serde_json::{Value, json};

use super::model::{Report, Trial};

/// `report.json`.
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
                    "p50": ms(figures.p50),
                    "p95": ms(figures.p95),
                    "max": ms(figures.max),
                    "all": figures.all.iter().map(|one| ms(*one)).collect::<Vec<_>>(),
                })),
                "floor": group.floor().map(ms),
                "lost": group.lost(),
            })
        })
        .collect();
    let all = json!({
        "version": 1,
        "began": report.began,
        "host": report.host,
        "wall": ms(report.wall),
        "conditions": report.conditions(),
        "results": groups,
        "trials": report.trials.iter().map(trial).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn trial(trial: &Trial) -> Value {
    json!({
        "scenario": trial.scenario,
        "role": trial.role,
        "suite": trial.suite,
        "repeat": trial.repeat,
        "verdict": trial.verdict,
        "why": trial.why,
        "cold": trial.cold,
        "start": ms(trial.start),
        "served": trial.served.map(ms),
        "length": ms(trial.length),
        "accelerator": trial.accelerator,
        "scale": trial.scale,
        "stubs": trial.stubs,
        "nodes": trial.nodes,
        "steps": trial.steps.iter().map(|step| json!({
            "line": step.line,
            "text": step.text,
            "from": ms(step.from),
            "to": ms(step.to),
            "stopped": step.stopped,
        })).collect::<Vec<_>>(),
        "events": trial.events.iter().map(|event| json!({
            "at": ms(event.at),
            "node": event.node,
            "kind": event.kind,
            "text": event.text,
        })).collect::<Vec<_>>(),
        "outages": trial.outages.iter().map(|outage| json!({
            "kind": outage.kind,
            "from": ms(outage.from),
            "length": ms(outage.length),
            "open": outage.open,
        })).collect::<Vec<_>>(),
        "floor": trial.floor.map(|floor| json!({
            "token": ms(floor.token),
            "consensus": ms(floor.consensus),
            "fence": ms(floor.fence),
            "start": ms(floor.start),
        })),
        "records": trial.records,
        "audits": trial.audits,
    })
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
}
