//! udev, which names the devices of DRBD.

use std::time::Duration;

use super::super::host::Host;
use super::super::problem::Failure;
use super::steps::Steps;

const LIMIT: Duration = Duration::from_secs(60);

/// Starts udev anew where it knows this host by an earlier name.
///
/// The unit systemd-udevd has `ProtectHostname=` (systemd.exec(5)), so that a
/// name which the host gets after udev has started, as cloud-init gives it at
/// the first boot, never reaches udev. drbdadm, which udev asks what to call a
/// device, then finds no resource of this host, and there is no
/// `/dev/drbd/by-res`.
///
/// ubuntu-ha-setup.service may look into this one kind of namespace for it.
///
/// # Errors
/// udev does not start again.
pub fn refresh(host: &Host, journal: &mut dyn Steps) -> Result<(), Failure> {
    if host.program("systemctl").is_none() || host.program("nsenter").is_none() {
        return Ok(());
    }
    let ask = ["show", "--property=MainPID", "--value", "systemd-udevd"];
    let asked = host.run("systemctl", &ask, LIMIT)?;
    let process = asked.stdout.trim();
    if !asked.success || ["", "0"].contains(&process) {
        return Ok(());
    }
    let ask = ["--target", process, "--uts", "uname", "-n"];
    let known = host.run("nsenter", &ask, LIMIT)?;
    if !known.success || known.stdout.trim() == host.name()? {
        return Ok(());
    }
    host.must("systemctl", &["restart", "systemd-udevd"], LIMIT)?;
    journal.point("storage: udev: restart");
    // Those that are there already.
    let again = ["trigger", "--settle", "--sysname-match=drbd*"];
    host.must("udevadm", &again, LIMIT).map(drop)
}
