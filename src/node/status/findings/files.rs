//! The answers, and whether the cluster is what they ask for.

use super::Finding;
use crate::node::status::facts::{Facts, Files};
use crate::node::storage::Unlinked;

/// Before there is a cluster: the next command.
pub fn unconfigured(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if facts.interrupted {
        found.push(interrupted());
    }
    found.push(match &facts.files {
        Files::Refused(problems) => {
            let mut finding = Finding::wrong("no cluster was formed here, and answers are missing");
            let mut commands: Vec<String> = problems
                .iter()
                .map(|problem| {
                    let command = problem.command.clone();
                    command.unwrap_or_else(|| "ubuntu-ha check".into())
                })
                .collect();
            commands.dedup();
            let mut seen = Vec::new();
            for command in commands {
                if !seen.contains(&command) {
                    finding = finding.mend(command.clone());
                    seen.push(command);
                }
            }
            finding
                .mend("ubuntu-ha apply   # forms the cluster")
                .mend("ubuntu-ha join    # or: joins one that runs, with a token of it")
        }
        Files::Valid(_) => {
            Finding::wrong("the answers are complete, but no cluster was formed here")
                .mend("ubuntu-ha plan    # shows what would be done")
                .mend("ubuntu-ha apply   # forms the cluster")
        }
        Files::Unreadable(why) => {
            Finding::wrong(format!("no cluster was formed here; {why}")).mend("ubuntu-ha check")
        }
    });
    found
}

fn interrupted() -> Finding {
    Finding::wrong("a change was interrupted before it was finished")
        .mend("ubuntu-ha apply   # finishes it, or puts everything back")
}

pub fn of(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if facts.interrupted {
        found.push(interrupted());
    }
    match &facts.files {
        Files::Refused(problems) => {
            let first = problems.first().map(ToString::to_string);
            found.push(
                Finding::wrong(format!(
                    "the answers below /etc/ubuntu-ha are not valid: {}",
                    first.unwrap_or_default()
                ))
                .mend("ubuntu-ha check"),
            );
        }
        Files::Unreadable(why) if facts.root => {
            let message = format!("the cluster cannot be compared with the answers: {why}");
            found.push(Finding::wrong(message).mend("ubuntu-ha check"));
        }
        Files::Unreadable(_) => found.push(
            Finding::note(
                "the answers can be read by root alone, so nothing is compared with them",
            )
            .mend("sudo ubuntu-ha status"),
        ),
        Files::Valid(_) => {}
    }
    if !facts.unapplied.is_empty() {
        found.push(
            Finding::wrong(format!(
                "not what the answers ask for: {}",
                shortened(&facts.unapplied)
            ))
            .mend("ubuntu-ha plan    # shows the difference")
            .mend("ubuntu-ha apply"),
        );
    }
    if !facts.drift.is_empty() {
        found.push(
            Finding::wrong(format!(
                "the running configuration is not what the answers ask for: {}",
                shortened(&facts.drift)
            ))
            .mend("ubuntu-ha plan    # shows the difference")
            .mend("ubuntu-ha apply"),
        );
    }
    found.extend(facts.unlinked.iter().map(unlinked));
    for role in &facts.left {
        let known = facts.roles.contains(role);
        let finding = Finding::note(format!("role {role} was taken out of the cluster"));
        found.push(match known {
            true => finding.mend(format!("ubuntu-ha apply {role}   # puts it back")),
            false => finding,
        });
    }
    found
}

fn unlinked(one: &Unlinked) -> Finding {
    let Unlinked {
        directory, target, ..
    } = one;
    let link = format!("ln -s {target} {directory}");
    if !one.taken {
        return Finding::wrong(format!(
            "{directory} is missing: it has to be a link to {target}, or what is written there \
             does not follow the service"
        ))
        .mend(format!(
            "mkdir -p {target}   # on the node that has it mounted"
        ))
        .mend(link);
    }
    Finding::wrong(format!(
        "{directory} has to be a link to {target}, but is a directory of this node: what is in it \
         does not follow the service"
    ))
    .mend(format!(
        "mv {directory} {directory}.other   # when nothing uses it; the cluster may lack what is in it"
    ))
    .mend(link)
}

/// The first ones, and how many more.
fn shortened(texts: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = texts[..texts.len().min(SHOWN)].join(", ");
    match texts.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}, and {more} more"),
    }
}
