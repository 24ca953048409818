//! A volume group, its logical volumes and what comes onto them.

use std::time::Duration;

use super::super::host::Host;
use super::super::problem::Failure;
use super::Work;
use super::check::{self, Standing};
use super::device::Device;
use super::filesystem::{self, find};
use super::item::{Filesystem, Group};
use super::lvm;
use super::peers::{Channel, Waited, is_in_cib, present, wait_for};
use super::record::{Record, Stage};
use super::steps::Steps;
use crate::cluster::FilesystemOn;

const LIMIT: Duration = Duration::from_secs(120);
/// How long the node that makes it may take.
const PATIENCE: Duration = Duration::from_secs(1800);
const MADE: &str = "made";

const LVMLOCKD: &str = "lvmlockd";
const LOCK_UNIT: &str = "ubuntu-ha-dlm";
/// dlm_controld(8) as its own unit has it, but without startup fencing: the
/// other nodes have none running yet, and would be fenced for that. They hold
/// nothing of a group that is only now made.
const LOCK_MANAGER: [&str; 10] = [
    "--quiet",
    "--collect",
    "--unit=ubuntu-ha-dlm",
    "--service-type=notify",
    "--property=ExecStartPre=modprobe dlm",
    "--property=SendSIGKILL=no",
    "dlm_controld",
    "--foreground",
    "--enable_startup_fencing",
    "0",
];

/// Prepares the group: a shared one on the first node alone, any other on each
/// node, one after the other.
///
/// # Errors
/// A step did not succeed; what was started for it is stopped again.
pub fn prepare(
    work: &Work<'_>,
    group: &Group<'_>,
    filesystems: &[Filesystem<'_>],
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let host = work.host;
    let device = find(host, group.device)?;
    let channel = Channel::new(host, &group.key());
    let serving = is_in_cib(host, "vgname", group.name)?;
    if !serving {
        wait_for_turn(work, group, &channel)?;
    }
    let standing = standing(work, group, &device)?;
    let first = first(work)? == Some(work.me);
    if group.shared && (serving || !first) {
        if standing == Standing::Blank {
            return Err(Failure::failed(
                format!(
                    "the other nodes have the volume group {}, but {} is blank here",
                    group.name, group.device
                ),
                "answer the path that the shared device has on all nodes".into(),
            ));
        }
    } else if !(serving && standing == Standing::Ours && is_ready(work, group)?) {
        make(work, group, &device, standing, filesystems, journal)?;
    }
    for filesystem in filesystems {
        if Record::load(host, &filesystem.key())?.is_none() {
            Record::of(&device, Stage::Made).save(host, &filesystem.key())?;
        }
    }
    Record::of(&device, Stage::Ready).save(host, &group.key())?;
    if !serving {
        channel.say(MADE)?;
    }
    Ok(())
}

fn is_ready(work: &Work<'_>, group: &Group<'_>) -> Result<bool, Failure> {
    let record = Record::load(work.host, &group.key())?;
    Ok(record.is_some_and(|record| record.stage == Stage::Ready))
}

/// Lowest id of the nodes that are there.
fn first(work: &Work<'_>) -> Result<Option<u32>, Failure> {
    let present = present(work.host)?;
    let there = work
        .desired
        .members
        .iter()
        .filter(|member| present.contains(&member.name));
    Ok(there.map(|member| member.id).min())
}

/// Waits for the nodes before this one: they may have the same disk.
fn wait_for_turn(work: &Work<'_>, group: &Group<'_>, channel: &Channel<'_>) -> Result<(), Failure> {
    wait_for(work.host, PATIENCE, || {
        let present = present(work.host)?;
        let said = channel.heard()?;
        let mut before = work.desired.members.iter().filter(|member| {
            member.id < work.me
                && present.contains(&member.name)
                && said.get(&member.name).is_none_or(|word| word != MADE)
        });
        Ok(match before.next() {
            None => Waited::Over(()),
            Some(member) => Waited::For(format!("{} to make {}", member.name, group.name)),
        })
    })
}

fn standing(work: &Work<'_>, group: &Group<'_>, device: &Device) -> Result<Standing, Failure> {
    check::of_group(work.host, group, device)?
        .map_err(|message| Failure::failed(message, "then run the command again".into()))
}

fn make(
    work: &Work<'_>,
    group: &Group<'_>,
    device: &Device,
    standing: Standing,
    filesystems: &[Filesystem<'_>],
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let started = if group.shared {
        start_locks(work)?
    } else {
        Vec::new()
    };
    let done = fill(work, group, device, standing, filesystems, journal);
    let closed = close(work, group);
    stop_locks(work.host, &started);
    done.and(closed)
}

fn fill(
    work: &Work<'_>,
    group: &Group<'_>,
    device: &Device,
    standing: Standing,
    filesystems: &[Filesystem<'_>],
    journal: &mut dyn Steps,
) -> Result<(), Failure> {
    let (host, key) = (work.host, group.key());
    let run = |command: &str, args: &[&str]| lvm::run(host, group.shared, command, args);
    let volumes = lvm::physical_volumes(host)?;
    if volumes.iter().any(|pv| pv.group == group.name) {
        if group.shared {
            run("vgchange", &["--lock-start", group.name])?;
        }
    } else {
        let step = format!("storage: {key}: vgcreate");
        if standing == Standing::Blank {
            Record::of(device, Stage::Begun).save(host, &key)?;
        }
        let path = device.argument();
        let kind: &[&str] = if group.shared {
            &["--shared"]
        } else {
            &["--setautoactivation", "n"]
        };
        run("vgcreate", &[kind, &[group.name, &path]].concat())?;
        journal.point(&step);
        journal.done(&step)?;
    }
    for (volume, size) in group.volumes {
        let name = format!("{}/{volume}", group.name);
        let lv = format!("lv-{}-{volume}", group.name);
        let activate = if group.shared { "ey" } else { "y" };
        if lvm::logical_volumes(host, group.name)?.contains(volume) {
            run("lvchange", &["--activate", activate, &name])?;
        } else {
            let step = format!("storage: {key}: lvcreate {volume}");
            Record::of(device, Stage::Begun).save(host, &lv)?;
            let wipe = ["--yes", "--wipesignatures", "y", "--zero", "y"];
            let what = [
                "--activate",
                activate,
                lvm::size_option(size),
                size,
                "--name",
                volume,
                group.name,
            ];
            run("lvcreate", &[&wipe[..], &what[..]].concat())?;
            journal.point(&step);
            Record::of(device, Stage::Made).save(host, &lv)?;
            journal.done(&step)?;
        }
        let on = |fs: &&Filesystem<'_>| matches!(fs.on, FilesystemOn::Lvm { volume: of, .. } if of == volume);
        for filesystem in filesystems.iter().filter(on) {
            let fresh = Record::load(host, &lv)?.is_some();
            let path = format!("/dev/{name}");
            filesystem::make(host, filesystem, &path, fresh, journal)?;
        }
    }
    Ok(())
}

/// Deactivates everything, so that pacemaker finds it as it wants it.
fn close(work: &Work<'_>, group: &Group<'_>) -> Result<(), Failure> {
    let host = work.host;
    if !lvm::physical_volumes(host)?
        .iter()
        .any(|pv| pv.group == group.name)
    {
        return Ok(());
    }
    let done = lvm::run(
        host,
        group.shared,
        "vgchange",
        &["--activate", "n", group.name],
    );
    if group.shared {
        lvm::run(host, true, "vgchange", &["--lock-stop", group.name])?;
    }
    done
}

/// Starts the lock managers that are not there; pacemaker starts its own
/// later. Names of what has to be stopped again.
fn start_locks(work: &Work<'_>) -> Result<Vec<&'static str>, Failure> {
    let host = work.host;
    // A killed run may have left it.
    let mut started = vec![LOCK_UNIT];
    let daemons: [(&str, &str, &str, &[&str]); 2] = [
        ("dlm_tool", "status", "systemd-run", &LOCK_MANAGER),
        ("lvmlockctl", "--info", "systemctl", &["start", LVMLOCKD]),
    ];
    for (tool, question, starter, args) in daemons {
        let done = host.run(tool, &[question], LIMIT)?;
        // dlm_tool exits with 0 when it has reached nobody.
        if done.success && !done.last_words().to_lowercase().contains("cannot connect") {
            continue;
        }
        if let Err(failure) = host.must(starter, args, LIMIT) {
            stop_locks(host, &started);
            return Err(failure);
        }
        if args.contains(&LVMLOCKD) {
            started.push(LVMLOCKD);
        }
    }
    Ok(started)
}

fn stop_locks(host: &Host, started: &[&str]) {
    for service in started.iter().rev() {
        let _ = host.run("systemctl", &["stop", service], LIMIT);
    }
}
