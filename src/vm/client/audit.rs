//! Did the service keep what it acknowledged?

use std::collections::BTreeSet;
use std::time::Duration;

/// What the writing client did. Numbers count up from 1 and none is sent
/// twice, so that one which was sent but not acknowledged may be stored or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes {
    /// The last number sent; 0 before the first.
    pub sent: u64,
    /// Acknowledged numbers, and when since the common origin.
    pub acknowledged: Vec<(u64, Duration)>,
    /// When connections ended, or were known not to come to be.
    pub losses: Vec<Duration>,
    /// Answers other than the one that was due.
    pub garbled: Vec<String>,
}

/// What is wrong with the records that the service stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Acknowledged, not stored.
    pub missing: Vec<u64>,
    /// Stored more than once.
    pub doubled: Vec<u64>,
    /// Stored after a higher one.
    pub out_of_order: Vec<u64>,
    /// Stored, never sent.
    pub foreign: Vec<u64>,
}

impl Audit {
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares the writes with what the server stored, in its order.
pub fn audit(writes: &Writes, stored: &[u64]) -> Audit {
    let mut audit = Audit::default();
    let mut seen = BTreeSet::new();
    for &number in stored {
        if number == 0 || number > writes.sent {
            audit.foreign.push(number);
        } else if !seen.insert(number) {
            audit.doubled.push(number);
        } else if seen.last() > Some(&number) {
            audit.out_of_order.push(number);
        }
    }
    let acknowledged = writes.acknowledged.iter().map(|(number, _)| *number);
    audit.missing = acknowledged
        .filter(|number| !seen.contains(number))
        .collect();
    audit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(sent: u64, acknowledged: &[u64]) -> Writes {
        let acknowledged = acknowledged.iter().map(|number| (*number, Duration::ZERO));
        Writes {
            sent,
            acknowledged: acknowledged.collect(),
            ..Writes::default()
        }
    }

    #[test]
    fn an_unacknowledged_record_may_be_there_or_not() {
        let writes = writes(4, &[1, 2, 4]);
        assert!(audit(&writes, &[1, 2, 4]).is_clean());
        assert!(audit(&writes, &[1, 2, 3, 4]).is_clean());
    }

    #[test]
    fn every_wrong_is_told_apart() {
        let found = audit(&writes(6, &[1, 2, 3, 5]), &[1, 4, 3, 3, 5, 7, 0]);
        let expected = Audit {
            missing: vec![2],
            doubled: vec![3],
            out_of_order: vec![3],
            foreign: vec![7, 0],
        };
        assert_eq!(found, expected);
    }
}
