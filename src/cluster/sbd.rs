//! /etc/default/sbd: sbd(8).
//!
//! The file is a conffile of the package sbd. Like corosync.conf it is taken
//! over as a whole, with our mark, by the program that the administrator runs.

use std::fmt::Write as _;

use super::corosync::HEADER;

/// Where the file lies, below the root.
pub(super) const PATH: &str = "etc/default/sbd";

/// Seconds without a sign of life after which the watchdog fires.
const WATCHDOG_SECONDS: u32 = 5;

/// What pacemaker waits for a node to have fenced itself: twice the watchdog's
/// timeout (stonith-watchdog-timeout of pacemaker-fenced(7)).
pub(super) fn watchdog_wait() -> String {
    format!("{}s", 2 * WATCHDOG_SECONDS)
}

/// The text of the file.
pub(super) fn conf(disk: Option<&str>, watchdog: &str) -> String {
    let mut text = format!("{HEADER}\n");
    if let Some(disk) = disk {
        let _ = writeln!(text, "SBD_DEVICE=\"{disk}\"");
    }
    // A node that was told to die and boots at once must not come back before
    // the others have stopped waiting for its death.
    let delay = if disk.is_some() { "yes" } else { "no" };
    let _ = write!(
        text,
        "SBD_PACEMAKER=yes
SBD_STARTMODE=always
SBD_DELAY_START={delay}
SBD_WATCHDOG_DEV=\"{watchdog}\"
SBD_WATCHDOG_TIMEOUT={WATCHDOG_SECONDS}
SBD_TIMEOUT_ACTION=flush,reboot
SBD_MOVE_TO_ROOT_CGROUP=auto
SBD_SYNC_RESOURCE_STARTUP=yes
SBD_OPTS=
"
    );
    text
}
