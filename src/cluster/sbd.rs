//! /etc/default/sbd: sbd(8).
//!
//! The file is a conffile of the package sbd. Like corosync.conf it is taken
//! over as a whole, with our mark, by the program that the administrator runs.

use std::fmt::Write as _;

use super::SbdTimeouts;
use super::corosync::HEADER;

/// Where the file lies, below the root.
pub(super) const PATH: &str = "etc/default/sbd";

/// The text of the file. sbd goes by its timeout where it has no disk; pacemaker
/// reads it in either case.
pub(super) fn conf(disk: Option<&str>, watchdog: &str, timeouts: SbdTimeouts) -> String {
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
SBD_WATCHDOG_TIMEOUT={}
SBD_TIMEOUT_ACTION=flush,reboot
SBD_MOVE_TO_ROOT_CGROUP=auto
SBD_SYNC_RESOURCE_STARTUP=yes
SBD_OPTS=
",
        timeouts.watchdog
    );
    text
}
