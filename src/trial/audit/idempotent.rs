//! The second `ubuntu-ha apply` changes nothing.

use std::collections::BTreeSet;

use super::Found;
use crate::trial::fact::Facts;

pub(super) fn second_apply(facts: &Facts) -> Found {
    if facts.applied.is_empty() {
        return match facts.nodes.is_empty() || facts.stopped {
            true => None,
            false => Some(vec!["apply was not run a second time".into()]),
        };
    }
    let mut evidence = Vec::new();
    for applied in &facts.applied {
        let node = &applied.node;
        if applied.exit != 0 {
            let last = applied.output.trim().lines().last().unwrap_or_default();
            evidence.push(format!("{node}: apply ended with {}: {last}", applied.exit));
        }
        if applied.before.trim().is_empty() {
            evidence.push(format!("{node}: there was nothing to compare"));
        }
        let before: BTreeSet<&str> = applied.before.lines().collect();
        let after: BTreeSet<&str> = applied.after.lines().collect();
        for line in before.symmetric_difference(&after) {
            let sign = if before.contains(line) { '-' } else { '+' };
            evidence.push(format!("{node}: {sign}{line}"));
        }
    }
    Some(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::fact::Applied;

    fn found(applied: Applied) -> Vec<String> {
        let facts = Facts {
            applied: vec![Applied {
                node: "alpha".into(),
                ..applied
            }],
            ..Facts::default()
        };
        second_apply(&facts).unwrap()
    }

    #[test]
    fn a_changed_file_is_told() {
        let same = Applied {
            before: "1 /etc/corosync/corosync.conf\n".into(),
            after: "1 /etc/corosync/corosync.conf\n".into(),
            ..Applied::default()
        };
        assert_eq!(found(same.clone()), Vec::<String>::new());
        let changed = Applied {
            after: "2 /etc/corosync/corosync.conf\n".into(),
            ..same.clone()
        };
        assert_eq!(
            found(changed),
            [
                "alpha: -1 /etc/corosync/corosync.conf",
                "alpha: +2 /etc/corosync/corosync.conf"
            ]
        );
        let failed = Applied {
            exit: 1,
            output: "working\nubuntu-ha: no\n".into(),
            ..same
        };
        assert_eq!(found(failed), ["alpha: apply ended with 1: ubuntu-ha: no"]);
    }

    #[test]
    fn an_empty_comparison_proves_nothing() {
        assert_eq!(
            found(Applied::default()),
            ["alpha: there was nothing to compare"]
        );
    }
}
