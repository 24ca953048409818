//! Which arguments belong to which verb of a step.

use super::raw::{ActWord, FaultWord};
use super::steps::One;
use crate::recipe::document::at;

/// What a verb takes: each argument with whether it must be there.
pub(super) type Takes = &'static [(&'static str, bool)];

pub(super) const NODE: (&str, bool) = ("node", true);
const BETWEEN: (&str, bool) = ("between", true);
const DIRECTION: (&str, bool) = ("direction", false);
const LINK: (&str, bool) = ("link", false);
pub(super) const OUTCOME: [(&str, bool); 3] =
    [("exit", false), ("output", false), ("background", false)];

impl FaultWord {
    pub(super) fn takes(self) -> Takes {
        match self {
            Self::PowerOff | Self::Reset => &[NODE],
            Self::Freeze => &[NODE, ("for", false)],
            Self::Kill => &[NODE, ("process", true), ("signal", false)],
            Self::Partition => &[BETWEEN, DIRECTION, LINK],
            Self::LinkDown => &[NODE, LINK],
            Self::Loss => &[BETWEEN, DIRECTION, LINK, ("percent", true)],
            Self::Delay => &[BETWEEN, DIRECTION, LINK, ("by", true)],
            Self::DiskFull => &[NODE, ("path", true)],
            Self::DiskError => &[NODE, ("disk", true)],
            Self::FenceDevice => &[NODE, ("manner", true)],
            Self::ClockJump => &[NODE, ("by", true)],
            Self::Misbehave => &[NODE, ("mode", true), ("value", false)],
        }
    }
}

impl ActWord {
    pub(super) fn takes(self) -> Takes {
        match self {
            Self::Upgrade => &[NODE, ("packages", false), ("role", false)],
            Self::Install | Self::Remove | Self::Purge => &[NODE, ("role", false)],
            Self::Cleanup => &[NODE, ("resources", false)],
            Self::Leave => &[NODE, ("role", false), ("on", false)],
            Self::Reconfigure => &[NODE, ("answers", true), ("role", false)],
            _ => &[NODE],
        }
    }
}

impl One<'_, '_, '_, '_> {
    /// Reports what is not among `takes`, and what must be there and is not;
    /// `None` then.
    pub(super) fn only(&mut self, called: &str, takes: &[Takes]) -> Option<()> {
        let raw = self.raw;
        let given = [
            ("node", raw.node.is_some()),
            ("on", raw.on.is_some()),
            ("between", !raw.between.is_empty()),
            ("direction", raw.direction.is_some()),
            ("link", raw.link.is_some()),
            ("process", raw.process.is_some()),
            ("signal", raw.signal.is_some()),
            ("percent", raw.percent.is_some()),
            ("by", raw.by.is_some()),
            ("for", raw.lasting.is_some()),
            ("path", raw.path.is_some()),
            ("disk", raw.disk.is_some()),
            ("manner", raw.manner.is_some()),
            ("mode", raw.mode.is_some()),
            ("value", raw.value.is_some()),
            ("packages", !raw.packages.is_empty()),
            ("resources", !raw.resources.is_empty()),
            ("role", raw.role.is_some()),
            ("answers", !raw.answers.is_empty()),
            ("exit", raw.exit.is_some()),
            ("output", raw.output.is_some()),
            ("background", raw.background.is_some()),
        ];
        let takes: Vec<(&str, bool)> = takes.iter().copied().flatten().copied().collect();
        let mut sound = true;
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            if takes.iter().any(|(taken, _)| taken == key) {
                continue;
            }
            sound = false;
            let names: Vec<String> = takes.iter().map(|(key, _)| format!("`{key}`")).collect();
            let remedy = match names.is_empty() {
                true => "take it out".to_string(),
                false => format!("take it out; it takes {}", names.join(", ")),
            };
            let path = at!["step", self.index, *key];
            self.checker
                .key(path, format!("`{key}` means nothing to {called}"), remedy);
        }
        for (key, _) in takes.iter().filter(|(_, must)| *must) {
            if given.iter().any(|(name, given)| name == key && *given) {
                continue;
            }
            sound = false;
            let example = match *key {
                "node" => "node = \"holder\"",
                "between" => "between = [\"holder\", \"other\"]",
                "process" => "process = \"corosync\"",
                "percent" => "percent = 30",
                "by" => "by = \"250ms\"",
                "path" => "path = \"/var\"",
                "disk" => "disk = \"data\"",
                "manner" => "manner = \"dead\", \"hangs\", \"refuses\" or \"lies\"",
                "mode" => "mode = \"hang\"",
                _ => "answers = { vip = \"192.0.2.20/24\" }",
            };
            self.checker.value(
                at!["step", self.index],
                format!("{called} needs `{key}`"),
                format!("write {example}"),
            );
        }
        sound.then_some(())
    }
}
