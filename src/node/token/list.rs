//! What was given out: `token --list`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::clock;
use super::ledger::{self, Admission};
use crate::node::host::Host;
use crate::node::live;
use crate::node::members;
use crate::node::problem::Failure;

#[derive(Debug, Serialize)]
struct Line {
    node: String,
    addresses: Vec<String>,
    token: String,
    issued: u64,
    expires: u64,
    /// `waiting`, `joined`, `expired`.
    state: &'static str,
}

/// The list, as it is printed.
///
/// # Errors
/// An admission cannot be read.
pub fn list(host: &Host, json: bool) -> Result<String, Failure> {
    let admissions = ledger::all(&host.layout)?;
    let joined = match admissions.is_empty() {
        true => BTreeSet::new(),
        false => members::joined(&live::cib(host)?.unwrap_or_default()),
    };
    let now = clock::now();
    let lines: Vec<Line> = admissions
        .into_iter()
        .map(|admission| line(admission, &joined, now))
        .collect();
    if json {
        let text = serde_json::to_string_pretty(&lines).expect("texts and numbers are JSON");
        return Ok(text + "\n");
    }
    Ok(as_text(&lines, now))
}

fn line(admission: Admission, joined: &BTreeSet<String>, now: u64) -> Line {
    let state = if joined.contains(&admission.node) {
        "joined"
    } else if now > admission.expires {
        "expired"
    } else {
        "waiting"
    };
    Line {
        addresses: admission.addresses.split(',').map(Into::into).collect(),
        node: admission.node,
        token: admission.token,
        issued: admission.issued,
        expires: admission.expires,
        state,
    }
}

fn as_text(lines: &[Line], now: u64) -> String {
    if lines.is_empty() {
        return "No token was given out on this node.\n".into();
    }
    let mut text = String::new();
    for line in lines {
        let addresses = line.addresses.join(",");
        let until = clock::show(line.expires);
        let what = match line.state {
            "joined" => "has joined".to_string(),
            "expired" => format!(
                "did not join; its token expired on {until}. Next: ubuntu-ha token --revoke {0}, \
                 or ubuntu-ha token {0}",
                line.node
            ),
            _ => format!(
                "may join until {until}, for another {}",
                clock::span(line.expires - now)
            ),
        };
        text.push_str(&format!("{} {addresses}: {what}\n", line.node));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_line() {
        let admission = |node: &str, expires| Admission {
            node: node.into(),
            addresses: "192.0.2.12,198.51.100.12".into(),
            token: "0102".into(),
            issued: 0,
            expires,
            added: true,
        };
        let joined = BTreeSet::from(["beta".to_string()]);
        let lines = [
            line(admission("beta", 50), &joined, 100),
            line(admission("gamma", 50), &joined, 100),
            line(admission("delta", 150), &joined, 100),
        ];
        assert_eq!(
            as_text(&lines, 100),
            "beta 192.0.2.12,198.51.100.12: has joined\n\
             gamma 192.0.2.12,198.51.100.12: did not join; its token expired on 1970-01-01 \
             00:00:50 UTC. Next: ubuntu-ha token --revoke gamma, or ubuntu-ha token gamma\n\
             delta 192.0.2.12,198.51.100.12: may join until 1970-01-01 00:02:30 UTC, for another \
             50 s\n"
        );
        assert_eq!(as_text(&[], 0), "No token was given out on this node.\n");
    }
}
