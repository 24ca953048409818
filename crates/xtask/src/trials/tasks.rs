//! The roles as tasks: tasksel, apt, and what the Debian installer runs in
//! its target.

use std::path::Path;
use std::process::Command;

use hapkg::chroot::Network;

use super::answers;
use crate::bases;
use crate::case::Case;
use crate::host::{fresh_dir, read};
use crate::machine::Machine;
use crate::stop::Stop;
use crate::world::World;

/// tasksel lists the roles beside the tasks it had before, and installs one.
pub fn tasksel(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let package = case.package();
        let before = machine.sh("tasksel --list-tasks")?;
        machine.apt("install ubuntu-ha-tasks")?;
        let after = machine.sh("tasksel --list-tasks")?;
        if let Some(lost) = before.lines().find(|line| !after.contains(*line)) {
            return Err(Stop::failed(format!("tasksel no longer lists {lost}")));
        }
        for role in case.world.roles.values() {
            let line = format!("u ubuntu-ha-{}\t", role.recipe.role.name);
            if !after.lines().any(|found| found.starts_with(&line)) {
                return Err(Stop::failed(format!(
                    "tasksel does not list {line}:\n{after}"
                )));
            }
        }
        answers::preseed(machine, case)?;
        machine.sh(&format!(
            "DEBIAN_FRONTEND=noninteractive tasksel install {package}"
        ))?;
        answers::configured(machine, case)?;
        let listed = machine.sh("tasksel --list-tasks")?;
        if !listed.contains(&format!("i {package}\t")) {
            return Err(Stop::failed(format!(
                "{package} is not listed as installed:\n{listed}"
            )));
        }
        machine.sh(&format!(
            "DEBIAN_FRONTEND=noninteractive tasksel remove {package}"
        ))?;
        machine.sh(&format!(
            "! dpkg-query -W -f '${{db:Status-Status}}' {package} | grep -qx installed"
        ))?;
        machine.sh("dpkg-query -W pacemaker corosync").map(|_| ())
    })
}

/// `apt install ROLE^`, by the `Task` field of the repository's index.
pub fn apt_task(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let package = case.package();
        answers::preseed(machine, case)?;
        machine.apt(&format!("install '{package}^'"))?;
        answers::configured(machine, case)
    })
}

/// The installer's hook puts the roles into the menu, and the command that the
/// installer runs in its target installs the preseeded one.
pub fn installer(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|_| ())?;
    case.on(&base, Network::Off, |machine| {
        let package = case.package();
        menu(machine, case)?;
        answers::preseed(machine, case)?;
        machine.write(
            "/tmp/selections",
            format!("tasksel tasksel/first multiselect {package}\n").as_bytes(),
        )?;
        machine.sh("debconf-set-selections /tmp/selections")?;
        machine.sh("DEBIAN_FRONTEND=noninteractive DEBIAN_TASKS_ONLY=1 tasksel --new-install")?;
        answers::configured(machine, case)
    })
}

/// Unpacks what is put behind the installer's initrd, as its kernel does.
///
/// # Errors
/// There is none, or it is no archive of that kind.
pub fn unpack_installer(world: &World, into: &Path) -> Result<(), Stop> {
    fresh_dir(into)?;
    let archive = world.new.join("installer/ubuntu-ha.cpio.gz");
    let script = "gzip -dc \"$1\" | cpio --quiet -i -d --no-absolute-filenames";
    read(
        Command::new("sh")
            .current_dir(into)
            .args(["-euc", script, "sh"])
            .arg(archive),
    )
    .map(|_| ())
}

/// Runs the hook of the installer's initrd, twice, with the installer's own
/// commands replaced.
fn menu(machine: &Machine, case: &Case) -> Result<(), Stop> {
    let initrd = case
        .world
        .scratch
        .join(format!("initrd-{}-{}", case.suite.name, case.role));
    unpack_installer(case.world, &initrd)?;
    machine.bind(&initrd, "/srv/installer")?;
    machine.write(
        "/srv/bin/apt-install",
        b"#!/bin/sh\nexec apt-get -q -y install \"$@\"\n",
    )?;
    machine.write("/srv/bin/logger", b"#!/bin/sh\nshift 2\necho \"$@\"\n")?;
    let descs = "/usr/share/tasksel/descs/debian-tasks.desc";
    // Ubuntu's tasksel has no such file; the Debian installer's always has.
    machine.sh(&format!(
        "chmod 0755 /srv/bin/*; test -e {descs} || printf 'Task: standard\\nSection: user\\nDescription: standard system\\n Nothing more.\\n' >{descs}"
    ))?;
    let run = "PATH=/srv/bin:$PATH UBUNTU_HA_TARGET=/ DEBIAN_FRONTEND=noninteractive /srv/installer/usr/lib/pre-pkgsel.d/*";
    machine.sh(run)?;
    let once = machine.read(descs)?;
    machine.sh(run)?;
    if machine.read(descs)? != once {
        return Err(Stop::failed("the hook, run twice, adds the roles twice"));
    }
    let listed = machine.sh("DEBIAN_TASKS_ONLY=1 tasksel --list-tasks")?;
    let wanted = format!("u ubuntu-ha-{}\t", case.role);
    if listed.contains(&wanted) {
        return Ok(());
    }
    Err(Stop::failed(format!(
        "{wanted} is not in the installer's menu:\n{listed}"
    )))
}
