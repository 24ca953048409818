//! What single lines of corosync's, pacemaker's and systemd's journals tell.

use super::Kind;

/// What a line of a journal tells.
pub fn read(from: &str, text: &str) -> Option<(Kind, String)> {
    let from = from.rsplit('/').next().unwrap_or(from);
    match from {
        "corosync" => corosync(text),
        "kernel" if text.starts_with("Linux version ") => Some((Kind::Boot, "boot".into())),
        "systemd" => systemd(text),
        "pacemakerd" | "pacemaker-controld" | "pacemaker-fenced" | "pacemaker-based" => {
            pacemaker(from, text)
        }
        "ubuntu-ha" => Some((Kind::Apply, text.trim_start_matches("ubuntu-ha: ").into())),
        _ => None,
    }
}

/// corosync puts `[SUBSYSTEM] ` before each message.
fn corosync(text: &str) -> Option<(Kind, String)> {
    let text = match text.trim_start().strip_prefix('[') {
        Some(rest) => rest
            .split_once(']')
            .map_or(text, |(_, rest)| rest)
            .trim_start(),
        None => text,
    };
    if text.starts_with("A processor failed") {
        let lost = between(text, "token timed out (", ")").unwrap_or("");
        return Some((Kind::Token, format!("token lost after {lost}")));
    }
    if let Some(rest) = text.strip_prefix("Token has not been received in ") {
        return Some((Kind::Token, format!("no token for {}", rest.trim())));
    }
    if text.starts_with("A new membership (") {
        let who = text.split_once("was formed.")?.1.trim();
        let who = who.strip_prefix("Members").unwrap_or(who).trim();
        let told = if who.is_empty() {
            "unchanged".into()
        } else {
            who.to_string()
        };
        return Some((Kind::Membership, format!("new membership: {told}")));
    }
    let quorum = if text.starts_with("This node is within the primary component") {
        "quorum gained"
    } else if text.starts_with("This node is within the non-primary component") {
        "quorum lost"
    } else {
        return None;
    };
    Some((Kind::Quorum, quorum.into()))
}

fn systemd(text: &str) -> Option<(Kind, String)> {
    let unit = ["corosync", "pacemaker", "sbd"]
        .into_iter()
        .find(|unit| text.starts_with(&format!("{unit}.service: ")))?;
    let rest = text.split_once(": ")?.1;
    let ended = rest.starts_with("Main process exited");
    ended.then(|| (Kind::Daemon, format!("{unit}: {rest}")))
}

fn pacemaker(from: &str, text: &str) -> Option<(Kind, String)> {
    // Details for the log file follow a bar; journals do not have them, but a
    // blank before the level.
    let text = text.split(" | ").next().unwrap_or(text).trim_start();
    let text = ["notice: ", "warning: ", "error: ", "info: "]
        .iter()
        .find_map(|level| text.strip_prefix(level))
        .unwrap_or(text)
        .trim_end();
    if let Some((node, how)) = text
        .strip_prefix("Peer ")
        .and_then(|rest| rest.split_once(" was "))
    {
        let done = how.starts_with("terminated");
        let by = between(how, " by ", " on behalf").unwrap_or("somebody");
        let action = between(how, "(", ")").unwrap_or("off");
        return Some(match done {
            true => (Kind::Fenced, format!("{node} fenced ({action}) by {by}")),
            false => (
                Kind::FenceFailed,
                format!("{node} not fenced ({action}) by {by}"),
            ),
        });
    }
    // The second is pacemaker-fenced's, which others may ask too, such as dlm_controld.
    if let Some(rest) = text
        .strip_prefix("Requesting fencing (")
        .or_else(|| text.strip_prefix("Requesting peer fencing ("))
    {
        let (action, rest) = rest.split_once(") targeting ")?;
        let rest = rest.strip_prefix("node ").unwrap_or(rest);
        return Some((
            Kind::FenceBegun,
            format!("fencing of {} ({action}) begun", rest.trim()),
        ));
    }
    if let Some(rest) = text.strip_prefix("Result of ") {
        return result(rest);
    }
    if let Some(rest) = text.strip_prefix("State transition ") {
        let entered = rest.split_once(" -> ")?.1.split(' ').next()?;
        return match entered {
            "S_POLICY_ENGINE" => Some((Kind::Transition, "plans anew".into())),
            "S_ELECTION" => Some((Kind::Dc, "election".into())),
            "S_INTEGRATION" => Some((Kind::Dc, "elected, gathers the members".into())),
            "S_IDLE" => Some((Kind::Transition, "idle".into())),
            _ => None,
        };
    }
    if text.starts_with("Taking over DC status") {
        return Some((Kind::Dc, "becomes coordinator".into()));
    }
    if let Some(rest) = text.strip_prefix("Quorum ") {
        let gained = rest.starts_with("acquired") || rest.starts_with("retained");
        let word = if gained {
            "quorum gained"
        } else {
            "quorum lost"
        };
        return Some((Kind::Quorum, word.into()));
    }
    let died = text.contains(" terminated with signal ");
    let again = text.starts_with("Respawning ") || text.contains("unexpected exit");
    (from == "pacemakerd" && (died || again)).then(|| (Kind::Daemon, text.to_string()))
}

/// `start operation for vip-ip on alpha: ok`, `Result of` already taken off.
fn result(rest: &str) -> Option<(Kind, String)> {
    let (task, rest) = rest.split_once(" operation for ")?;
    let (resource, rest) = rest.split_once(" on ")?;
    let (node, outcome) = rest.split_once(": ")?;
    let outcome = outcome.trim();
    // Pacemaker 3 writes them with a capital: `OK`, `Not running`.
    let words = outcome.to_ascii_lowercase();
    let good = words.split([' ', '(']).next() == Some("ok");
    let kind = match task {
        // What a probe finds stopped, or any of them promoted, is no failure; what a
        // recurring monitor finds stopped is.
        "probe" if words.starts_with("not running") => return None,
        "probe" | "monitor" if good || words == "promoted" => return None,
        _ if !good => Kind::Failed,
        "promote" => Kind::Promote,
        "demote" => Kind::Demote,
        "start" => Kind::Start,
        "stop" => Kind::Stop,
        _ => return None,
    };
    Some(match kind {
        Kind::Failed => (kind, format!("{task} of {resource} on {node}: {outcome}")),
        _ => (kind, format!("{task} of {resource} on {node}")),
    })
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = text.split_once(from)?.1;
    Some(rest.split_once(to)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_daemons_are_understood() {
        for (from, text, kind, told) in [
            (
                "corosync",
                "  [TOTEM ] A processor failed, forming new configuration: token timed out (1000ms), waiting 1200ms for consensus.",
                Kind::Token,
                "token lost after 1000ms",
            ),
            (
                "corosync",
                "  [TOTEM ] Token has not been received in 750 ms ",
                Kind::Token,
                "no token for 750 ms",
            ),
            (
                "corosync",
                "  [TOTEM ] A new membership (1.9) was formed. Members left: 2",
                Kind::Membership,
                "new membership: left: 2",
            ),
            (
                "corosync",
                "  [TOTEM ] A new membership (1.d) was formed. Members",
                Kind::Membership,
                "new membership: unchanged",
            ),
            (
                "corosync",
                "  [QUORUM] This node is within the primary component and will provide service.",
                Kind::Quorum,
                "quorum gained",
            ),
            (
                "pacemaker-controld",
                " notice: Requesting fencing (reboot) targeting node beta",
                Kind::FenceBegun,
                "fencing of beta (reboot) begun",
            ),
            (
                "pacemaker-controld",
                "Requesting fencing (reboot) targeting node beta | action=1 timeout=60000",
                Kind::FenceBegun,
                "fencing of beta (reboot) begun",
            ),
            (
                "pacemaker-fenced",
                "notice: Requesting peer fencing (reboot) targeting beta",
                Kind::FenceBegun,
                "fencing of beta (reboot) begun",
            ),
            (
                "pacemaker-controld",
                "Peer beta was terminated (reboot) by alpha on behalf of pacemaker-controld.812@alpha: OK",
                Kind::Fenced,
                "beta fenced (reboot) by alpha",
            ),
            (
                "pacemaker-controld",
                "Peer beta was not terminated (reboot) by <anyone> on behalf of pacemaker-controld@alpha: No fence device",
                Kind::FenceFailed,
                "beta not fenced (reboot) by <anyone>",
            ),
            (
                "pacemaker-controld",
                "Result of start operation for vip-ip on alpha: ok",
                Kind::Start,
                "start of vip-ip on alpha",
            ),
            (
                "pacemaker-controld",
                "Result of promote operation for drbd-drbd on alpha: ok",
                Kind::Promote,
                "promote of drbd-drbd on alpha",
            ),
            (
                "pacemaker-controld",
                "Result of start operation for vip-ip on alpha: OK",
                Kind::Start,
                "start of vip-ip on alpha",
            ),
            (
                "pacemaker-controld",
                "Result of promote operation for drbd-drbd on alpha: Timed out after 1m30s (Resource agent did not complete within 1m30s)",
                Kind::Failed,
                "promote of drbd-drbd on alpha: Timed out after 1m30s (Resource agent did not complete within 1m30s)",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for clc-clc on alpha: error (hangs)",
                Kind::Failed,
                "monitor of clc-clc on alpha: error (hangs)",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for clc-clc on alpha: not running",
                Kind::Failed,
                "monitor of clc-clc on alpha: not running",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for drbd-drbd on alpha: promoted (failed)",
                Kind::Failed,
                "monitor of drbd-drbd on alpha: promoted (failed)",
            ),
            (
                "pacemaker-controld",
                "State transition S_NOT_DC -> S_ELECTION",
                Kind::Dc,
                "election",
            ),
            (
                "pacemaker-controld",
                "Quorum acquired",
                Kind::Quorum,
                "quorum gained",
            ),
            (
                "pacemakerd",
                "pacemaker-based[9] terminated with signal 9 (Killed)",
                Kind::Daemon,
                "pacemaker-based[9] terminated with signal 9 (Killed)",
            ),
            (
                "systemd",
                "corosync.service: Main process exited, code=killed, status=9/KILL",
                Kind::Daemon,
                "corosync: Main process exited, code=killed, status=9/KILL",
            ),
            (
                "kernel",
                "Linux version 6.8.0-31-generic (buildd@x) #31-Ubuntu SMP",
                Kind::Boot,
                "boot",
            ),
        ] {
            assert_eq!(read(from, text), Some((kind, told.to_string())), "{text}");
        }
    }

    #[test]
    fn other_lines_tell_nothing() {
        for (from, text) in [
            (
                "corosync",
                "  [KNET  ] link: Resetting MTU for link 0 because host 2 joined",
            ),
            (
                "pacemaker-controld",
                "Result of probe operation for vip-ip on beta: not running",
            ),
            (
                "pacemaker-controld",
                "Result of probe operation for vip-ip on beta: Not running (inactive)",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for vip-ip on beta: OK",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for drbd-drbd on alpha: Promoted",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for vip-ip on beta: ok",
            ),
            (
                "pacemaker-controld",
                "Result of monitor operation for drbd-drbd on alpha: promoted",
            ),
            (
                "pacemaker-controld",
                "State transition S_PENDING -> S_NOT_DC",
            ),
            (
                "systemd",
                "Started corosync.service - Corosync Cluster Engine.",
            ),
            ("cron", "Quorum acquired"),
        ] {
            assert_eq!(read(from, text), None, "{text}");
        }
    }
}
