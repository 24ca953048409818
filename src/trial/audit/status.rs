//! What an administrator would read at the end: it should be no other than what
//! the other audits find.

use super::Found;
use crate::trial::fact::Facts;

/// Every member whose `ubuntu-ha status` does not call the cluster well; nothing
/// where no member has the program, as in another tool's cluster.
pub(super) fn agrees(facts: &Facts) -> Found {
    if facts.members().all(|node| node.status.trim().is_empty()) {
        return None;
    }
    let wrong = facts.members().filter_map(|node| {
        let report = serde_json::from_str::<serde_json::Value>(&node.status);
        let state = report
            .as_ref()
            .ok()
            .and_then(|report| report["state"].as_str());
        match state {
            Some("ok") => None,
            Some(state) => Some(format!("{}: the state is {state}", node.name)),
            None => Some(format!("{}: no state was told", node.name)),
        }
    });
    Some(wrong.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::fact::NodeFacts;

    #[test]
    fn who_does_not_find_all_well_is_named() {
        let node = |name: &str, status: &str| NodeFacts {
            name: name.into(),
            status: status.into(),
            ..NodeFacts::default()
        };
        let found = |alpha: &str, beta: &str| {
            agrees(&Facts {
                nodes: vec![node("alpha", alpha), node("beta", beta)],
                ..Facts::default()
            })
        };
        let well = "{\"state\": \"ok\"}";
        assert_eq!(found("", ""), None);
        assert_eq!(found(well, well), Some(Vec::new()));
        let told = ["alpha: the state is degraded", "beta: no state was told"];
        assert_eq!(
            found("{\"state\": \"degraded\"}", ""),
            Some(told.map(String::from).to_vec())
        );
    }
}
