//! QEMU's command line. Every device has its own place on the bus, so that a
//! fork finds what its template had, and names in the guest stay.

use std::path::Path;

use serde_json::json;

use super::{Config, Disk, Format, Memory, Nic, Watchdog};
use crate::vm::shell::PORT;

/// Slots on the root bus of q35, which has its own devices from 0x1f down.
const FIRST_NIC: usize = 0x8;
const FIRST_DISK: usize = 0x10;

pub fn machine(config: &Config, dir: &Path, memory: Memory, incoming: bool) -> Vec<String> {
    let mut args: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-name", &config.name, "-nodefaults", "-no-user-config"]);
    // Of the board's own devices only those that somebody uses: each one costs the
    // guest a driver and a dozen events of udev at every boot.
    let board = "q35,memory-backend=ram,sata=off,smbus=off,i8042=off";
    add(&["-display", "none", "-machine", board]);
    add(&config.accelerator.args());
    add(&["-smp", "1", "-m", &format!("{}M", config.memory)]);
    add(&["-object", &backend(memory, config.memory)]);
    add(&["-kernel", &config.kernel.display().to_string()]);
    if let Some(initrd) = &config.initrd {
        add(&["-initrd", &initrd.display().to_string()]);
    }
    // Level 5: also warnings, as each oops has some. No timer check: the kernel
    // counts ticks for a moment and panics when a busy host has kept an emulated
    // processor waiting; under KVM it leaves that out by itself.
    let append = format!(
        "root=/dev/vda rw console=ttyS0 8250.nr_uarts=1 loglevel=5 systemd.show_status=0 \
         no_timer_check {}",
        config.append
    );
    add(&["-append", append.trim_end()]);
    let console = format!(
        "file,id=console,append=on,path={}",
        escaped(&dir.join("console"))
    );
    add(&["-chardev", &console, "-serial", "chardev:console"]);
    for (id, socket) in [("qmp", "qmp"), ("shell", "shell")] {
        let socket = escaped(&dir.join(socket));
        add(&["-chardev", &format!("socket,id={id},path={socket}")]);
    }
    add(&["-mon", "chardev=qmp,mode=control"]);
    add(&["-device", "virtio-serial-pci,id=ports,addr=0x4"]);
    let port = format!("virtserialport,bus=ports.0,chardev=shell,name={PORT}");
    add(&["-device", &port]);
    add(&["-device", "virtio-rng-pci,addr=0x5"]);
    add(&[
        "-device",
        "i6300esb,addr=0x6",
        "-action",
        watchdog(config.watchdog),
    ]);
    for (number, disk) in config.disks.iter().enumerate() {
        add(&["-blockdev", &blockdev(disk)]);
        add(&["-device", &block_device(disk, number)]);
    }
    for (number, nic) in config.nics.iter().enumerate() {
        add(&["-netdev", &netdev(nic), "-device", &card(nic, number)]);
    }
    if incoming {
        add(&["-S", "-incoming", "defer"]);
    }
    args
}

fn backend(memory: Memory, megabytes: u32) -> String {
    let sized = format!("id=ram,size={megabytes}M");
    match memory {
        Memory::Own => format!("memory-backend-ram,{sized}"),
        Memory::Shared(path) => {
            format!(
                "memory-backend-file,{sized},share=on,mem-path={}",
                escaped(path)
            )
        }
        // rom=off: a private mapping of a read-only file may be written.
        Memory::Forked(path) => format!(
            "memory-backend-file,{sized},share=off,readonly=on,rom=off,mem-path={}",
            escaped(path)
        ),
    }
}

fn watchdog(what: Watchdog) -> &'static str {
    match what {
        Watchdog::Reset => "watchdog=reset",
        Watchdog::Poweroff => "watchdog=poweroff",
    }
}

/// Without flushes: a run that dies throws its disks away.
fn blockdev(disk: &Disk) -> String {
    let cache = json!({ "no-flush": true });
    let driver = match disk.format {
        Format::Raw => "raw",
        Format::Qcow2 => "qcow2",
    };
    // Two machines write the same raw file on purpose.
    let locking = if disk.shared { "off" } else { "auto" };
    json!({
        "driver": driver,
        "node-name": format!("disk-{}", disk.id),
        "discard": "unmap",
        "cache": cache,
        "file": {
            "driver": "file",
            "filename": disk.path.display().to_string(),
            "cache": cache,
            "locking": locking,
        },
    })
    .to_string()
}

fn block_device(disk: &Disk, number: usize) -> String {
    // The root disk has the lowest place, so that it is /dev/vda.
    let address = if number == 0 { 3 } else { FIRST_DISK + number };
    let shared = if disk.shared { ",share-rw=on" } else { "" };
    format!(
        "virtio-blk-pci,drive=disk-{id},id={id},serial={id},addr={address:#x}{shared}",
        id = disk.id
    )
}

fn netdev(nic: &Nic) -> String {
    format!(
        "stream,id={},server=off,addr.type=unix,addr.path={}",
        nic.id,
        escaped(&nic.socket)
    )
}

fn card(nic: &Nic, number: usize) -> String {
    format!(
        "virtio-net-pci,netdev={},mac={},addr={:#x},romfile=",
        nic.id,
        nic.mac,
        FIRST_NIC + number
    )
}

/// A comma in an option's value is doubled.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::machine;
    use crate::vm::accelerator::{Accelerator, Kind};
    use crate::vm::machine::{Config, Disk, Format, Memory, Nic, Watchdog};

    fn config() -> Config {
        Config {
            name: "alpha".into(),
            kernel: "/i/vmlinuz".into(),
            initrd: None,
            append: "hapkg.node=alpha".into(),
            accelerator: Accelerator {
                kind: Kind::Tcg,
                scale: 5.0,
                reason: "test".into(),
            },
            memory: 1024,
            watchdog: Watchdog::Reset,
            disks: vec![
                Disk::overlay("root", PathBuf::from("/run/a,b/root.qcow2")),
                Disk {
                    id: "shared".into(),
                    path: "/run/shared.raw".into(),
                    format: Format::Raw,
                    shared: true,
                },
            ],
            nics: vec![Nic {
                id: "ring0".into(),
                mac: "52:54:00:68:00:01".into(),
                socket: "/run/a,b/ring0".into(),
            }],
        }
    }

    /// The value behind `-option` that starts with `start`.
    fn value(args: &[String], start: &str) -> String {
        let found: Vec<_> = args.iter().filter(|arg| arg.starts_with(start)).collect();
        assert_eq!(found.len(), 1, "{start} in {args:?}");
        found[0].clone()
    }

    #[test]
    fn a_fork_has_the_devices_of_its_template() {
        let dir = Path::new("/run/a,b");
        let ram = Path::new("/t/ram");
        let cold = machine(&config(), dir, Memory::Shared(ram), false);
        let fork = machine(&config(), dir, Memory::Forked(ram), true);
        let own = machine(&config(), dir, Memory::Own, false);
        let devices = |args: &[String]| -> Vec<String> {
            args.iter()
                .filter(|arg| !arg.starts_with("memory-backend-"))
                .filter(|arg| !["-S", "-incoming", "defer"].contains(&arg.as_str()))
                .cloned()
                .collect()
        };
        assert_eq!(devices(&cold), devices(&fork));
        assert_eq!(devices(&cold), devices(&own));
        assert_eq!(
            value(&fork, "memory-backend-file"),
            "memory-backend-file,id=ram,size=1024M,share=off,readonly=on,rom=off,mem-path=/t/ram"
        );
        assert!(value(&cold, "memory-backend-file").contains(",share=on,"));
    }

    #[test]
    fn only_a_shared_disk_may_have_two_writers() {
        let args = machine(&config(), Path::new("/d"), Memory::Own, false);
        let disks: Vec<_> = args.iter().filter(|a| a.starts_with('{')).collect();
        assert!(disks[0].contains(r#""locking":"auto""#), "{disks:?}");
        assert!(disks[1].contains(r#""locking":"off""#), "{disks:?}");
        assert!(!value(&args, "virtio-blk-pci,drive=disk-root").contains("share-rw"));
        assert!(value(&args, "virtio-blk-pci,drive=disk-shared").ends_with(",share-rw=on"));
    }

    #[test]
    fn commas_in_paths_are_doubled() {
        let args = machine(&config(), Path::new("/run/a,b"), Memory::Own, false);
        assert_eq!(
            value(&args, "stream,"),
            "stream,id=ring0,server=off,addr.type=unix,addr.path=/run/a,,b/ring0"
        );
        assert_eq!(
            value(&args, "socket,id=qmp"),
            "socket,id=qmp,path=/run/a,,b/qmp"
        );
    }
}
