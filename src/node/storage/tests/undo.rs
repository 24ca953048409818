//! A preparation that is taken back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::tree::Tree;
use super::super::undo;
use super::mirror::{CLC, asides, assert_moved, fill, must, plan, run};
use super::world::World;
use crate::cluster::Desired;
use crate::node::problem::Failure;

const RES: &str = "resource data {\n    on alpha {\n        \
    device /dev/drbd2 minor 2;\n        disk \"/dev/vdb\";\n    }\n}\n";

/// Alpha has data of its own, beta nothing; what is noted of both before.
fn start(wanted: &Desired) -> (World, Tree, [String; 2]) {
    let world = World::new();
    fill(&world, "alpha", "key of the cloud");
    let original = Tree::read(&world.root("alpha").join("var/lib/eucalyptus")).unwrap();
    let noted = ["alpha", "beta"].map(|node| {
        let dir = world.root(node).join("etc/drbd.d");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("data.res"), RES).unwrap();
        undo::directories(&world.host(node), wanted, node, &["data"]).unwrap()
    });
    (world, original, noted)
}

fn told(done: Result<(), Failure>) -> String {
    match done {
        Err(Failure::Failed { message, remedy }) => format!("{message}; {remedy}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn directories_get_their_place_again_and_may_move_once_more() {
    let wanted = plan(&[CLC]);
    let (world, original, noted) = start(&wanted);
    // Of an earlier life.
    let old = world
        .root("alpha")
        .join("var/lib/eucalyptus.before-ubuntu-ha-20200101");
    fs::create_dir(&old).unwrap();
    let alpha = world.host("alpha");
    let mine = undo::directories(&alpha, &wanted, "alpha", &["data"]).unwrap();
    must(&run(&world, &wanted, None));
    for (node, noted, done) in [
        ("alpha", &mine, "put back /var/lib/eucalyptus"),
        ("beta", &noted[1], "removed the link /var/lib/eucalyptus"),
    ] {
        let host = world.host(node);
        undo::stop(&host, "data").unwrap();
        let found = undo::put_back(&host, noted, false).unwrap();
        assert_eq!((found.done, found.left), (vec![done.into()], vec![]));
        let again = undo::put_back(&host, noted, false).unwrap();
        assert_eq!(again, undo::PutBack::default());
    }
    let place = world.root("alpha").join("var/lib/eucalyptus");
    assert_eq!(original.difference(&Tree::read(&place).unwrap()), None);
    assert_eq!(
        asides(&world, "alpha"),
        ["eucalyptus.before-ubuntu-ha-20200101"]
    );
    fs::remove_dir(&old).unwrap();
    assert!(fs::symlink_metadata(world.root("beta").join("var/lib/eucalyptus")).is_err());
    must(&run(&world, &wanted, None));
    assert_moved(&world, &original);
}

#[test]
fn putting_a_directory_back_may_be_stopped_anywhere() {
    let wanted = plan(&[CLC]);
    let (world, original, noted) = start(&wanted);
    let alpha = world.host("alpha");
    let place = world.root("alpha").join("var/lib/eucalyptus");
    let exchange = place.with_file_name("eucalyptus.ubuntu-ha-exchange");
    let target = "/mnt/data/var/lib/eucalyptus";
    let put_back = || {
        undo::put_back(&alpha, &noted[0], false).unwrap();
        assert_eq!(original.difference(&Tree::read(&place).unwrap()), None);
        assert!(fs::symlink_metadata(&exchange).is_err());
    };
    // The link was prepared; it was exchanged; it is removed.
    symlink(target, &exchange).unwrap();
    put_back();
    fs::rename(&place, &exchange).unwrap();
    symlink(target, &place).unwrap();
    put_back();
    fs::rename(
        &place,
        place.with_file_name("eucalyptus.before-ubuntu-ha-20261101"),
    )
    .unwrap();
    put_back();
}

#[test]
fn where_services_have_run_the_command_is_told() {
    let wanted = plan(&[CLC]);
    let (world, _, noted) = start(&wanted);
    must(&run(&world, &wanted, None));
    let alpha = world.host("alpha");
    let found = undo::put_back(&alpha, &noted[0], true).unwrap();
    let name = asides(&world, "alpha").concat();
    let command = format!("rm {CLC} && mv /var/lib/{name} {CLC}");
    assert!(found.left[0].ends_with(&command), "{:?}", found.left);
    let link = fs::read_link(world.root("alpha").join("var/lib/eucalyptus")).unwrap();
    assert_eq!(link, Path::new("/mnt/data/var/lib/eucalyptus"));
    assert_eq!(found.done, [""; 0]);
}

#[test]
fn a_node_that_was_killed_while_it_copied_leaves_the_resource() {
    let wanted = plan(&[CLC]);
    let (world, _, _) = start(&wanted);
    let at = "storage: fs-drbd-data: copy /var/lib/eucalyptus: copied";
    run(&world, &wanted, Some(("alpha", at)));
    assert_eq!(world.drbd("alpha", "role"), "Primary");
    let alpha = world.host("alpha");
    // The copy runs on.
    world.script("alpha", "umount", &["fail 'target is busy'\n"]);
    let message = told(undo::stop(&alpha, "data"));
    assert!(
        message.contains("unmounting /mnt/data: target is busy"),
        "{message}"
    );
    assert!(message.contains("fuser -vm /mnt/data"), "{message}");
    assert_eq!(world.drbd("alpha", "up"), "yes");
    assert_eq!(world.count("alpha drbdadm down"), 0);
    world.script("alpha", "umount", &[super::world::UMOUNT]);
    undo::stop(&alpha, "data").unwrap();
    assert_eq!(world.drbd("alpha", "role"), "Secondary");
    assert_eq!(world.drbd("alpha", "up"), "no");
    undo::stop(&alpha, "data").unwrap();
}

#[test]
fn a_resource_that_serves_the_other_node_stays_up() {
    let wanted = plan(&[CLC]);
    let (world, _, _) = start(&wanted);
    let at = "storage: drbd-data: primary";
    run(&world, &wanted, Some(("alpha", at)));
    assert_eq!(world.drbd("beta", "up"), "yes");
    let message = told(undo::stop(&world.host("beta"), "data"));
    assert!(message.contains("fenced for going away"), "{message}");
    assert!(message.contains("drbdadm role data"), "{message}");
    assert_eq!(world.drbd("beta", "up"), "yes");
    assert_eq!(world.count("beta drbdadm down"), 0);
}
