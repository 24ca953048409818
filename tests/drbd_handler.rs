//! The fence-peer handler of DRBD sees node states that it understands.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `recipes/drbd`, as ubuntu-ha-node installs it.
fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/drbd")
}

fn program(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a handler that runs these words prints, where cibadmin does `cibadmin`.
fn handler(words: &str, cibadmin: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    program(dir.path(), "cibadmin", cibadmin);
    program(dir.path(), "crm-fence-peer.sh", words);
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    Command::new(ours().join("fence-peer"))
        .arg(dir.path().join("crm-fence-peer.sh"))
        .env("PATH", path)
        .output()
        .unwrap()
}

#[test]
fn times_become_the_words_of_before() {
    let cib = "<cib crm_feature_set=\"3.20.0\">\n\
        <node id=\"1\" uname=\"alpha\"/>\n\
        <node_state id=\"1\" uname=\"alpha\" in_ccm=\"1796026718\" crmd=\"1796026719\" expected=\"member\"/>\n\
        <node_state id=\"2\" uname=\"beta\" in_ccm=\"0\" crmd=\"0\" expected=\"down\"/>\n\
        </cib>";
    let told = "<cib crm_feature_set=\"3.20.0\">\n\
        <node id=\"1\" uname=\"alpha\"/>\n\
        <node_state id=\"1\" uname=\"alpha\" in_ccm=\"true\" crmd=\"online\" expected=\"member\"/>\n\
        <node_state id=\"2\" uname=\"beta\" in_ccm=\"false\" crmd=\"offline\" expected=\"down\"/>\n\
        </cib>\n";
    for ask in ["-Ql", "-Q -t 1", "--query"] {
        let done = handler(
            &format!("cibadmin {ask}"),
            &format!("cat <<'END'\n{cib}\nEND"),
        );
        assert_eq!(String::from_utf8(done.stdout).unwrap(), told, "{ask}");
        let done = handler(
            &format!("cibadmin {ask}"),
            &format!("cat <<'END'\n{told}END"),
        );
        assert_eq!(String::from_utf8(done.stdout).unwrap(), told, "{ask}");
    }
}

#[test]
fn all_else_is_the_real_one() {
    let words = "cibadmin -C -o constraints -X '<rsc_location id=\"a b\"/>'; exit $?";
    let done = handler(words, "printf '%s|' \"$@\"; exit 21");
    let text = String::from_utf8(done.stdout).unwrap();
    assert_eq!(text, "-C|-o|constraints|-X|<rsc_location id=\"a b\"/>|");
    assert_eq!(done.status.code(), Some(21));
    let done = handler("cibadmin -Q; exit $?", "echo half a CIB; exit 105");
    assert_eq!(done.stdout, b"");
    assert_eq!(done.status.code(), Some(105));
}

#[test]
fn clean_posix_shell() {
    let files = [ours().join("fence-peer"), ours().join("cib/cibadmin")];
    let shellcheck = Command::new("shellcheck")
        .args(["-s", "sh"])
        .args(&files)
        .status()
        .unwrap();
    assert!(shellcheck.success());
}
