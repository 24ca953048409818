//! Nothing that was acknowledged is lost, doubled or out of order.

use std::collections::BTreeMap;

use super::Found;
use crate::trial::fact::{Facts, Records};

pub(super) fn records(facts: &Facts) -> Found {
    let records = facts.records.as_ref()?;
    let mut evidence = check(records);
    evidence.extend(facts.unwritten.clone());
    Some(evidence)
}

/// Numbers shown of each kind of loss.
const SHOWN: usize = 8;

/// What is wrong with the records. One that was written and not acknowledged
/// may be stored: its acknowledgement was lost.
pub fn check(records: &Records) -> Vec<String> {
    let mut evidence = Vec::new();
    if records.acknowledged.is_empty() {
        evidence.push("no record was ever acknowledged".into());
    }
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for number in &records.stored {
        *times.entry(*number).or_default() += 1;
    }
    let lost = records
        .acknowledged
        .iter()
        .filter(|number| !times.contains_key(number));
    tell(&mut evidence, "acknowledged and lost", lost);
    let twice = times
        .iter()
        .filter(|(_, times)| **times > 1)
        .map(|(number, _)| number);
    tell(&mut evidence, "stored more than once", twice);
    let behind = records.stored.windows(2).filter(|pair| pair[1] < pair[0]);
    tell(
        &mut evidence,
        "stored after a later one",
        behind.map(|pair| &pair[1]),
    );
    evidence
}

fn tell<'a>(evidence: &mut Vec<String>, what: &str, numbers: impl Iterator<Item = &'a u64>) {
    let numbers: Vec<String> = numbers.map(u64::to_string).collect();
    if numbers.is_empty() {
        return;
    }
    let some = numbers[..numbers.len().min(SHOWN)].join(", ");
    let more = if numbers.len() > SHOWN { ", …" } else { "" };
    let noun = if numbers.len() == 1 {
        "record"
    } else {
        "records"
    };
    evidence.push(format!("{} {noun} {what}: {some}{more}", numbers.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(acknowledged: &[u64], stored: &[u64]) -> Vec<String> {
        check(&Records {
            acknowledged: acknowledged.to_vec(),
            stored: stored.to_vec(),
        })
    }

    #[test]
    fn what_was_not_acknowledged_may_be_there_or_not() {
        assert_eq!(found(&[1, 2, 4], &[1, 2, 3, 4, 5]), Vec::<String>::new());
    }

    #[test]
    fn loss_doubling_and_disorder_are_told_apart() {
        assert_eq!(
            found(&[1, 2, 3], &[1, 3]),
            ["1 record acknowledged and lost: 2"]
        );
        assert_eq!(
            found(&[1, 2], &[1, 2, 2]),
            ["1 record stored more than once: 2"]
        );
        assert_eq!(
            found(&[1, 2], &[2, 1]),
            ["1 record stored after a later one: 1"]
        );
        let lost = found(&(1..=20).collect::<Vec<_>>(), &[]);
        assert_eq!(
            lost,
            ["20 records acknowledged and lost: 1, 2, 3, 4, 5, 6, 7, 8, …"]
        );
    }

    #[test]
    fn a_client_that_never_wrote_proves_nothing() {
        assert_eq!(found(&[], &[]), ["no record was ever acknowledged"]);
    }
}
