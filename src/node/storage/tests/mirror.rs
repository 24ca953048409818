//! Two nodes prepare a DRBD resource together, and are killed while they do.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;

use super::super::record::{Record, Stage};
use super::super::tree::Tree;
use super::super::{Survey, check, prepare_with, survey};
use super::world::World;
use super::{Trace, desired, drbd, filesystem, refusals};
use crate::cluster::{Desired, FilesystemOn};
use crate::node::problem::Failure;

pub const CLC: &str = "/var/lib/eucalyptus";

pub fn plan(migrate: &[&str]) -> Desired {
    let on = FilesystemOn::Drbd("data".into());
    desired(vec![
        drbd("/dev/vdb", true),
        filesystem(on, "ext4", "/mnt/data", migrate),
    ])
}

/// How one node's run ended; `None` when it was killed.
pub type Outcome = Option<Result<(), Failure>>;

/// Both nodes run at the same time; `stops` says where one is killed.
pub fn run(world: &World, wanted: &Desired, stop: Option<(&str, &str)>) -> [(Outcome, Trace); 2] {
    let _ = fs::remove_file(world.dir.path().join("killed"));
    let one = |id: u32, name: &'static str| {
        let mut trace = match stop {
            Some((node, at)) if node == name => Trace::stopping_at(at),
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

pub fn must(outcomes: &[(Outcome, Trace); 2]) {
    for (outcome, _) in outcomes {
        if let Some(Err(failure)) = outcome {
            panic!("{failure:?}");
        }
        assert!(outcome.is_some(), "killed");
    }
}

fn message(outcome: &Outcome) -> String {
    match outcome {
        Some(Err(
            Failure::Failed { message, remedy } | Failure::Environment { message, remedy },
        )) => {
            format!("{message}; {remedy}")
        }
        other => panic!("{other:?}"),
    }
}

/// What a Cloud Controller leaves: files of several modes, links of both kinds.
pub fn fill(world: &World, node: &str, words: &str) {
    let top = world.root(node).join("var/lib/eucalyptus");
    fs::create_dir_all(top.join("keys")).unwrap();
    fs::write(top.join("keys/node-cert.pem"), words).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(top.join("keys/node-cert.pem"), mode).unwrap();
    fs::hard_link(
        top.join("keys/node-cert.pem"),
        top.join("keys/cloud-cert.pem"),
    )
    .unwrap();
    symlink("keys/node-cert.pem", top.join("current")).unwrap();
}

/// What is true at the end, whatever happened on the way.
fn assert_formed(world: &World) {
    for node in ["alpha", "beta"] {
        assert_eq!(world.drbd(node, "disk"), "UpToDate", "{node}");
        assert_eq!(world.drbd(node, "role"), "Secondary", "{node}");
        assert_eq!(world.drbd(node, "up"), "no", "{node}");
        for item in ["drbd-data", "fs-drbd-data"] {
            let record = Record::load(&world.host(node), item).unwrap();
            assert!(
                record.is_some_and(|r| r.stage > Stage::Begun),
                "{node} {item}"
            );
        }
        assert_eq!(
            fs::read_to_string(world.root(node).join("proc/mounts")).unwrap(),
            ""
        );
    }
    assert_eq!(world.count("--clear-bitmap"), 1);
    assert_eq!(world.count("fence-peer"), 0);
    let label = super::run(
        "blkid",
        &[
            "-p",
            "-s",
            "LABEL",
            "-o",
            "value",
            &format!("{}/drbd2", world.dir.path().display()),
        ],
    );
    assert_eq!(label, "drbd-data");
}

pub fn asides(world: &World, node: &str) -> Vec<String> {
    let names = fs::read_dir(world.root(node).join("var/lib")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with("eucalyptus."))
        .collect();
    names.sort();
    names
}

pub fn assert_moved(world: &World, original: &Tree) {
    for node in ["alpha", "beta"] {
        let link = world.root(node).join("var/lib/eucalyptus");
        let target = fs::read_link(&link).unwrap();
        assert_eq!(target, Path::new("/mnt/data/var/lib/eucalyptus"), "{node}");
    }
    let copy = world.dir.path().join("content/var/lib/eucalyptus");
    assert_eq!(original.difference(&Tree::read(&copy).unwrap()), None);
    let below = fs::read_dir(copy.parent().unwrap()).unwrap().count();
    assert_eq!(below, 1, "nothing half-copied is left");
    let kept = asides(world, "alpha");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(
        kept[0].starts_with("eucalyptus.before-ubuntu-ha-20"),
        "{kept:?}"
    );
    let kept = world.root("alpha").join("var/lib").join(&kept[0]);
    assert_eq!(original.difference(&Tree::read(&kept).unwrap()), None);
}

#[test]
fn two_blank_disks_become_equal_without_a_sync_and_get_one_filesystem() {
    let (world, wanted) = (World::new(), plan(&[]));
    assert_eq!(refusals(check(&world.host("alpha"), &wanted)), [""; 0]);
    let outcomes = run(&world, &wanted, None);
    must(&outcomes);
    assert_formed(&world);
    assert_eq!(world.count("mkfs.ext4"), 1);
    let first: BTreeSet<&str> = outcomes[0].1.done.iter().map(String::as_str).collect();
    for step in ["create-md", "skip the initial sync"] {
        assert!(
            first.contains(format!("storage: drbd-data: {step}").as_str()),
            "{first:?}"
        );
    }
    // Once pacemaker has the resource, nothing is touched.
    fs::write(
        world.dir.path().join("cib"),
        "//primitive//nvpair[@name='drbd_resource'][@value='data']",
    )
    .unwrap();
    let before = world.log().len();
    must(&run(&world, &wanted, None));
    let after = world.log();
    let changing = after[before..].iter().filter(|line| {
        ["drbdadm", "mkfs", "mount", "--update"]
            .iter()
            .any(|word| line.contains(word))
    });
    assert_eq!(changing.count(), 0, "{:?}", &after[before..]);
    assert_eq!(refusals(check(&world.host("beta"), &wanted)), [""; 0]);
}

#[test]
fn data_of_the_first_node_move() {
    let (world, wanted) = (World::new(), plan(&[CLC]));
    fill(&world, "alpha", "key of the cloud");
    let original = Tree::read(&world.root("alpha").join("var/lib/eucalyptus")).unwrap();
    must(&run(&world, &wanted, None));
    assert_formed(&world);
    assert_moved(&world, &original);
    assert_eq!(asides(&world, "beta"), [""; 0]);
}

#[test]
fn data_of_the_second_node_move() {
    let (world, wanted) = (World::new(), plan(&[CLC]));
    fill(&world, "beta", "key of the cloud");
    fs::create_dir_all(world.root("alpha").join("var/lib/eucalyptus/empty")).unwrap();
    must(&run(&world, &wanted, None));
    assert_formed(&world);
    let key = world
        .dir
        .path()
        .join("content/var/lib/eucalyptus/keys/cloud-cert.pem");
    assert_eq!(fs::read_to_string(key).unwrap(), "key of the cloud");
    assert_eq!(asides(&world, "alpha").len(), 1);
    assert_eq!(asides(&world, "beta").len(), 1);
    assert_eq!(world.count("beta drbdadm primary"), 1);
}

#[test]
fn equal_data_are_copied_once_and_unequal_ones_are_refused_before_anything_is_made() {
    let (world, wanted) = (World::new(), plan(&[CLC]));
    fill(&world, "alpha", "same");
    fill(&world, "beta", "same");
    must(&run(&world, &wanted, None));
    assert_eq!(
        (asides(&world, "alpha").len(), asides(&world, "beta").len()),
        (1, 1)
    );

    let world = World::new();
    fill(&world, "alpha", "mine");
    fill(&world, "beta", "yours");
    let outcomes = run(&world, &wanted, None);
    let told = message(&outcomes[0].0);
    assert!(
        told.contains("/var/lib/eucalyptus differs between the nodes"),
        "{told}"
    );
    assert!(
        told.contains("mv /var/lib/eucalyptus /var/lib/eucalyptus.other"),
        "{told}"
    );
    assert_eq!(world.count("--clear-bitmap"), 0);
    assert_eq!(world.count("mkfs"), 0);
    for node in ["alpha", "beta"] {
        assert_eq!(world.drbd(node, "up"), "no", "{node}");
        assert!(world.root(node).join("var/lib/eucalyptus/keys").is_dir());
    }
    // The way out that was told.
    let lib = world.root("beta").join("var/lib");
    fs::rename(lib.join("eucalyptus"), lib.join("eucalyptus.other")).unwrap();
    let original = Tree::read(&world.root("alpha").join("var/lib/eucalyptus")).unwrap();
    must(&run(&world, &wanted, None));
    assert_moved(&world, &original);
}

#[test]
fn killed_at_every_step_of_either_node_the_next_run_finishes() {
    let wanted = plan(&[CLC]);
    let start = || {
        let world = World::new();
        fill(&world, "alpha", "key of the cloud");
        world
    };
    let world = start();
    let [(_, alpha), (_, beta)] = run(&world, &wanted, None);
    let mut stops: Vec<(&str, String)> = Vec::new();
    stops.extend(alpha.seen.into_iter().map(|name| ("alpha", name)));
    stops.extend(beta.seen.into_iter().map(|name| ("beta", name)));
    assert!(stops.len() >= 12, "{stops:?}");
    for (node, name) in &stops {
        eprintln!("{node} is killed at {name}");
        let world = start();
        let original = Tree::read(&world.root("alpha").join("var/lib/eucalyptus")).unwrap();
        let outcomes = run(&world, &wanted, Some((node, name)));
        let killed = &outcomes[usize::from(*node == "beta")].0;
        assert!(
            killed.is_none(),
            "{node} was not killed at {name}: {killed:?}"
        );
        let there = world.root("alpha").join("var/lib/eucalyptus");
        assert!(
            fs::symlink_metadata(&there).is_ok(),
            "{node} at {name}: no directory"
        );
        assert_eq!(
            refusals(check(&world.host("alpha"), &wanted)),
            [""; 0],
            "{node} at {name}"
        );
        assert_eq!(
            refusals(check(&world.host("beta"), &wanted)),
            [""; 0],
            "{node} at {name}"
        );
        let again = run(&world, &wanted, None);
        for (outcome, _) in &again {
            assert!(
                matches!(outcome, Some(Ok(()))),
                "{node} at {name}: {outcome:?}"
            );
        }
        assert_formed(&world);
        assert_moved(&world, &original);
    }
}

#[test]
fn killed_at_every_step_data_of_the_second_node_get_there_or_stay() {
    let wanted = plan(&[CLC]);
    let start = || {
        let world = World::new();
        fill(&world, "beta", "key of the cloud");
        world
    };
    let world = start();
    let [(_, alpha), (_, beta)] = run(&world, &wanted, None);
    let mut stops: Vec<(&str, String)> = Vec::new();
    let late = |name: &String| name.contains("fs-drbd-data") || name.ends_with("done");
    stops.extend(alpha.seen.into_iter().filter(late).map(|at| ("alpha", at)));
    stops.extend(beta.seen.into_iter().filter(late).map(|at| ("beta", at)));
    assert!(stops.len() >= 8, "{stops:?}");
    for (node, name) in &stops {
        eprintln!("{node} is killed at {name}");
        let world = start();
        let top = world.root("beta").join("var/lib/eucalyptus");
        let original = Tree::read(&top).unwrap();
        run(&world, &wanted, Some((node, name)));
        // Where they are not moved yet, the service may go on there.
        let newer = !top.is_symlink();
        let last = if newer {
            serve(&world, "beta")
        } else {
            original
        };
        let again = run(&world, &wanted, None);
        let copy = world.dir.path().join("content/var/lib/eucalyptus");
        let is_copied = || last.difference(&Tree::read(&copy).unwrap()).is_none();
        if again.iter().all(|(done, _)| matches!(done, Some(Ok(())))) {
            assert!(is_copied(), "{node} at {name}");
            assert_formed(&world);
            assert!(top.is_symlink(), "{node} at {name}");
            assert!(world.root("alpha").join("var/lib/eucalyptus").is_symlink());
        } else {
            // Nobody can tell; what is newer stays in its place.
            assert!(newer, "{node} at {name}: {:?} {:?}", again[0].0, again[1].0);
            assert_eq!(last.difference(&Tree::read(&top).unwrap()), None);
        }
    }
}

#[test]
fn a_side_that_was_in_use_is_never_declared_equal() {
    let (world, wanted) = (World::new(), plan(&[]));
    must(&run(&world, &wanted, None));
    // Both sides lose their consistency afterwards, by an administrator.
    for node in ["alpha", "beta"] {
        fs::write(
            world.dir.path().join("drbd").join(node).join("disk"),
            "Inconsistent",
        )
        .unwrap();
    }
    let told = message(&run(&world, &wanted, None)[0].0);
    assert!(told.contains("was in use before"), "{told}");
    assert_eq!(world.count("--clear-bitmap"), 1);
}

#[test]
fn what_is_on_the_replicated_device_is_never_overwritten() {
    let (world, wanted) = (World::new(), plan(&[]));
    let data = world.dir.path().join("drbd2");
    super::run(
        "mkfs.ext4",
        &["-q", "-L", "precious", data.to_str().unwrap()],
    );
    let told = message(&run(&world, &wanted, None)[0].0);
    assert!(
        told.contains("holds an ext4 filesystem labelled precious"),
        "{told}"
    );
    assert_eq!(world.count("mkfs.ext4"), 0);
    assert_eq!(world.drbd("alpha", "role"), "Secondary");
    assert_eq!(world.drbd("alpha", "up"), "no");
}

#[test]
fn a_node_that_joins_a_serving_pair_leaves_the_resource_to_pacemaker() {
    let (world, wanted) = (World::new(), plan(&[CLC]));
    fill(&world, "beta", "of a fresh installation");
    fs::write(
        world.dir.path().join("cib"),
        "//primitive//nvpair[@name='drbd_resource'][@value='data']",
    )
    .unwrap();
    let mut trace = Trace::default();
    prepare_with(&world.host("beta"), &wanted, 2, &mut trace).unwrap();
    assert_eq!(world.drbd("beta", "md"), "fresh");
    assert_eq!(world.count("drbdadm up"), 0);
    assert_eq!(asides(&world, "beta").len(), 1);
    assert!(world.root("beta").join("var/lib/eucalyptus").is_symlink());
}

#[test]
fn a_node_alone_waits_for_its_peer_and_says_for_whom() {
    let (world, wanted) = (World::new(), plan(&[]));
    let mut trace = Trace::default();
    let failure = prepare_with(&world.host("alpha"), &wanted, 1, &mut trace);
    let told = message(&Some(failure));
    assert!(
        told.contains("the other side of data (WFConnection)"),
        "{told}"
    );
    assert!(
        told.contains("run ubuntu-ha apply on the other nodes too"),
        "{told}"
    );
    assert_eq!(world.drbd("alpha", "up"), "no");
}

/// alpha is killed after beta has finished, while its directory still is one.
fn half_moved(wanted: &Desired) -> World {
    let world = World::new();
    fill(&world, "alpha", "key of the cloud");
    let step = format!("storage: fs-drbd-data: link {CLC}: prepared");
    let outcomes = run(&world, wanted, Some(("alpha", &step)));
    assert!(outcomes[0].0.is_none() && matches!(outcomes[1].0, Some(Ok(()))));
    assert!(world.root("beta").join("var/lib/eucalyptus").is_symlink());
    assert!(!world.root("alpha").join("var/lib/eucalyptus").is_symlink());
    world
}

/// What the service writes while it runs outside of the cluster.
fn serve(world: &World, node: &str) -> Tree {
    let top = world.root(node).join("var/lib/eucalyptus");
    fs::write(top.join("keys/node-cert.pem"), "renewed").unwrap();
    fs::write(top.join("more"), "of a later day").unwrap();
    Tree::read(&top).unwrap()
}

#[test]
fn data_that_changed_after_the_other_node_had_linked_are_a_conflict() {
    let wanted = plan(&[CLC]);
    let world = half_moved(&wanted);
    let newer = serve(&world, "alpha");
    let top = world.root("alpha").join("var/lib/eucalyptus");
    for outcome in run(&world, &wanted, None).map(|(outcome, _)| outcome) {
        let told = message(&outcome);
        assert!(
            told.contains("a link on beta already, but what alpha has in it is not what was moved"),
            "{told}"
        );
    }
    assert!(!top.is_symlink());
    assert_eq!(newer.difference(&Tree::read(&top).unwrap()), None);
    let kept = asides(&world, "alpha");
    assert!(kept.iter().all(|name| !name.contains("before")), "{kept:?}");

    // The way out for the newer data.
    fs::remove_file(world.root("beta").join("var/lib/eucalyptus")).unwrap();
    must(&run(&world, &wanted, None));
    assert_formed(&world);
    let copy = world.dir.path().join("content/var/lib/eucalyptus");
    assert_eq!(newer.difference(&Tree::read(&copy).unwrap()), None);
    let below = fs::read_dir(copy.parent().unwrap()).unwrap();
    let names = below.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names.len(), 2, "the former copy is kept: {names:?}");

    // The way out for those that were moved.
    let world = half_moved(&wanted);
    serve(&world, "alpha");
    let lib = world.root("alpha").join("var/lib");
    fs::rename(lib.join("eucalyptus"), lib.join("eucalyptus.other")).unwrap();
    must(&run(&world, &wanted, None));
    assert_formed(&world);
    assert!(lib.join("eucalyptus").is_symlink());
    let key = "content/var/lib/eucalyptus/keys/node-cert.pem";
    let key = fs::read_to_string(world.dir.path().join(key)).unwrap();
    assert_eq!(key, "key of the cloud");
}

#[test]
fn data_that_changed_are_not_set_aside_for_a_cluster_that_serves() {
    let wanted = plan(&[CLC]);
    let world = half_moved(&wanted);
    let newer = serve(&world, "alpha");
    let _ = fs::remove_file(world.dir.path().join("killed"));
    fs::write(
        world.dir.path().join("cib"),
        "//primitive//nvpair[@name='drbd_resource'][@value='data']",
    )
    .unwrap();
    let mut trace = Trace::default();
    let done = prepare_with(&world.host("alpha"), &wanted, 1, &mut trace);
    let told = message(&Some(done));
    assert!(told.contains("was changed since it was moved"), "{told}");
    let top = world.root("alpha").join("var/lib/eucalyptus");
    assert_eq!(newer.difference(&Tree::read(&top).unwrap()), None);
}

#[test]
fn data_that_change_between_copy_and_link_are_not_set_aside() {
    let (world, wanted) = (World::new(), plan(&[CLC]));
    fill(&world, "alpha", "key of the cloud");
    // The service comes up on alpha while beta still works.
    let top = world.root("alpha").join("var/lib/eucalyptus");
    let file = top.join("late").display().to_string();
    world.script(
        "alpha",
        "umount",
        &[&format!(
            "rm \"$1\" && mkdir \"$1\"\n: >\"$R/proc/mounts\"\necho x >{file}\n"
        )],
    );
    let told = message(&run(&world, &wanted, None)[0].0);
    assert!(told.contains("was changed while it was moved"), "{told}");
    assert!(!top.is_symlink());
    assert!(top.join("late").exists());
}

#[test]
fn a_link_of_an_earlier_cluster_is_no_data() {
    let wanted = plan(&[CLC]);
    let old = |world: &World, node: &str| {
        let link = world.root(node).join("var/lib/eucalyptus");
        symlink("/mnt/data/var/lib/eucalyptus", link).unwrap();
        // It knew another disk.
        let record = Record {
            stage: Stage::Made,
            device: "/dev/drbd2".into(),
            size: 0,
            uuid: "ab:1:1".into(),
        };
        for item in ["fs-drbd-data", "fs-drbd-data-var-lib-eucalyptus"] {
            record.save(&world.host(node), item).unwrap();
        }
    };
    let world = World::new();
    old(&world, "beta");
    let told = message(&run(&world, &wanted, None)[0].0);
    assert!(told.contains("the link is of an earlier one"), "{told}");
    assert!(told.contains("run: rm /var/lib/eucalyptus"), "{told}");
    assert!(!world.root("alpha").join("var/lib/eucalyptus").is_symlink());

    let world = World::new();
    fill(&world, "alpha", "key of the cloud");
    let original = Tree::read(&world.root("alpha").join("var/lib/eucalyptus")).unwrap();
    old(&world, "beta");
    let told = message(&run(&world, &wanted, None)[0].0);
    assert!(told.contains("is not what was moved"), "{told}");
    fs::remove_file(world.root("beta").join("var/lib/eucalyptus")).unwrap();
    must(&run(&world, &wanted, None));
    assert_formed(&world);
    assert_moved(&world, &original);
}

#[test]
fn a_directory_that_no_node_has_is_made_on_the_filesystem_and_linked() {
    let bukkits = "/var/lib/eucalyptus/bukkits";
    let wanted = plan(&[bukkits]);
    let start = || {
        let world = World::new();
        for node in ["alpha", "beta"] {
            let above = world.root(node).join("var/lib/eucalyptus");
            fs::create_dir(&above).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o750);
            fs::set_permissions(&above, mode).unwrap();
            if nix::unistd::geteuid().is_root() {
                super::run("chown", &["12:34", above.to_str().unwrap()]);
            }
        }
        world
    };
    let linked = |world: &World| {
        assert_formed(world);
        let made = world.dir.path().join("content/var/lib/eucalyptus/bukkits");
        let meta = fs::metadata(&made).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&meta) & 0o7777, 0o750);
        if nix::unistd::geteuid().is_root() {
            assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), 12);
        }
        let beside = fs::read_dir(made.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "nothing half-made is left");
        for node in ["alpha", "beta"] {
            let link = fs::read_link(world.root(node).join("var/lib/eucalyptus/bukkits"));
            assert_eq!(
                link.unwrap(),
                Path::new("/mnt/data/var/lib/eucalyptus/bukkits")
            );
        }
    };
    let world = start();
    let outcomes = run(&world, &wanted, None);
    must(&outcomes);
    linked(&world);
    for (index, node) in ["alpha", "beta"].into_iter().enumerate() {
        let seen = outcomes[index].1.seen.iter();
        for name in seen.filter(|name| name.contains("fs-drbd-data")) {
            eprintln!("{node} is killed at {name}");
            let world = start();
            run(&world, &wanted, Some((node, name)));
            must(&run(&world, &wanted, None));
            linked(&world);
        }
    }
}

#[test]
fn a_node_that_joins_gets_links_for_what_it_does_not_have() {
    let (world, wanted) = (World::new(), plan(&[CLC]));
    fs::write(
        world.dir.path().join("cib"),
        "//primitive//nvpair[@name='drbd_resource'][@value='data']",
    )
    .unwrap();
    let link = world.root("beta").join("var/lib/eucalyptus");
    let prepare = || prepare_with(&world.host("beta"), &wanted, 2, &mut Trace::default());
    prepare().unwrap();
    assert!(link.is_symlink());
    // A link that was missing from the start is made by any later run.
    fs::remove_file(&link).unwrap();
    prepare().unwrap();
    assert!(link.is_symlink());
    assert_eq!(refusals(check(&world.host("beta"), &wanted)), [""; 0]);
    // A package of the service was unpacked over the link.
    fs::remove_file(&link).unwrap();
    fs::create_dir(&link).unwrap();
    let told = refusals(check(&world.host("beta"), &wanted));
    assert!(told[0].contains("is a directory of this node"), "{told:?}");
    assert!(
        told[0].contains("ln -s /mnt/data/var/lib/eucalyptus /var/lib/eucalyptus"),
        "{told:?}"
    );
}

/// On the node cloud has these numbers, and the user `taken` is another one.
fn getent(world: &World, node: &str, (user, group): (u32, u32), taken: u32) {
    let script = format!(
        "case \"$1 $2\" in\n\
         'passwd {user}'|'passwd cloud') echo cloud:x:{user}:{group}::/:/bin/false ;;\n\
         'group {group}'|'group cloud') echo cloud:x:{group}: ;;\n\
         'passwd {taken}') echo postfix:x:{taken}:118::/:/bin/false ;;\n\
         *) exit 2 ;;\n\
         esac\n"
    );
    world.script(node, "getent", &[&script]);
}

#[test]
fn owners_that_the_other_node_knows_by_another_number_are_refused() {
    // Only root can give files away; another's own ones do as well.
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let (user, group) = match uid.is_root() {
        true => (118, 113),
        false => (uid.as_raw(), gid.as_raw()),
    };
    let off = user + 3;
    let wanted = plan(&[CLC]);
    for source in ["alpha", "beta"] {
        let world = World::new();
        fill(&world, source, "key of the cloud");
        let top = world.root(source).join("var/lib/eucalyptus");
        super::run(
            "chown",
            &["-hR", &format!("{user}:{group}"), top.to_str().unwrap()],
        );
        let other = if source == "alpha" { "beta" } else { "alpha" };
        getent(&world, source, (user, group), user);
        getent(&world, other, (off, group), user);
        let outcomes = run(&world, &wanted, None);
        let told = message(&outcomes[usize::from(other == "beta")].0);
        for part in [
            format!("the user cloud has the number {user} on {source}, but {off} here"),
            format!("usermod --uid {user} cloud; find / -xdev -uid {off} -exec chown"),
            format!("{user} is postfix here"),
        ] {
            assert!(told.contains(&part), "{told}");
        }
        assert!(!told.contains("the group"), "{told}");
        assert!(
            outcomes
                .iter()
                .all(|(outcome, _)| matches!(outcome, Some(Err(_))))
        );
        assert_eq!(world.count("mkfs"), 0);
        assert!(!world.dir.path().join("content").exists());
        assert!(!top.is_symlink());
        // The way out that was told.
        getent(&world, other, (user, group), user);
        let original = Tree::read(&top).unwrap();
        must(&run(&world, &wanted, None));
        assert_formed(&world);
        let copy = world.dir.path().join("content/var/lib/eucalyptus");
        assert_eq!(original.difference(&Tree::read(&copy).unwrap()), None);
    }
}

#[test]
fn a_node_that_still_reads_is_waited_for() {
    let (world, wanted) = (World::new(), plan(&[CLC]));
    fill(&world, "alpha", "key of the cloud");
    let top = world.root("alpha").join("var/lib/eucalyptus");
    let disk = fs::File::create(top.join("disk")).unwrap();
    disk.set_len(32 << 20).unwrap();
    must(&run(&world, &wanted, None));
    let beats = world.log();
    let beats = beats
        .iter()
        .filter(|line| line.contains("alpha attrd_updater") && line.contains("--update reading|"));
    let beats: BTreeSet<&String> = beats.collect();
    assert!(beats.len() > 2, "{beats:?}");
}

/// What pacemaker's configuration answers when it has the resource.
fn served(world: &World) {
    let path = "//primitive//nvpair[@name='drbd_resource'][@value='data']";
    fs::write(world.dir.path().join("cib"), path).unwrap();
}

#[test]
fn a_blank_disk_in_the_place_of_a_dead_one_is_seen_and_attached() {
    let (world, wanted) = (World::new(), plan(&[]));
    let beta = world.host("beta");
    let look = || survey(&beta, &wanted, 2).unwrap();
    assert_eq!(look().unprepared, ["DRBD resource data"]);
    must(&run(&world, &wanted, None));
    served(&world);
    assert_eq!(look(), Survey::default());
    // The disk has failed and was replaced; the other side serves.
    let put = |node: &str, what: &str, value: &str| {
        let path = world.dir.path().join("drbd").join(node).join(what);
        fs::write(path, value).unwrap();
    };
    put("alpha", "role", "Primary");
    for (what, value) in [("up", "yes"), ("md", "none"), ("disk", "Diskless")] {
        put("beta", what, value);
    }
    let shown = " 2: cs:Connected ro:Secondary/Primary ds:Diskless/UpToDate C r-----\n";
    let text = format!("version: 8.4.11 (api:1/proto:86-101)\n{shown}");
    fs::write(world.root("beta").join("proc/drbd"), text).unwrap();
    let disk = fs::File::create(world.root("beta").join("dev/vdb")).unwrap();
    disk.set_len(67 << 20).unwrap();
    assert_eq!(look().unprepared, ["DRBD resource data"]);
    prepare_with(&beta, &wanted, 2, &mut Trace::default()).unwrap();
    assert_eq!(world.count("beta drbdadm create-md data"), 2);
    assert_eq!(world.count("beta drbdadm attach data"), 1);
    assert_eq!(world.drbd("beta", "disk"), "Inconsistent");
    assert_eq!(look(), Survey::default());
}

#[test]
fn a_disk_that_is_gone_is_told_and_is_nothing_to_prepare() {
    let (world, wanted) = (World::new(), plan(&[]));
    must(&run(&world, &wanted, None));
    fs::remove_file(world.root("beta").join("dev/vdb")).unwrap();
    let found = survey(&world.host("beta"), &wanted, 2).unwrap();
    assert_eq!(found.unprepared, [""; 0]);
    let [note] = found.notes.as_slice() else {
        panic!("{found:?}");
    };
    let start = "DRBD resource data: /dev/vdb does not exist on this node";
    assert!(note.starts_with(start), "{note}");
}
