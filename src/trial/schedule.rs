//! Random schedules: three faults one after the other, from a seed alone. One
//! that fails is run again by its seed.

use super::scenario::{Scenario, parse};
use crate::recipe::Problems;

/// Faults of a schedule.
const FAULTS: usize = 3;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[(self.next() % of.len() as u64) as usize]
    }
}

/// The scenario of a seed, as its file would be: it can be kept beside the
/// others when it has found something.
pub fn text(role: &str, seed: u64) -> String {
    let mut random = Random(seed);
    let mut text = format!(
        "name = \"random-{seed}\"\nsummary = \"random faults of seed {seed}: every audit holds\"\n\
         role = \"{role}\"\nbudget = \"30min\"\n"
    );
    for _ in 0..FAULTS {
        text.push_str(&fault(&mut random));
    }
    text
}

/// As [`text`], read.
///
/// # Errors
/// `role` is no name of one.
pub fn schedule(role: &str, seed: u64) -> Result<Scenario, Problems> {
    parse(&format!("random-{seed}.toml"), &text(role, seed))
}

/// A fault, a while, its end, and the cluster whole again.
fn fault(random: &mut Random) -> String {
    let who = random.one(&["alpha", "beta"]);
    let on = format!("node = \"{who}\"");
    let ends = random.one(&["[\"alpha\", \"beta\"]", "[\"beta\", \"alpha\"]"]);
    let way = random.one(&["both", "one-way"]);
    let between = format!("between = {ends}\ndirection = \"{way}\"");
    let link = 1 + random.below(2);
    let (word, arguments) = match random.below(9) {
        0 => ("power-off", on),
        1 => ("reset", on),
        2 => ("kill", format!("{on}\nprocess = \"corosync\"")),
        3 => ("kill", format!("{on}\nprocess = \"pacemakerd\"")),
        4 => ("freeze", on),
        5 => ("partition", between),
        6 => ("partition", format!("{between}\nlink = {link}")),
        7 => (
            "loss",
            format!("{between}\npercent = {}", 5 + random.below(60)),
        ),
        _ => ("link-down", format!("{on}\nlink = {link}")),
    };
    let mut text = format!("\n[[step]]\nfault = \"{word}\"\n{arguments}\n");
    text.push_str(&format!(
        "\n[[step]]\nwait = \"{}s\"\n",
        1 + random.below(40)
    ));
    if !["reset", "kill"].contains(&word) {
        text.push_str(&format!("\n[[step]]\nheal = \"{word}\"\n"));
    }
    text.push_str(
        "\n[[step]]\nwithin = \"5min\"\nexpect = { online = [\"all\"], quorum = [\"all\"] }\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::scenario::Verb;
    use std::collections::BTreeSet;

    #[test]
    fn every_seed_gives_a_sound_schedule_and_always_the_same() {
        let mut words = BTreeSet::new();
        for seed in 0..300 {
            let scenario = schedule("vip", seed).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(text("vip", seed), text("vip", seed));
            let faults: Vec<_> = (scenario.steps.iter())
                .filter_map(|step| match &step.verb {
                    Verb::Fault(fault) => Some(fault.word()),
                    _ => None,
                })
                .collect();
            assert_eq!(faults.len(), FAULTS);
            words.extend(faults);
        }
        assert_eq!(words.len(), 7, "{words:?}");
        assert_ne!(
            text("vip", 1),
            text("vip", 2).replace("random-2", "random-1")
        );
    }
}
