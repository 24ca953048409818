//! What is wrong, and which command mends it.

mod cluster;
mod fencing;
mod files;
mod replication;
mod resources;

use serde::Serialize;

use super::facts::Facts;

pub use fencing::device_state;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is broken, or the next failure would not be survived.
    Wrong,
    /// Accepted, or to be put right some time.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing that the administrator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub message: String,
    /// What puts it right, in this order; a line that begins with `#` says
    /// where, or when not.
    pub commands: Vec<String>,
}

impl Finding {
    fn new(level: Level, message: impl Into<String>) -> Self {
        Self {
            level,
            message: message.into(),
            commands: Vec::new(),
        }
    }

    fn wrong(message: impl Into<String>) -> Self {
        Self::new(Level::Wrong, message)
    }

    fn warning(message: impl Into<String>) -> Self {
        Self::new(Level::Warning, message)
    }

    fn note(message: impl Into<String>) -> Self {
        Self::new(Level::Note, message)
    }

    fn mend(mut self, command: impl Into<String>) -> Self {
        self.commands.push(command.into());
        self
    }

    pub fn is_wrong(&self) -> bool {
        self.level == Level::Wrong
    }
}

/// All findings; what causes others comes first.
pub fn of(facts: &Facts) -> Vec<Finding> {
    if !facts.configured() {
        return files::unconfigured(facts);
    }
    let mut found = cluster::of(facts);
    if facts.live.connected {
        found.extend(fencing::of(facts));
        found.extend(resources::of(facts));
    }
    found.extend(replication::of(facts));
    found.extend(files::of(facts));
    found
}
