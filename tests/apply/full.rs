//! A disk that is full at each write.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fake_host::{FakeHost, Ran};
use crate::setup::{difference, prepare, tree};

const PAGE: u64 = 4096;

/// A small filesystem in memory.
struct Small(PathBuf);

impl Small {
    /// `None` where the test may not mount.
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(at);
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then(|| Self(at.to_path_buf()))
    }

    /// Leaves room for so many pages.
    fn fill(&self, pages: u64) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[1; PAGE as usize]).is_ok() {}
        let full = file.metadata().unwrap().len() / PAGE * PAGE;
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(full - pages * PAGE).unwrap();
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// A host whose disk is `dir`; what the fake programs keep is elsewhere.
fn host_on(dir: &Path, state: &Path) -> FakeHost {
    let root = tempfile::tempdir_in(dir).unwrap();
    symlink(state, root.path().join("run")).unwrap();
    let host = FakeHost::on(root, "alpha", &["vip"]);
    prepare(&host);
    host
}

#[test]
fn each_write_may_find_the_disk_full() {
    let at = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(at.path()) else {
        return limited();
    };
    let (mut before_commit, mut after_commit) = (0, 0);
    for pages in 0.. {
        let state = tempfile::tempdir().unwrap();
        let host = host_on(at.path(), state.path());
        let before = tree(&host);
        let filler = small.fill(pages);
        let ran = host.run(&["apply"]);
        if ran.code == Some(0) {
            break;
        }
        let told = &ran.stderr;
        assert_eq!(ran.code, Some(3), "{pages} pages: {told}");
        assert!(
            told.contains("No space left on device"),
            "{pages} pages: {told}"
        );
        assert!(told.contains("make room first"), "{pages} pages: {told}");
        if host.exists("var/lib/ubuntu-ha/journal") {
            after_commit += 1;
            assert!(told.contains("run `ubuntu-ha apply` again"), "{told}");
        } else {
            before_commit += 1;
            let paths = difference(&before, &tree(&host));
            assert_eq!(paths, Vec::<String>::new(), "{pages} pages");
            assert!(host.is_active("corosync") && host.is_active("pacemaker"));
        }
        fs::remove_file(filler).unwrap();
        host.run(&["apply"]).expect(0);
        let ran = host.run(&["apply"]).expect(0);
        assert!(
            ran.stdout.ends_with("nothing to change\n"),
            "{}",
            ran.stdout
        );
    }
    assert!(
        before_commit >= 7 && after_commit >= 1,
        "{before_commit}, {after_commit}"
    );
}

/// Without a filesystem of its own: no file may grow at all.
fn limited() {
    let host = crate::setup::pair();
    let before = tree(&host);
    let apply = host.command(&["apply"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""]);
    command.arg(apply.get_program()).args(apply.get_args());
    command.envs(apply.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let ran = Ran::of(command, "").expect(3);
    assert!(ran.stderr.contains("File too large"), "{}", ran.stderr);
    assert_eq!(difference(&before, &tree(&host)), Vec::<String>::new());
}

#[test]
fn a_file_that_may_not_grow_is_told() {
    limited();
}
