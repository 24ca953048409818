//! From an older version of the same packages.

use hapkg::chroot::Network;

use super::{answers, snapshot};
use crate::bases;
use crate::case::Case;
use crate::machine::Machine;
use crate::stop::Stop;
use crate::world::OLD_VERSION;

/// An upgrade asks nothing, keeps the administrator's files as they are, and
/// starts nothing; the upgraded package purges like a new one.
pub fn upgrade(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    let machine = Machine::new(&base, Network::Off)?;
    let done = steps(case, &machine);
    case.note(&machine.log());
    done
}

fn steps(case: &Case, machine: &Machine) -> Result<(), Stop> {
    let (world, suite, package) = (case.world, case.suite.name, case.package());
    let version = || machine.sh(&format!("dpkg-query -W -f '${{Version}}' {package}"));
    let files = "find /etc/ubuntu-ha -type f -exec sha256sum {} +; find /etc/ubuntu-ha -printf '%p %m %T@\\n'";
    machine.add_repository(&world.new, suite, &world.keyring)?;
    let before = snapshot::take(machine)?;

    machine.add_repository(&world.old, suite, &world.keyring)?;
    answers::preseed(machine, case)?;
    machine.apt(&format!("install {package}"))?;
    if !version()?.starts_with(OLD_VERSION) {
        return Err(Stop::failed("the older version was not installed"));
    }
    let configured = machine.sh(files)?;

    machine.add_repository(&world.new, suite, &world.keyring)?;
    machine.apt("dist-upgrade")?;
    let wanted = format!(
        "{}{}",
        answers::role(case)?.recipe.role.version,
        case.suite.version_suffix
    );
    let found = version()?;
    if found != wanted {
        return Err(Stop::failed(format!(
            "{package} is at {found}, not {wanted}"
        )));
    }
    answers::configured(machine, case)?;
    answers::secrets_are_kept(machine, case)?;
    answers::nothing_started(machine)?;
    if machine.sh(files)? != configured {
        return Err(Stop::failed("the upgrade wrote into /etc/ubuntu-ha"));
    }
    machine.apt("purge 'ubuntu-ha-*'")?;
    snapshot::all_gone(machine, &before)
}
