//! Runs that nothing interrupts.

use crate::setup::{pair, stamps};

#[test]
fn the_first_run_forms_the_cluster() {
    let host = pair();
    let ran = host.run(&["apply"]).expect(0);
    println!("{}{}", ran.stdout, ran.stderr);
    println!("{}", host.calls().join("\n"));
    assert!(
        host.read("etc/corosync/corosync.conf")
            .starts_with("# Made by ubuntu-ha")
    );
    let before = stamps(&host);
    host.forget_calls();
    let ran = host.run(&["apply"]).expect(0);
    assert!(
        ran.stdout.ends_with("nothing to change\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(before, stamps(&host));
    println!("{}", host.calls().join("\n"));
}
