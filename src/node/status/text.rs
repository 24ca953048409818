//! The screen.

use super::findings::{Finding, Level};
use super::report::{InstanceLine, Report, RoleLine, State};

/// Terminal colours (ECMA-48), or none.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }
    fn good(self, text: &str) -> String {
        self.with("32", text)
    }
    fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }
    fn warn(self, text: &str) -> String {
        self.with("33", text)
    }
    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Width of the left column.
const MARGIN: usize = 13;

/// The report as text, with its last line's end.
pub fn render(report: &Report, paint: Paint) -> String {
    let mut lines = Vec::new();
    let name = report.cluster.as_deref().unwrap_or("none");
    let (colour, word): (fn(Paint, &str) -> String, &str) = match report.state {
        State::Ok => (Paint::good, "all is well"),
        State::Degraded => (Paint::bad, "degraded"),
        State::Unconfigured => (Paint::warn, "not configured"),
        State::Unknown => (Paint::bad, "cannot be told"),
    };
    section(
        &mut lines,
        "Cluster",
        vec![format!("{}: {}", paint.bold(name), colour(paint, word))],
    );
    if report.maintenance {
        let text = "maintenance mode: pacemaker neither watches, starts nor stops anything";
        lines.push(format!("{:MARGIN$}{}", "", paint.warn(text)));
    }
    if report.state != State::Unconfigured {
        section(&mut lines, "Quorum", vec![quorum(report, paint)]);
        section(&mut lines, "Nodes", nodes(report, paint));
        section(&mut lines, "Links", links(report, paint));
        for role in &report.roles {
            let title = role.name.as_deref().unwrap_or("(no role)");
            section(&mut lines, title, resources(role, paint));
        }
        section(&mut lines, "Fencing", fencing(report, paint));
        section(&mut lines, "Replication", replication(report, paint));
    }
    for (level, title) in [
        (Level::Wrong, "Wrong"),
        (Level::Warning, "Warning"),
        (Level::Note, "Note"),
    ] {
        let found = report.problems.iter().filter(|one| one.level == level);
        let title = match level {
            Level::Wrong => paint.bad(title),
            Level::Warning => paint.warn(title),
            Level::Note => paint.bold(title),
        };
        findings(&mut lines, &title, found);
    }
    lines.join("\n") + "\n"
}

fn section(lines: &mut Vec<String>, title: &str, body: Vec<String>) {
    for (number, line) in body.into_iter().enumerate() {
        let title = if number == 0 { title } else { "" };
        // A long title keeps its blank.
        let margin = MARGIN.max(title.chars().count() + 1);
        lines.push(format!("{title:margin$}{line}").trim_end().to_string());
    }
}

fn findings<'a>(lines: &mut Vec<String>, title: &str, found: impl Iterator<Item = &'a Finding>) {
    let mut title = Some(title);
    for finding in found {
        if let Some(title) = title.take() {
            lines.push(String::new());
            lines.push(title.to_string());
        }
        lines.push(format!("  {}", finding.message));
        for command in &finding.commands {
            lines.push(format!("      {command}"));
        }
    }
}

fn quorum(report: &Report, paint: Paint) -> String {
    let Some(quorum) = &report.quorum else {
        return paint.bad("unknown: corosync does not run here");
    };
    let word = match quorum.quorate {
        true => paint.good("yes"),
        false => paint.bad("no"),
    };
    let device = match quorum.qdevice {
        Some(true) => ", the quorum device votes",
        Some(false) => ", the quorum device does not vote",
        None => "",
    };
    format!(
        "{word}, {} of {} votes{device}",
        quorum.votes, quorum.expected
    )
}

fn nodes(report: &Report, paint: Paint) -> Vec<String> {
    let width = report.nodes.iter().map(|node| node.name.len()).max();
    let width = width.unwrap_or_default();
    let lines = report.nodes.iter().map(|node| {
        let state = match node.state {
            "online" => paint.good(node.state),
            "offline" | "unclean" => paint.bad(node.state),
            state => paint.warn(state),
        };
        let this = if node.this { "  (this node)" } else { "" };
        format!("{:width$}  {state}{this}", node.name)
    });
    lines.collect()
}

fn links(report: &Report, paint: Paint) -> Vec<String> {
    let lines = report.links.iter().map(|link| {
        let state = match link.connected {
            true => paint.good("connected"),
            false => paint.bad("disconnected"),
        };
        format!(
            "{} from {} to {}: {state}",
            link.link, link.address, link.node
        )
    });
    lines.collect()
}

fn resources(role: &RoleLine, paint: Paint) -> Vec<String> {
    if role.left {
        return vec![paint.warn("left the cluster")];
    }
    if !role.applied {
        return vec![paint.warn("not in the cluster")];
    }
    let width = |text: fn(&super::report::ResourceLine) -> &str| {
        let widths = role.resources.iter().map(|one| text(one).chars().count());
        widths.max().unwrap_or_default()
    };
    let (ids, whats) = (width(|one| &one.id), width(|one| &one.what));
    let lines = role.resources.iter().map(|resource| {
        let on: Vec<String> = resource
            .instances
            .iter()
            .map(|one| instance(one, paint))
            .collect();
        format!(
            "{:ids$}  {:whats$}  {}",
            resource.id,
            resource.what,
            on.join(", ")
        )
    });
    lines.collect()
}

fn instance(one: &InstanceLine, paint: Paint) -> String {
    let Some(node) = &one.node else {
        let role = one.role.to_lowercase();
        return match &one.pending {
            Some(pending) => paint.warn(&format!("{role}, {}", pending.to_lowercase())),
            None => paint.bad(&role),
        };
    };
    let mut marks: Vec<String> = Vec::new();
    if one.role != "Started" {
        marks.push(one.role.to_lowercase());
    }
    marks.extend(one.pending.as_ref().map(|pending| pending.to_lowercase()));
    for (is, word) in [
        (one.failed, "failed"),
        (one.blocked, "blocked"),
        (one.uncertain, "perhaps"),
    ] {
        marks.extend(is.then(|| word.to_string()));
    }
    let text = match marks.is_empty() {
        true => node.clone(),
        false => format!("{node} ({})", marks.join(", ")),
    };
    match one.failed || one.blocked || one.uncertain {
        true => paint.bad(&text),
        false => text,
    }
}

fn fencing(report: &Report, paint: Paint) -> Vec<String> {
    let fencing = &report.fencing;
    let mut lines = Vec::new();
    if fencing.accept_split_brain {
        lines.push(paint.warn("none: a split brain is accepted (accept-split-brain)"));
    }
    for device in &fencing.devices {
        let state = match device.state {
            "works" => paint.good("works"),
            "idle" => "not watched now".to_string(),
            _ => paint.bad("does not work"),
        };
        let by = match &device.node {
            Some(node) if device.state == "works" => format!(", watched by {node}"),
            _ => String::new(),
        };
        lines.push(format!("{} ({}): {state}{by}", device.id, device.agent));
    }
    for fence in &fencing.history {
        let state = match fence.status.as_str() {
            "success" => "done".to_string(),
            "pending" => paint.warn("under way"),
            _ => paint.bad("failed"),
        };
        let when = fence.when.as_ref().map(|when| format!(", {when}"));
        let by = fence.by.as_ref().map(|by| format!(", by {by}"));
        lines.push(format!(
            "{} of {}: {state}{}{}",
            fence.action,
            fence.target,
            by.unwrap_or_default(),
            when.unwrap_or_default()
        ));
    }
    lines
}

fn replication(report: &Report, paint: Paint) -> Vec<String> {
    let lines = report.replication.iter().map(|one| {
        let synced = one.synced.as_ref().map(|percent| format!(" {percent} %"));
        let finish = one.finish.as_ref().map(|time| format!(", {time} to go"));
        let state = format!("{}{}", one.connection, synced.unwrap_or_default());
        let state = match (one.is_redundant(), one.is_syncing()) {
            (true, _) => paint.good(&state),
            (_, true) => paint.warn(&state),
            _ => paint.bad(&state),
        };
        let detail = match one.role.is_empty() {
            true => String::new(),
            false => format!(
                ", {}/{}, {}/{}",
                one.role, one.peer_role, one.disk, one.peer_disk
            ),
        };
        format!(
            "{}: {state}{detail}{}",
            one.resource,
            finish.unwrap_or_default()
        )
    });
    lines.collect()
}
