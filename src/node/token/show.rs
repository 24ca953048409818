//! What is said when a node was admitted.

use serde::Serialize;

use super::admit::Admitted;
use super::clock;
use crate::node::host::Host;
use crate::node::problem::Failure;

#[derive(Serialize)]
struct Shown<'a> {
    node: &'a str,
    addresses: Vec<&'a str>,
    id: &'a str,
    issued: u64,
    expires: u64,
    token: String,
}

/// One JSON object, the token in it.
pub fn as_json(admitted: &Admitted) -> String {
    let admission = &admitted.admission;
    let shown = Shown {
        node: &admission.node,
        addresses: admission.addresses.split(',').collect(),
        id: &admission.token,
        issued: admission.issued,
        expires: admission.expires,
        token: admitted.token.encode(),
    };
    serde_json::to_string_pretty(&shown).expect("texts and numbers are JSON") + "\n"
}

/// What to do next, in order.
///
/// # Errors
/// The host has no name.
pub fn advice(host: &Host, admitted: &Admitted) -> Result<Vec<String>, Failure> {
    let node = &admitted.admission.node;
    let mut lines = admitted.notes.clone();
    lines.push(format!(
        "{node} ({}) may join until {}",
        admitted.admission.addresses,
        clock::show(admitted.admission.expires)
    ));
    lines.push(format!(
        "the token below holds the key of the cluster: hand it over as you would a password, \
         and to {node} alone"
    ));
    if admitted.formed {
        lines.push(format!(
            "Next, on {node}: ubuntu-ha join, and paste the token"
        ));
    } else {
        lines.push(format!("Next, on {}: ubuntu-ha apply", host.name()?));
        lines.push(format!(
            "At the same time, on {node}: ubuntu-ha join, and paste the token"
        ));
    }
    Ok(lines)
}
