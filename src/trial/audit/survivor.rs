//! What takes a node of a pair must leave the other one: two halves of a split
//! that both shoot leave nobody.

use super::Found;
use crate::trial::fact::{Dark, Facts};
use crate::trial::scenario::told;

/// When no member was left. That the scenario itself took them all is for its
/// `[allow]` to say.
pub(super) fn dark(facts: &Facts) -> Found {
    let line = |dark: &Dark| {
        let (from, length) = (told(dark.from), told(dark.to - dark.from));
        format!("no member was up at {from}, for {length} at least")
    };
    Some(facts.dark.as_ref()?.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nobody_left_is_found() {
        let mut facts = Facts::default();
        assert_eq!(dark(&facts), None);
        facts.dark = Some(Vec::new());
        assert_eq!(dark(&facts), Some(Vec::new()));
        let (from, to) = (Duration::from_secs(7), Duration::from_secs(19));
        facts.dark = Some(vec![Dark { from, to }]);
        let found = dark(&facts).unwrap_or_default();
        assert_eq!(found, ["no member was up at 7.0 s, for 12.0 s at least"]);
    }
}
