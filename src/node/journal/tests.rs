use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::node::layout::Layout;

fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    let host = Host::new(Layout::new(root.path().into()));
    (root, host)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_are_put_back_with_their_mode_and_new_ones_go() {
    let (root, host) = host();
    let old = root.path().join("etc/old");
    let new = root.path().join("etc/deep/er/new");
    atomic::write(&old, b"before", 0o640).unwrap();
    let mut journal = Journal::begin(&host, "apply").unwrap();
    journal.stage(&old, b"after", 0o600).unwrap();
    journal.make_dir(new.parent().unwrap(), 0o755).unwrap();
    journal.stage(&new, b"after", 0o600).unwrap();
    journal.set(&old).unwrap();
    journal.set(&new).unwrap();
    assert_eq!(fs::read(&old).unwrap(), b"after");
    assert_eq!(fs::read(&new).unwrap(), b"after");
    drop(journal);
    let mut journal = Journal::open(&host).unwrap().unwrap();
    assert_eq!(journal.command(), "apply");
    journal.put_back().unwrap();
    assert_eq!(journal.put_back().unwrap(), Vec::<String>::new());
    journal.forget().unwrap();
    assert_eq!(fs::read(&old).unwrap(), b"before");
    assert_eq!(mode(&old), 0o640);
    assert!(!root.path().join("etc/deep").exists());
    assert!(Journal::open(&host).unwrap().is_none());
}

#[test]
fn what_is_kept_once_is_the_first_content() {
    let (root, host) = host();
    let path = root.path().join("etc/a");
    fs::write(&path, "one").unwrap();
    let mut journal = Journal::begin(&host, "apply").unwrap();
    journal.keep(&path).unwrap();
    fs::write(&path, "two").unwrap();
    journal.keep(&path).unwrap();
    fs::write(&path, "three").unwrap();
    journal.put_back().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
}

#[test]
fn staged_files_and_what_a_kill_left_of_them_go() {
    let (root, host) = host();
    let path = root.path().join("etc/a");
    let mut journal = Journal::begin(&host, "apply").unwrap();
    let staged = journal.stage(&path, b"new", 0o600).unwrap();
    let torn = atomic::temporary(&staged);
    fs::write(&torn, "ne").unwrap();
    fs::write(root.path().join("etc/.a.other.new"), "").unwrap();
    journal.put_back().unwrap();
    assert_eq!(entries(&root.path().join("etc")), [".a.other.new"]);
}

#[test]
fn a_torn_record_is_forgotten_and_the_next_one_stands_alone() {
    let (_root, host) = host();
    let mut journal = Journal::begin(&host, "join").unwrap();
    journal.done("one").unwrap();
    drop(journal);
    let log = dir(&host).join("log");
    let mut text = fs::read(&log).unwrap();
    text.extend_from_slice(b"0123abcd\tdone\ttw");
    fs::write(&log, text).unwrap();
    let mut journal = Journal::open(&host).unwrap().unwrap();
    assert!(journal.is_done("one") && !journal.is_done("tw"));
    journal.done("two").unwrap();
    drop(journal);
    let journal = Journal::open(&host).unwrap().unwrap();
    assert!(journal.is_done("two"));
    assert_eq!(journal.command(), "join");
}

#[test]
fn damage_is_told_and_the_journal_left_alone() {
    let (_root, host) = host();
    let mut journal = Journal::begin(&host, "apply").unwrap();
    journal.done("one").unwrap();
    drop(journal);
    let log = dir(&host).join("log");
    let text = fs::read_to_string(&log).unwrap().replace("begin", "Begin");
    fs::write(&log, &text).unwrap();
    let failure = Journal::open(&host).unwrap_err();
    assert_eq!(failure.exit_code(), 3);
    assert_eq!(fs::read_to_string(&log).unwrap(), text);
}

#[test]
fn a_journal_that_ended_is_none_even_if_it_was_not_removed() {
    let (_root, host) = host();
    let mut journal = Journal::begin(&host, "apply").unwrap();
    journal.write(Record::End).unwrap();
    drop(journal);
    assert!(Journal::open(&host).unwrap().is_none());
    assert!(!dir(&host).exists());
}

#[test]
fn what_was_begun_to_be_put_back_is_not_finished_any_more() {
    let (root, host) = host();
    let path = root.path().join("etc/a");
    fs::write(&path, "before").unwrap();
    let mut journal = Journal::begin(&host, "apply").unwrap();
    journal.stage(&path, b"after", 0o600).unwrap();
    journal.set(&path).unwrap();
    journal.commit().unwrap();
    assert!(journal.is_committed() && !journal.is_undoing());
    journal.undo().unwrap();
    drop(journal);
    let mut journal = Journal::open(&host).unwrap().unwrap();
    assert!(journal.is_undoing() && !journal.is_committed());
    journal.done("a record after the new name").unwrap();
    drop(journal);
    let mut journal = Journal::open(&host).unwrap().unwrap();
    assert!(journal.is_done("a record after the new name"));
    journal.put_back().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    journal.forget().unwrap();
    assert!(Journal::open(&host).unwrap().is_none());
}

#[test]
fn what_a_kill_left_of_a_journal_that_is_over_goes() {
    let (_root, host) = host();
    let over = host.layout.state().join("journal.over/kept");
    fs::create_dir_all(&over).unwrap();
    fs::write(over.join("0"), "secret").unwrap();
    assert!(Journal::open(&host).unwrap().is_none());
    assert!(entries(&host.layout.state()).is_empty());
}

#[test]
fn a_symbolic_link_stays_one() {
    let (root, host) = host();
    let (real, link) = (root.path().join("real"), root.path().join("etc/a"));
    fs::write(&real, "before").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let mut journal = Journal::begin(&host, "apply").unwrap();
    journal.stage(&link, b"after", 0o600).unwrap();
    journal.set(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"after");
    journal.put_back().unwrap();
    journal.forget().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"before");
    assert_eq!(entries(&root.path().join("etc")), ["a"]);
    assert_eq!(entries(root.path()), ["etc", "real", "var"]);
}

#[test]
fn others_cannot_read_what_is_kept() {
    let (root, host) = host();
    let path = root.path().join("etc/a");
    atomic::write(&path, b"x", 0o644).unwrap();
    let mut journal = Journal::begin(&host, "apply").unwrap();
    journal.keep(&path).unwrap();
    assert_eq!(mode(&host.layout.state()), 0o700);
    assert_eq!(mode(&dir(&host)), 0o700);
    assert_eq!(mode(&dir(&host).join("log")), 0o600);
    for name in entries(&dir(&host).join("kept")) {
        assert_eq!(mode(&dir(&host).join("kept").join(name)), 0o600);
    }
}

fn entries(dir: &Path) -> Vec<String> {
    crate::node::layout::entries(dir).unwrap()
}
