//! From the suite as it is released, over the network.

use hapkg::chroot::Network;

use super::lifecycle;
use crate::bases;
use crate::case::Case;
use crate::machine::Machine;
use crate::stop::Stop;

/// The first thing an administrator does: apt installs the role, with all its
/// dependencies and recommendations, from the signed repository.
pub fn install(case: &Case) -> Result<(), Stop> {
    let base = bases::plain(case.suite, &|_| ())?;
    case.on(&base, Network::On, |machine| {
        let package = case.package();
        let (success, output) = machine.try_sh(&format!(
            "DEBIAN_FRONTEND=noninteractive apt-get -q -y install {package}"
        ))?;
        if !success {
            return Err(if output.contains("Failed to fetch") {
                Stop::environment(format!("a mirror of {} failed:\n{output}", case.suite.name))
            } else {
                Stop::failed(format!("apt-get install {package} failed:\n{output}"))
            });
        }
        // The dependencies' own services are asked for, and refused.
        machine.sh("rm -f /run/asked-services")?;
        lifecycle::is_unconfigured(machine, &package, &output)?;
        machine.sh(&format!(
            "apt-get -q -y purge 'ubuntu-ha-*' >/dev/null && ! dpkg -s {package} >/dev/null 2>&1"
        ))?;
        machine.sh("test ! -e /etc/ubuntu-ha").map(|_| ())
    })
}

/// apt refuses the repository without the key, or with anything changed.
pub fn signature(case: &Case) -> Result<(), Stop> {
    let base = bases::plain(case.suite, &|_| ())?;
    let machine = Machine::new(&base, Network::Off)?;
    let done = refused(case, &machine);
    case.note(&machine.log());
    done
}

fn refused(case: &Case, machine: &Machine) -> Result<(), Stop> {
    let (world, suite) = (case.world, case.suite.name);
    machine.add_repository(&world.new, suite, &world.keyring)?;
    machine.sh("apt-get -s -q install ubuntu-ha-vip --no-install-recommends -o Debug::NoLocking=1 | grep -q '^Inst ubuntu-ha-vip'")?;

    let changed = "rm -rf /srv/changed; cp -r /srv/new /srv/changed; sed -i 's#/srv/new#/srv/changed#' /etc/apt/sources.list.d/hapkg.sources; rm -f /var/lib/apt/lists/_srv_*";
    machine.sh(changed)?;
    machine.sh(crate::machine::UPDATE)?;
    for (what, spoil) in [
        (
            "a changed InRelease",
            format!("sed -i 's/^Suite:.*/Suite: other/' /srv/changed/dists/{suite}/InRelease"),
        ),
        (
            "a repository without signature",
            format!(
                "rm -f /srv/changed/dists/{suite}/InRelease /srv/changed/dists/{suite}/Release.gpg"
            ),
        ),
        (
            "another key",
            "cp /usr/share/keyrings/*-archive-keyring.gpg /etc/apt/keyrings/hapkg.gpg".to_owned(),
        ),
    ] {
        machine.sh(&format!("{changed}; {spoil}"))?;
        let (accepted, _) = machine.try_sh(crate::machine::UPDATE)?;
        if accepted {
            return Err(Stop::failed(format!("apt accepts {what}")));
        }
    }
    Ok(())
}
