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

#[test]
fn systemd_reads_new_files_of_units_before_it_starts_them() {
    for (known, reloads) in [("yes", 1), ("no", 0)] {
        let host = pair();
        let stale = format!("no\n\nno\n\nno\n\n{known}\n");
        host.answer("systemctl.show", 0, &stale);
        host.run(&["apply"]).expect(0);
        let calls = host.calls_of("systemctl ");
        let at = |start: &str| calls.iter().position(|call| call.starts_with(start));
        assert_eq!(host.calls_of("systemctl daemon-reload").len(), reloads);
        if reloads > 0 {
            assert!(at("systemctl daemon-reload") < at("systemctl start corosync"));
        }
    }
}
