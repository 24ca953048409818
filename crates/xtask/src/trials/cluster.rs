//! What the cluster model writes, shown to the suite's own tools.

use std::fs;
use std::path::Path;

use hapkg::chroot::Network;

use super::simulate::{self, Simulation};
use crate::bases;
use crate::case::Case;
use crate::host::root;
use crate::machine::Machine;
use crate::stop::{During, Stop};

/// Where the expected files of the clusters are, inside.
const GOLDEN: &str = "/srv/golden";

/// Makes this host the node alpha of every cluster.
const ALPHA: &str = "hostname alpha
ip link set lo up
for address in 192.0.2.11/24 198.51.100.11/24 2001:db8:1::11/64 2001:db8:2::11/64; do
    ip address add \"$address\" dev lo
done
";

/// Every golden file is accepted, without a warning, and a failover of the
/// clusters runs in the right order.
pub fn cluster(case: &Case) -> Result<(), Stop> {
    let base = bases::roles(case.world, case.suite, &|line| case.note(line))?;
    let machine = Machine::new(&base, Network::Off)?;
    let done = on(case, &machine);
    case.note(&machine.log());
    done
}

fn on(case: &Case, machine: &Machine) -> Result<(), Stop> {
    let golden = root().join("tests/cluster");
    machine.bind(&golden, GOLDEN)?;
    machine.sh("head -c 256 /dev/urandom >/etc/corosync/authkey
chmod 0400 /etc/corosync/authkey")?;
    let mut wrong = Vec::new();
    for name in names(&golden)? {
        let checks = [
            corosync(&name),
            verify(&name),
            drbd(&golden, &name, case.suite.name)?,
        ];
        for check in checks.into_iter().flatten() {
            wrong.extend(complaint(machine, &name, &check)?);
        }
        wrong.extend(simulate::any(machine, &format!("{GOLDEN}/{name}/cib.xml"))?);
    }
    for (name, simulation) in SIMULATIONS {
        let cib = format!("{GOLDEN}/{name}/cib.xml");
        let complaints = simulate::run(machine, &cib, simulation)?;
        wrong.extend(complaints.iter().map(|text| format!("{name}: {text}")));
    }
    wrong.extend(super::metadata::check(case, machine)?);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Stop::failed(wrong.join("\n")))
}

/// The clusters that have golden files.
fn names(golden: &Path) -> Result<Vec<String>, Stop> {
    let mut names = Vec::new();
    for entry in fs::read_dir(golden).during("reading tests/cluster")? {
        let entry = entry.during("reading tests/cluster")?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(Stop::failed("there are no golden files in tests/cluster"));
    }
    Ok(names)
}

/// What is wrong: the script failed, or said anything at all.
fn complaint(machine: &Machine, name: &str, script: &str) -> Result<Option<String>, Stop> {
    let script = format!("unshare --uts sh -euc '{ALPHA}{script}'");
    let (success, text) = machine.try_sh(&script)?;
    if success && text.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(format!("{name}: {text}")))
}

fn corosync(name: &str) -> Option<String> {
    Some(format!(
        "corosync -t -c {GOLDEN}/{name}/etc/corosync/corosync.conf\n"
    ))
}

fn verify(name: &str) -> Option<String> {
    Some(format!("crm_verify -V -x {GOLDEN}/{name}/cib.xml\n"))
}

/// `drbdadm dump` of the cluster's resource. That of resolute ends in a
/// segmentation fault where it is told of version 9.
fn drbd(golden: &Path, name: &str, suite: &str) -> Result<Option<String>, Stop> {
    let directory = golden.join(name).join("etc/drbd.d");
    let version = match name {
        "drbd-9" if suite == "resolute" => return Ok(None),
        "drbd-9" => "9.2.0",
        _ => "8.4.11",
    };
    if !directory.is_dir() {
        return Ok(None);
    }
    let mut script = String::new();
    for entry in fs::read_dir(&directory).during("reading tests/cluster")? {
        let file = entry.during("reading tests/cluster")?.file_name();
        script.push_str(&format!(
            "printf \"global {{ usage-count no; }}\\ninclude \\\"{GOLDEN}/{name}/etc/drbd.d/{}\\\";\\n\" >/tmp/drbd.conf
said=$(DRBD_DRIVER_VERSION_OVERRIDE={version} drbdadm -c /tmp/drbd.conf dump)
case $said in
*\"on alpha {{\"*) ;;
*) printf \"drbdadm dump does not show the resource:\\n%s\\n\" \"$said\" ;;
esac
",
            file.to_string_lossy()
        ));
    }
    Ok(Some(script))
}

/// What a first start and the loss of a node look like.
const SIMULATIONS: [(&str, Simulation); 5] = [
    (
        "vip",
        Simulation {
            start: &["start vip-ip alpha"],
            takeover: &["start vip-ip beta"],
            fenced: false,
            promotable: None,
        },
    ),
    (
        "vip-ipv6",
        Simulation {
            start: &["start vip-ip alpha"],
            takeover: &["start vip-ip beta"],
            fenced: true,
            promotable: None,
        },
    ),
    (
        "drbd",
        Simulation {
            start: &[
                "promote drbd-drbd alpha",
                "start drbd-fs alpha",
                "start drbd-ip alpha",
                "start drbd-service alpha",
            ],
            takeover: &[
                "promote drbd-drbd beta",
                "start drbd-fs beta",
                "start drbd-ip beta",
                "start drbd-service beta",
            ],
            fenced: true,
            promotable: Some("drbd-drbd"),
        },
    ),
    (
        "clc",
        Simulation {
            start: &[
                "promote clc-drbd alpha",
                "start clc-fs alpha",
                "start clc-ip alpha",
                "start clc-source alpha",
                "start clc-clc alpha",
                "start clc-images alpha",
            ],
            takeover: &[
                "promote clc-drbd beta",
                "start clc-fs beta",
                "start clc-ip beta",
                "start clc-source beta",
                "start clc-clc beta",
                "start clc-images beta",
            ],
            fenced: true,
            promotable: Some("clc-drbd"),
        },
    ),
    // Both nodes work: nothing has to be taken over.
    (
        "clvm",
        Simulation {
            start: &[
                "start clvm-dlm alpha",
                "start clvm-lockd alpha",
                "start clvm-vg alpha",
                "start clvm-shared-fs alpha",
            ],
            takeover: &[],
            fenced: true,
            promotable: None,
        },
    ),
];
