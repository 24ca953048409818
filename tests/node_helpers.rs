//! What ubuntu-ha-node gives to DRBD, dlm_controld and resource agents to run.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use hapkg::recipe::{Context, load};

/// Where ubuntu-ha-node installs them.
const PLACE: &str = "/usr/lib/ubuntu-ha/";

/// What the recipe of ubuntu-ha-node installs below [`PLACE`].
struct Ours(tempfile::TempDir);

impl Ours {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/support/node.toml");
        let node = load(&path, &Context::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for file in &node.file {
            let Some(name) = file.path.strip_prefix(PLACE) else {
                continue;
            };
            let (dir, name) = match name.rsplit_once('/') {
                Some((below, name)) => (dir.path().join(below), name),
                None => (dir.path().to_path_buf(), name),
            };
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(name), file.content.as_ref().unwrap()).unwrap();
            let mode = u32::from_str_radix(&file.mode, 8).unwrap();
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
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
    let ours = Ours::new();
    Command::new(ours.path("drbd/fence-peer"))
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

/// What the scheduler has asked for already.
const PENDING: &str = "echo '<fence_event status=\"pending\"/>'";

/// What dlm_controld gives the agent on stdin; what stonith_admin was told at
/// last. Where it is asked for the history, `history` answers.
fn dlm_fence(told: &str, stonith_admin: &str, history: &str) -> (Output, String) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    program(
        dir.path(),
        "crm_node",
        "[ \"$1\" = --name-for-id=2 ] && echo beta",
    );
    let log_line = format!("echo \"$*\" >{}", log.display());
    let words = format!(
        "case $1 in --history=beta) {history}; exit ;; --history*) exit 1 ;; esac\n\
         {log_line}\n{stonith_admin}"
    );
    program(dir.path(), "stonith_admin", &words);
    let slept = dir.path().join("slept");
    fs::write(&slept, "").unwrap();
    program(dir.path(), "sleep", &format!("echo >>{}", slept.display()));
    program(dir.path(), "logger", "echo \"$*\" >&2");
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let ours = Ours::new();
    let mut agent = Command::new(ours.path("dlm/fence"))
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = agent.stdin.take().unwrap();
    stdin.write_all(told.as_bytes()).unwrap();
    drop(stdin);
    let done = agent.wait_with_output().unwrap();
    (done, fs::read_to_string(log).unwrap_or_default())
}

#[test]
fn pacemaker_fences_for_the_dlm_unless_it_has() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let failed = now.as_secs() - 30;
    let (done, asked) = dlm_fence(&format!("fail_time={failed}\nnode=2\n"), "exit 0", PENDING);
    assert!(done.status.success());
    let words: Vec<&str> = asked.split_whitespace().collect();
    assert_eq!(words[..2], ["--reboot=beta", "--timeout=300"]);
    let tolerance = words[2].strip_prefix("--tolerance=").unwrap();
    let seconds: u64 = tolerance.strip_suffix('s').unwrap().parse().unwrap();
    assert!((31..60).contains(&seconds), "{asked}");
    for told in [
        "node=2\n",
        "node=2\nfail_time=0\n",
        "node=2\nfail_time=9999999999\n",
    ] {
        let (_, asked) = dlm_fence(told, "exit 0", PENDING);
        assert!(asked.contains(" --tolerance=0s "), "{told}: {asked}");
    }
}

/// Times that the agent has waited for a second.
fn waited(told: &str, history: &str) -> usize {
    let (done, asked) = dlm_fence(told, "wc -l <${0%/*}/slept", history);
    assert!(done.status.success(), "{done:?}");
    assert!(asked.contains("--reboot=beta"));
    String::from_utf8(done.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn the_scheduler_asks_before_the_dlm() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let failed = now.as_secs() - 5;
    let told = format!("node=2\nfail_time={failed}\n");
    assert_eq!(waited(&told, PENDING), 0);
    let soon = format!("[ $(wc -l <${{0%/*}}/slept) -lt 3 ] || {PENDING}");
    assert_eq!(waited(&told, &soon), 3);
    let fenced = |at: u64| format!("[ $2 != --quiet ] || echo {at}");
    assert_eq!(waited(&told, &fenced(failed + 2)), 0);
    // It is the DLM alone that has lost the node.
    for history in [&*fenced(failed - 600), "true", "exit 1"] {
        assert_eq!(waited(&told, history), 20, "{history}");
    }
}

#[test]
fn the_dlm_hears_that_a_node_was_not_fenced() {
    let (done, asked) = dlm_fence("node=2\n", "exit 124", PENDING);
    assert_eq!(done.status.code(), Some(1));
    assert!(asked.contains("--reboot=beta"));
    for told in ["", "node=\n", "node=beta\n", "node=9\n"] {
        let (done, asked) = dlm_fence(told, "exit 0", PENDING);
        assert_eq!(done.status.code(), Some(1), "{told}");
        assert_eq!(asked, "", "{told}");
    }
}

#[test]
fn agents_have_a_dd_that_reads_directly() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::write(&from, vec![7; 8192]).unwrap();
    let done = Command::new(Ours::new().path("agents/dd"))
        .arg(format!("if={}", from.display()))
        .arg(format!("of={}", to.display()))
        .args(["iflag=direct", "bs=4k", "count=1"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(fs::read(&to).unwrap(), vec![7; 4096]);
}

#[test]
fn clean_posix_shell() {
    let names = [
        "agents/dd",
        "dlm/fence",
        "drbd/cib/cibadmin",
        "drbd/fence-peer",
    ];
    let ours = Ours::new();
    let shellcheck = Command::new("shellcheck")
        .args(["-s", "sh"])
        .args(names.map(|name| ours.path(name)))
        .status()
        .unwrap();
    assert!(shellcheck.success());
}
