//! Answers given beforehand.

use hapkg::chroot::Network;

use super::{answers, snapshot};
use crate::bases;
use crate::case::Case;
use crate::stop::Stop;

/// Preseeded: configured, secrets away, nothing started, no other file
/// touched; reinstalled byte-identical; purged without trace.
pub fn preseed(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let package = case.package();
        let before = snapshot::take(machine)?;
        answers::preseed(machine, case)?;
        machine.apt(&format!("install {package}"))?;
        answers::configured(machine, case)?;
        answers::secrets_are_kept(machine, case)?;
        answers::nothing_started(machine)?;
        let installed = snapshot::take(machine)?;
        snapshot::only_changed(
            &before,
            &installed,
            &[
                "/etc/ubuntu-ha",
                "/usr/",
                "/var/lib/ubuntu-ha",
                // The service is enabled where the cluster is to be formed.
                "/etc/systemd/system/multi-user.target.wants/ubuntu-ha-setup.service",
                "/var/lib/systemd/deb-systemd-helper-enabled/",
            ],
        )?;

        let ours = machine.sh("dpkg-query -W -f '${Package} ' 'ubuntu-ha-*'")?;
        machine.apt(&format!("install --reinstall {ours}"))?;
        snapshot::only_changed(&installed, &snapshot::take(machine)?, &[])?;

        machine.apt(&format!("remove {package}"))?;
        machine.read(&answers::file(case.role))?;
        machine.apt("purge 'ubuntu-ha-*'")?;
        snapshot::all_gone(machine, &before)
    })
}
