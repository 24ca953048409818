//! The report on a terminal.

use super::model::{Group, Report, Trial, Verdict};
use super::outage::Figures;
use crate::trial::scenario::told;

/// One line about a trial that has just ended, or is kept as it ended.
pub fn line(trial: &Trial) -> String {
    let end = match trial.kept {
        true => "kept",
        false => trial.verdict.text(),
    };
    let mut text = format!("{end:11} {}", trial.path());
    if trial.repeat > 1 {
        text.push_str(&format!(" #{}", trial.repeat));
    }
    text.push_str(&format!("  {}", told(trial.length)));
    if let Some(outage) = trial.outage() {
        let still = if outage.open { ", not ended" } else { "" };
        text.push_str(&format!("  outage {}{still}", told(outage.length)));
    }
    for why in &trial.why {
        text.push_str(&format!("\n            {why}"));
    }
    text
}

/// The table of all trials, why some did not pass, and the count.
pub fn summary(report: &Report) -> String {
    let head = [
        "ROLE",
        "SUITE",
        "SCENARIO",
        "RESULT",
        "OUTAGE p50",
        "p95",
        "max",
        "FLOOR",
        "LOST",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    let groups = report.groups();
    rows.extend(groups.iter().map(row));
    let mut text = table(&rows);
    let wrong = |group: &&Group| group.verdict() != Verdict::Passed;
    for group in groups.iter().filter(wrong) {
        for trial in group
            .trials
            .iter()
            .filter(|trial| trial.verdict != Verdict::Passed)
        {
            text.push_str(&format!("\n{} {}\n", trial.verdict.text(), trial.path()));
            for why in &trial.why {
                text.push_str(&format!("  {why}\n"));
            }
        }
    }
    text.push('\n');
    for line in report.conditions() {
        text.push_str(&format!("{line}.\n"));
    }
    text.push_str(&format!("{}.\n", count(report)));
    text
}

/// `12 passed, 1 failed, 2 not tried: environment; 3 min 2 s`.
pub fn count(report: &Report) -> String {
    let mut parts = vec![format!("{} passed", report.count(Verdict::Passed))];
    let (failed, environment) = (
        report.count(Verdict::Failed),
        report.count(Verdict::Environment),
    );
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if environment > 0 {
        parts.push(format!(
            "{environment} not tried, because the environment failed"
        ));
    }
    format!("{}; {}", parts.join(", "), told(report.wall))
}

fn row(group: &Group) -> Vec<String> {
    let trial = group.first();
    let verdict = group.verdict();
    let passed = (group.trials.iter())
        .filter(|trial| trial.verdict == Verdict::Passed)
        .count();
    let result = match group.trials.len() {
        1 => verdict.text().to_string(),
        all if passed == all => format!("passed ×{all}"),
        all => format!("{}, {passed}/{all} passed", verdict.text()),
    };
    let figures = group.outages();
    let figure = |pick: fn(&Figures) -> std::time::Duration| {
        figures
            .as_ref()
            .map_or("-".into(), |figures| told(pick(figures)))
    };
    vec![
        trial.role.clone(),
        trial.suite.clone(),
        trial.scenario.clone(),
        result,
        figure(|figures| figures.p50),
        figure(|figures| figures.p95),
        figure(|figures| figures.max),
        group.floor().map_or("-".into(), told),
        group.lost().map_or("-".into(), |lost| lost.to_string()),
    ]
}

/// Columns as wide as their widest cell; no blanks at the ends.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_table_tells_figures_and_why() {
        let text = summary(&sample::report());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ROLE"), "{text}");
        let ours = |line: &&&str| line.starts_with("vip") && line.contains("power-off");
        let power = lines.iter().find(ours).unwrap();
        assert!(
            power.contains("passed ×3") && power.contains("6.1 s"),
            "{text}"
        );
        assert!(
            text.contains("alpha and beta both held the address"),
            "{text}"
        );
        assert!(text.contains("stretched 6 times"), "{text}");
        assert!(text.contains("eucalyptus was a stub"), "{text}");
        assert!(text.contains("4 passed, 1 failed, 1 not tried"), "{text}");
        assert!(
            lines.iter().all(|line| line.trim_end() == *line),
            "{text:?}"
        );
    }

    #[test]
    fn a_line_tells_one_trial() {
        let report = sample::report();
        let text = line(&report.trials[0]);
        assert!(
            text.starts_with("passed      vip/resolute/power-off  "),
            "{text}"
        );
        assert!(text.contains("outage 6.1 s"), "{text}");
        let kept = Trial {
            kept: true,
            ..report.trials[0].clone()
        };
        assert_eq!(line(&kept), text.replacen("passed", "kept  ", 1));
    }
}
