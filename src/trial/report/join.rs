//! Reports of several runs as one.

use std::collections::BTreeMap;

use super::model::{Report, Trial};

/// The trials of all; of those that two runs have in common the later one.
/// What was kept in one report and is in another as it was run comes from there.
pub fn join(reports: Vec<Report>) -> Report {
    let mut joined = Report::default();
    let mut hosts: Vec<String> = Vec::new();
    let mut trials: BTreeMap<(String, u16), Trial> = BTreeMap::new();
    for report in reports {
        if joined.began.is_empty() || report.began < joined.began {
            joined.began = report.began;
        }
        if !hosts.contains(&report.host) {
            hosts.push(report.host);
        }
        joined.wall += report.wall;
        for (path, times) in report.chosen {
            let most = joined.chosen.entry(path).or_default();
            *most = times.max(*most);
        }
        for trial in report.trials {
            let key = (trial.path(), trial.repeat);
            let age = |trial: &Trial| (trial.began.clone(), !trial.kept);
            let known = trials.get(&key);
            if known.is_none_or(|known| age(known) < age(&trial)) {
                trials.insert(key, trial);
            }
        }
    }
    joined.host = hosts.join("; ");
    joined.trials = trials.into_values().collect();
    joined.trials.sort_by(|a, b| a.began.cmp(&b.began));
    joined
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Verdict;
    use super::super::sample::power_off;
    use super::*;

    fn report(began: &str, host: &str, trials: Vec<Trial>) -> Report {
        Report {
            began: began.into(),
            host: host.into(),
            wall: Duration::from_secs(60),
            chosen: (trials.iter())
                .map(|trial| (trial.path(), trial.repeat))
                .collect(),
            trials,
        }
    }

    #[test]
    fn the_parts_of_a_fleet_are_one_report() {
        let (first, second) = (power_off(1, 6000), power_off(2, 7000));
        let joined = join(vec![
            report("2026-11-05T10:00:00Z", "2 processors", vec![second]),
            report("2026-11-05T09:00:00Z", "4 processors", vec![first]),
        ]);
        let repeats: Vec<u16> = joined.trials.iter().map(|trial| trial.repeat).collect();
        assert_eq!(repeats, [1, 2]);
        assert_eq!(joined.began, "2026-11-05T09:00:00Z");
        assert_eq!(joined.host, "2 processors; 4 processors");
        assert_eq!(joined.wall, Duration::from_secs(120));
        assert_eq!(joined.groups().len(), 1);
        assert!(joined.missing().is_empty());
    }

    #[test]
    fn what_a_part_did_not_come_to_is_missing() {
        let mut part = report("a", "x", vec![power_off(2, 6000)]);
        part.chosen.insert("drbd/noble/reset".into(), 1);
        let joined = join(vec![part]);
        assert_eq!(
            joined.missing(),
            ["drbd/noble/reset", "vip/resolute/power-off"]
        );
        let line = "2 of 3 chosen trials have no result: drbd/noble/reset, vip/resolute/power-off";
        assert!(joined.conditions().contains(&line.into()));
    }

    #[test]
    fn a_trial_that_was_run_again_counts_as_it_ended_last() {
        let (mut early, mut late) = (power_off(1, 6000), power_off(1, 7000));
        late.began = "2026-11-06T09:00:00Z".into();
        late.verdict = Verdict::Failed;
        for turn in 0..2 {
            let mut parts = vec![
                report("a", "x", vec![early.clone()]),
                report("b", "x", vec![late.clone()]),
            ];
            if turn == 1 {
                parts.reverse();
            }
            assert_eq!(join(parts).trials[0].verdict, Verdict::Failed);
        }
        early.kept = true;
        let run = Trial {
            kept: false,
            ..early.clone()
        };
        let parts = vec![report("a", "x", vec![run]), report("b", "x", vec![early])];
        assert!(!join(parts).trials[0].kept);
    }
}
