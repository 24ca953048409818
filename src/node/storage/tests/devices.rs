//! The check, on loop devices with what real tools put on them. Where loop
//! devices are not allowed, files stand for them, and what needs the kernel
//! is left out.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::super::check;
use super::super::record::{Record, Stage};
use super::super::{device::Device, sbd};
use super::{Disk, desired, drbd, filesystem, group, host_with_real_tools, refusals, run};
use crate::cluster::{FenceDevice, Fencing, FilesystemOn, SbdTimeouts};
use crate::node::host::Host;

fn trial<T>(work: impl FnOnce(&Host) -> T) -> T {
    let root = tempfile::tempdir().unwrap();
    work(&host_with_real_tools(root.path()))
}

/// A path that is the same below a trial's root: its /dev is the machine's.
fn asked(host: &Host, disk: &Disk) -> String {
    if disk.is_loop {
        return disk.name().to_owned();
    }
    let place = host.layout.path("/srv/disk");
    let _ = fs::remove_file(&place);
    std::os::unix::fs::symlink(&disk.path, place).unwrap();
    "/srv/disk".into()
}

fn refused(disk: &Disk) -> Vec<String> {
    trial(|host| refusals(check(host, &desired(vec![drbd(&asked(host, disk), true)]))))
}

fn has(program: &str) -> bool {
    Path::new("/usr/sbin").join(program).is_file()
}

fn write(disk: &Disk, at: u64, data: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(&disk.path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(data).unwrap();
    file.sync_all().unwrap();
}

#[test]
fn a_blank_device_is_taken_when_that_was_allowed() {
    let disk = Disk::new(64);
    trial(|host| {
        let path = asked(host, &disk);
        assert_eq!(
            refusals(check(host, &desired(vec![drbd(&path, true)]))),
            [""; 0]
        );
        let messages = refusals(check(host, &desired(vec![drbd(&path, false)])));
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("is false, so"), "{messages:?}");
    });
}

#[test]
fn a_device_of_ones_is_blank_and_any_other_byte_is_not() {
    let disk = Disk::new(64);
    let ones = vec![0xff; 1 << 20];
    write(&disk, 0, &ones);
    write(&disk, 63 << 20, &ones);
    assert_eq!(refused(&disk), [""; 0]);
    write(&disk, 5000, b"x");
    let messages = refused(&disk);
    assert!(
        messages[0].contains("unknown data at byte 5000"),
        "{messages:?}"
    );
    assert!(messages[0].contains("dd if=/dev/zero"), "{messages:?}");
}

#[test]
fn data_in_the_last_mib_is_found() {
    let disk = Disk::new(64);
    write(&disk, (64 << 20) - 1, b"x");
    let messages = refused(&disk);
    assert!(
        messages[0].contains("unknown data at byte 67108863"),
        "{messages:?}"
    );
    let disk = Disk::new(64);
    write(&disk, 30 << 20, b"what an earlier life left in the middle");
    assert_eq!(refused(&disk), [""; 0]);
}

/// What is on it, and how it is told.
#[test]
fn what_is_on_a_device_is_named() {
    let disk = Disk::new(400);
    let path = disk.name();
    let cases: Vec<(&str, Vec<&str>, &str)> = vec![
        (
            "mkfs.ext4",
            vec!["-q", "-L", "data", path],
            "an ext4 filesystem labelled data",
        ),
        ("mkfs.xfs", vec!["-q", path], "an xfs filesystem"),
        ("mkswap", vec![path], "swap space"),
        (
            "sgdisk",
            vec!["--new=1:2048:4096", path],
            "a partition table (gpt)",
        ),
        ("mkfs.btrfs", vec!["-q", path], "a btrfs filesystem"),
    ];
    let mut tried = 0;
    for (program, args, wanted) in cases.into_iter().filter(|case| has(case.0)) {
        run(program, &args);
        let messages = refused(&disk);
        assert!(messages[0].contains(wanted), "{program}: {messages:?}");
        assert!(messages[0].contains(path) || !disk.is_loop, "{messages:?}");
        run("wipefs", &["--all", "--quiet", path]);
        for at in [0, 399 << 20] {
            write(&disk, at, &vec![0; 1 << 20]);
        }
        assert_eq!(refused(&disk), [""; 0], "{program}, wiped");
        tried += 1;
    }
    assert!(tried >= 2, "e2fsprogs and util-linux are needed");
}

#[test]
fn luks_is_named() {
    if !has("cryptsetup") {
        return;
    }
    let disk = Disk::new(64);
    let key = tempfile::NamedTempFile::new().unwrap();
    fs::write(key.path(), "secret").unwrap();
    let iterations = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let mut args = vec![
        "luksFormat",
        "--batch-mode",
        "--key-file",
        key.path().to_str().unwrap(),
    ];
    args.extend(iterations);
    args.push(disk.name());
    run("cryptsetup", &args);
    let messages = refused(&disk);
    assert!(
        messages[0].contains("a LUKS-encrypted volume"),
        "{messages:?}"
    );
}

/// Version 1.2 of md(4)'s superblock, as mdadm would write it: the kernel
/// here may have no md driver.
#[test]
fn a_member_of_a_raid_is_named() {
    let disk = Disk::new(64);
    let mut block = vec![0u8; 256];
    block[0..4].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
    block[4..8].copy_from_slice(&1u32.to_le_bytes());
    block[16..32].copy_from_slice(&[7; 16]);
    block[72..76].copy_from_slice(&1u32.to_le_bytes());
    block[92..96].copy_from_slice(&2u32.to_le_bytes());
    block[144..152].copy_from_slice(&8u64.to_le_bytes());
    let sum: u64 = block
        .chunks(4)
        .map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())))
        .sum();
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    block[216..220].copy_from_slice(&u32::try_from(sum & 0xffff_ffff).unwrap().to_le_bytes());
    write(&disk, 4096, &block);
    let messages = refused(&disk);
    assert!(
        messages[0].contains("a member of an mdraid array"),
        "{messages:?}"
    );
}

#[test]
fn a_mounted_device_is_refused_with_its_mount_point() {
    let disk = Disk::new(64);
    if !disk.is_loop {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    run("mkfs.ext4", &["-q", disk.name()]);
    run("mount", &[disk.name(), place.path().to_str().unwrap()]);
    let messages = refused(&disk);
    run("umount", &[place.path().to_str().unwrap()]);
    let wanted = format!("is mounted on {}", place.path().display());
    assert!(messages[0].contains(&wanted), "{messages:?}");
    assert!(messages[0].contains("ext4"), "{messages:?}");
}

#[test]
fn a_device_with_partitions_is_refused_and_a_partition_is_none() {
    let disk = Disk::new(64);
    if !disk.is_loop || !has("sgdisk") {
        return;
    }
    run("sgdisk", &["--new=1:2048:81920", disk.name()]);
    run("partx", &["--update", disk.name()]);
    let messages = refused(&disk);
    let part = format!("{}p1", disk.name());
    let of_part = trial(|host| refusals(check(host, &desired(vec![drbd(&part, true)]))));
    assert!(
        messages[0].contains("has the partitions loop"),
        "{messages:?}"
    );
    assert_eq!(of_part, [""; 0]);
}

#[test]
fn swap_in_use_is_refused() {
    let disk = Disk::new(64);
    if !disk.is_loop {
        return;
    }
    run("mkswap", &[disk.name()]);
    let swapon = std::process::Command::new("swapon")
        .arg(disk.name())
        .status();
    if !swapon.unwrap().success() {
        return;
    }
    let messages = refused(&disk);
    run("swapoff", &[disk.name()]);
    assert!(
        messages[0].contains("is used as swap space"),
        "{messages:?}"
    );
}

#[test]
fn a_volume_group_is_ours_by_name_and_kind() {
    let disk = Disk::new(64);
    if !disk.is_loop || !has("vgcreate") {
        return;
    }
    let check_group = |shared| {
        trial(|host| {
            let wanted = desired(vec![group(disk.name(), shared)]);
            refusals(check(host, &wanted))
        })
    };
    run("vgcreate", &["-qq", "haother", disk.name()]);
    let messages = check_group(false);
    let as_drbd = refused(&disk);
    run("vgrename", &["-qq", "haother", "hatrial"]);
    let (ours, other_kind) = (check_group(false), check_group(true));
    run("vgremove", &["-qq", "--yes", "hatrial"]);
    assert!(
        messages[0].contains("in the volume group haother"),
        "{messages:?}"
    );
    assert!(
        as_drbd[0].contains("a physical volume of LVM"),
        "{as_drbd:?}"
    );
    assert_eq!(ours, [""; 0]);
    let kind = other_kind
        .iter()
        .find(|message| message.contains("the lock type"));
    assert!(kind.is_some(), "{other_kind:?}");
}

#[test]
fn metadata_of_drbd_is_ours_only_when_it_is_known() {
    let disk = Disk::new(64);
    super::world::write_drbd_metadata(&disk.path, 0x1234);
    let messages = refused(&disk);
    assert!(messages[0].contains("metadata of DRBD"), "{messages:?}");
    trial(|host| {
        let path = asked(host, &disk);
        let wanted = desired(vec![drbd(&path, false)]);
        let device = Device::find(host, &path).unwrap();
        let mut record = Record::of(&device, Stage::Ready);
        record.uuid = "1234".into();
        record.save(host, "drbd-data").unwrap();
        assert_eq!(refusals(check(host, &wanted)), [""; 0]);
        record.uuid = "9999".into();
        record.save(host, "drbd-data").unwrap();
        assert_eq!(
            refusals(check(host, &wanted)).len(),
            1,
            "another resource's"
        );
        record.stage = Stage::Begun;
        record.save(host, "drbd-data").unwrap();
        assert_eq!(refusals(check(host, &wanted)), [""; 0]);
        record.size -= 512;
        record.save(host, "drbd-data").unwrap();
        assert_eq!(refusals(check(host, &wanted)).len(), 1, "another disk");
    });
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let disk = Disk::new(64);
    trial(|host| {
        let path = asked(host, &disk);
        fs::write(host.layout.path("/srv/file"), "x").unwrap();
        let on = FilesystemOn::Drbd("data".into());
        let wanted = desired(vec![
            drbd(&path, true),
            group(&path, false),
            filesystem(on, "xfs", "/srv", &["/srv/moving/deep"]),
            filesystem(
                FilesystemOn::Path("/dev/nosuchdisk".into()),
                "ext4",
                "/mnt/a",
                &[],
            ),
            filesystem(
                FilesystemOn::Path("/dev/null".into()),
                "ext4",
                "/mnt/b",
                &[],
            ),
        ]);
        let messages = refusals(check(host, &wanted));
        for wanted in [
            "is already for the DRBD resource data; use two devices",
            "has 64 MiB, and at least 320 MiB are needed",
            "/srv is not empty",
            "/dev/nosuchdisk does not exist on this node",
            "/dev/null is no block device",
            "lie in each other",
        ] {
            let found = messages.iter().any(|message| message.contains(wanted));
            assert!(found, "{wanted}: {messages:#?}");
        }
    });
}

#[test]
fn a_problem_names_the_question_its_line_and_the_command() {
    let disk = Disk::new(64);
    run("mkfs.ext4", &["-q", disk.name()]);
    trial(|host| {
        let path = asked(host, &disk);
        let roles = host.layout.path("/etc/ubuntu-ha/roles");
        fs::create_dir_all(&roles).unwrap();
        fs::write(
            roles.join("drbd.toml"),
            format!("vip = \"x\"\ndevice = \"{path}\"\n"),
        )
        .unwrap();
        let share = host.layout.path("/usr/share/ubuntu-ha/roles");
        fs::create_dir_all(&share).unwrap();
        let compiled = crate::node::storage::tests::world::compiled_role();
        fs::write(share.join("drbd.toml"), compiled).unwrap();
        let Err(crate::node::problem::Failure::Refused(problems)) =
            check(host, &desired(vec![drbd(&path, true)]))
        else {
            panic!("not refused");
        };
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.starts_with("device: "), "{problems:?}");
        assert_eq!(problems[0].line, Some(2));
        assert_eq!(
            problems[0].command.as_deref(),
            Some("dpkg-reconfigure ubuntu-ha-drbd")
        );
    });
}

#[test]
fn a_disk_of_sbd_is_blank_or_one_already() {
    let disk = Disk::new(8);
    trial(|host| {
        let path = asked(host, &disk);
        let mut wanted = desired(Vec::new());
        wanted.fencing = Fencing::Devices(vec![FenceDevice {
            id: "fence-sbd".into(),
            agent: "fence_sbd".into(),
            params: vec![("devices".into(), path.clone())],
            targets: vec!["alpha".into(), "beta".into()],
            level: 1,
        }]);
        assert_eq!(sbd::devices(&wanted), std::slice::from_ref(&path));
        let about = |messages: Vec<String>| {
            let told = messages
                .into_iter()
                .filter(|message| message.contains(&path));
            told.collect::<Vec<_>>()
        };
        assert_eq!(about(refusals(check(host, &wanted))), [""; 0]);
        write(&disk, 0, b"SBD_SBD_\x02\xff");
        assert_eq!(about(refusals(check(host, &wanted))), [""; 0]);
        wanted.sbd = Some(SbdTimeouts::new(15));
        let messages = about(refusals(check(host, &wanted)));
        assert!(messages[0].contains("does not tell"), "{messages:?}");
        fs::write(
            host.layout.path("/usr/sbin/sbd"),
            "#!/bin/sh\necho 'Timeout (watchdog) : 5'\necho 'Timeout (msgwait)  : 10'\n",
        )
        .unwrap();
        let messages = about(refusals(check(host, &wanted)));
        let again = format!("sbd -d {path} -1 15 -4 30 create");
        assert!(messages[0].contains("of 5 s"), "{messages:?}");
        assert!(messages[0].contains(&again), "{messages:?}");
        wanted.sbd = Some(SbdTimeouts::new(5));
        assert_eq!(about(refusals(check(host, &wanted))), [""; 0]);
        write(&disk, 0, b"SBX");
        let messages = about(refusals(check(host, &wanted)));
        assert!(messages[0].contains("sbd_device: "), "{messages:?}");
        wanted.storage.push(drbd(&path, true));
        let messages = refusals(check(host, &wanted));
        let twice = messages
            .iter()
            .any(|message| message.contains("use two devices"));
        assert!(twice, "{messages:?}");
    });
}
