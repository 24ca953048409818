//! Volume groups, with a fake LVM on files: the kernel of a test machine may
//! have no device mapper.

use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use super::super::{prepare_with, survey};
use super::world::World;
use super::{Trace, desired, filesystem, group};
use crate::cluster::{Desired, FilesystemOn};
use crate::node::problem::Failure;

const REPORTS: &str = r#"
case "${0##*/}" in
pvs)
    g=$(cat "$W/vg" 2>/dev/null); l=$(cat "$W/lock" 2>/dev/null)
    if [ -n "$g" ]; then row="{\"pv_name\":\"/dev/vdc\",\"vg_name\":\"$g\",\"vg_lock_type\":\"$l\"}"; fi
    echo "{\"report\":[{\"pv\":[$row]}]}" ;;
lvs)
    [ -e "$W/lv" ] && row="{\"lv_name\":\"$(cat "$W/lv")\"}"
    echo "{\"report\":[{\"lv\":[$row]}]}" ;;
esac
"#;

const CHANGES: &str = r#"
grep -q 1 "$W/$ME.dlm" 2>/dev/null || dlm=no
case "$2" in *=1) [ "$dlm" != no ] || fail "lvmlockd is not running" ;; esac
case "${0##*/} $*" in
"vgcreate "*)
    [ ! -e "$W/vg" ] || fail "A volume group called hatrial already exists."
    case "$*" in *--shared*) echo dlm >"$W/lock" ;; *) : >"$W/lock" ;; esac
    echo hatrial >"$W/vg"
    dd if="$W/label" of="$W/vdc" bs=512 seek=1 conv=notrunc status=none ;;
"lvcreate "*) echo data >"$W/lv"; truncate -s 64M "$W/lvdata"; echo on >"$W/active" ;;
"lvchange "*) echo on >"$W/active" ;;
"vgchange "*"--activate n"*) rm -f "$W/active" ;;
esac
"#;

const DAEMONS: &str = r#"
case "${0##*/} $*" in
"dlm_tool status") grep -q 1 "$W/$ME.dlm" 2>/dev/null || echo "cannot connect to dlm_controld"; exit 0 ;;
"lvmlockctl --info") exit 0 ;;
"systemd-run "*"--unit=ubuntu-ha-dlm "*"dlm_controld "*"--enable_startup_fencing 0") echo 1 >"$W/$ME.dlm" ;;
"systemctl stop ubuntu-ha-dlm") echo 0 >"$W/$ME.dlm" ;;
*) fail "unknown" ;;
esac
"#;

/// The sector that makes a disk a physical volume, with LVM's own sum.
fn label() -> Vec<u8> {
    let mut sector = vec![0u8; 512];
    sector[..8].copy_from_slice(b"LABELONE");
    sector[8] = 1;
    sector[20] = 32;
    sector[24..32].copy_from_slice(b"LVM2 001");
    sector[32..64].copy_from_slice(&[b'a'; 32]);
    let sum = sector[20..].iter().fold(0xf597_a6cf_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    });
    sector[16..20].copy_from_slice(&sum.to_le_bytes());
    sector
}

fn world() -> World {
    let world = World::new();
    let dir = world.dir.path();
    fs::write(dir.join("label"), label()).unwrap();
    fs::File::create(dir.join("vdc"))
        .unwrap()
        .set_len(128 << 20)
        .unwrap();
    for node in ["alpha", "beta"] {
        let root = world.root(node);
        symlink(dir.join("vdc"), root.join("dev/vdc")).unwrap();
        fs::create_dir(root.join("dev/hatrial")).unwrap();
        symlink(dir.join("lvdata"), root.join("dev/hatrial/data")).unwrap();
        for program in ["pvs", "lvs"] {
            world.script(node, program, &[REPORTS]);
        }
        for program in ["vgcreate", "lvcreate", "vgchange", "lvchange"] {
            world.script(node, program, &[CHANGES]);
        }
        for program in ["dlm_tool", "lvmlockctl", "systemctl", "systemd-run"] {
            world.script(node, program, &[DAEMONS]);
        }
        let mkfs = "[ -e \"$W/active\" ] || fail inactive\nexec /usr/sbin/mkfs.ext4 \"$@\"\n";
        world.script(node, "mkfs.ext4", &[mkfs]);
    }
    world
}

fn plan(shared: bool) -> Desired {
    let on = FilesystemOn::Lvm {
        group: "hatrial".into(),
        volume: "data".into(),
    };
    desired(vec![
        group("/dev/vdc", shared),
        filesystem(on, "ext4", "/srv/shared", &[]),
    ])
}

/// Both nodes at once; `stop` is where alpha is killed.
fn run(
    world: &World,
    wanted: &Desired,
    stop: Option<&str>,
) -> [(Option<Result<(), Failure>>, Trace); 2] {
    let _ = fs::remove_file(world.dir.path().join("killed"));
    let one = |id: u32, name: &'static str| {
        let mut trace = match stop {
            Some(at) if id == 1 => Trace::stopping_at(at),
            _ => Trace::default(),
        };
        let host = world.host(name);
        let done = catch_unwind(AssertUnwindSafe(|| {
            prepare_with(&host, wanted, id, &mut trace)
        }));
        if done.is_err() {
            fs::write(world.dir.path().join("killed"), "").unwrap();
        }
        (done.ok(), trace)
    };
    thread::scope(|scope| {
        let alpha = scope.spawn(|| one(1, "alpha"));
        let beta = scope.spawn(|| one(2, "beta"));
        [alpha.join().unwrap(), beta.join().unwrap()]
    })
}

fn assert_made(world: &World) {
    for program in ["vgcreate", "lvcreate", "alpha mkfs.ext4"] {
        assert_eq!(world.count(program), 1, "{program}: {:#?}", world.log());
    }
    assert_eq!(
        world.count("beta vgcreate") + world.count("beta lvcreate"),
        0
    );
    assert!(!world.dir.path().join("active").exists(), "left active");
    let label = super::run(
        "blkid",
        &[
            "-p",
            "-s",
            "LABEL",
            "-o",
            "value",
            world.dir.path().join("lvdata").to_str().unwrap(),
        ],
    );
    assert_eq!(label, "drbd-data");
}

#[test]
fn the_first_node_makes_a_shared_group_and_stops_what_it_started() {
    let world = world();
    for (outcome, _) in run(&world, &plan(true), None) {
        outcome.unwrap().unwrap();
    }
    assert_made(&world);
    let dlm = fs::read_to_string(world.dir.path().join("alpha.dlm")).unwrap();
    assert_eq!(dlm.trim(), "0");
    assert_eq!(world.count("systemctl stop lvmlockd"), 0, "it ran before");
    assert_eq!(
        world.count("vgchange --config global/use_lvmlockd=1 --lock-stop hatrial"),
        1
    );
}

#[test]
fn nodes_that_see_one_unshared_disk_make_one_group_in_turn() {
    let world = world();
    for (outcome, _) in run(&world, &plan(false), None) {
        outcome.unwrap().unwrap();
    }
    assert_made(&world);
    assert_eq!(world.count("--setautoactivation n hatrial"), 1);
    assert_eq!(world.count("systemctl"), 0);
}

#[test]
fn killed_at_every_step_the_next_run_finishes_the_group() {
    let seen = {
        let world = world();
        let [(done, trace), _] = run(&world, &plan(true), None);
        done.unwrap().unwrap();
        trace.seen
    };
    assert_eq!(seen.len(), 3, "{seen:?}");
    for name in &seen {
        let world = world();
        let [(killed, _), _] = run(&world, &plan(true), Some(name));
        assert!(killed.is_none(), "{name}");
        for (outcome, _) in run(&world, &plan(true), None) {
            outcome.unwrap().unwrap();
        }
        assert_made(&world);
    }
}

#[test]
fn a_node_of_a_running_cluster_makes_the_unshared_group_that_it_lacks() {
    let (world, wanted) = (world(), plan(false));
    let beta = world.host("beta");
    let cib = "//primitive//nvpair[@name='vgname'][@value='hatrial']";
    fs::write(world.dir.path().join("cib"), cib).unwrap();
    let look = || survey(&beta, &wanted, 2).unwrap();
    for made in 1..=2 {
        assert_eq!(look().unprepared, ["volume group hatrial"]);
        prepare_with(&beta, &wanted, 2, &mut Trace::default()).unwrap();
        assert_eq!(world.count("beta vgcreate"), made);
        assert_eq!(look().unprepared, [""; 0]);
        prepare_with(&beta, &wanted, 2, &mut Trace::default()).unwrap();
        assert_eq!(world.count("beta vgcreate"), made, "made again");
        // The disk is replaced by a blank one.
        for file in ["vg", "lv", "lvdata"] {
            fs::remove_file(world.dir.path().join(file)).unwrap();
        }
        let disk = fs::File::create(world.dir.path().join("vdc")).unwrap();
        disk.set_len(128 << 20).unwrap();
    }
}
