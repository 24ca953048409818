//! `ubuntu-ha configure` and `check`, run as the packages run them: the real
//! program below a directory that stands for a host.

#![cfg(feature = "packager")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hapkg::recipe::compiled::CompiledRole;
use hapkg::recipe::{Context, load};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ubuntu-ha");

const NODES: &str = "nodes alpha=192.0.2.11 beta=192.0.2.12\n";

const UNFENCED: &str = "fencing accept-split-brain\n";

struct Host {
    root: tempfile::TempDir,
}

impl Host {
    /// A host with these roles installed.
    fn with(roles: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let share = root.path().join("usr/share/ubuntu-ha");
        fs::create_dir_all(share.join("roles")).unwrap();
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let node = load(&recipes.join("support/node.toml"), &Context { node: None }).unwrap();
        let text = CompiledRole::from(&node).to_toml();
        fs::write(share.join("node.toml"), text).unwrap();
        for role in roles {
            let context = Context { node: Some(&node) };
            let recipe = load(&recipes.join(format!("{role}.toml")), &context).unwrap();
            let text = CompiledRole::from(&recipe).to_toml();
            fs::write(share.join(format!("roles/{role}.toml")), text).unwrap();
        }
        Self { root }
    }

    fn etc(&self, path: &str) -> PathBuf {
        self.root.path().join("etc/ubuntu-ha").join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.etc(path)).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.etc(path).parent().unwrap()).unwrap();
        fs::write(self.etc(path), text).unwrap();
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(PROGRAM);
        command.arg("--root").arg(self.root.path()).args(args);
        feed(command, input)
    }

    fn configure(&self, subject: &str, input: &str) -> (i32, String) {
        let output = self.run(&["configure", subject], input);
        assert_eq!(output.stdout, b"", "stdout belongs to debconf");
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), told)
    }

    fn check(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(&[&["check"], args].concat(), "");
        let told = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), told)
    }

    fn names(&self, path: &str) -> Vec<String> {
        let Ok(list) = fs::read_dir(self.etc(path)) else {
            return Vec::new();
        };
        let mut names: Vec<_> = list
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn feed(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn answers_become_a_flat_file() {
    let host = Host::with(&["vip"]);
    let (code, told) = host.configure("vip", "vip 192.0.2.10/24\ninterface eth0\n");
    assert_eq!(code, 0, "{told}");
    assert_eq!(
        host.text("roles/vip.toml"),
        "# Answers to the questions of ubuntu-ha-vip: one `name = value` a line.\n\
         # Edit them here, or run dpkg-reconfigure ubuntu-ha-vip, which starts from\n\
         # this file. Then run: ubuntu-ha check vip\n\
         \n# Virtual IP address and prefix length:\nvip = \"192.0.2.10/24\"\n\
         \n# Network interface for the virtual address:\ninterface = \"eth0\"\n"
    );
    assert_eq!(mode(&host.etc("roles/vip.toml")), 0o644);
    assert_eq!(mode(&host.etc("roles")), 0o755);
    assert_eq!(mode(&host.etc("")), 0o755);
    assert_eq!(host.names(""), ["roles"]);
}

#[test]
fn a_umask_changes_no_mode() {
    let host = Host::with(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh", PROGRAM, "--root"]);
    command.arg(host.root.path()).args(["configure", "cluster"]);
    let output = feed(command, &format!("{NODES}secret opensesame\n"));
    assert!(output.status.success());
    assert_eq!(mode(&host.etc("")), 0o755);
    assert_eq!(mode(&host.etc("cluster.toml")), 0o644);
    assert_eq!(mode(&host.etc("secrets")), 0o700);
    assert_eq!(mode(&host.etc("secrets/cluster")), 0o700);
    assert_eq!(mode(&host.etc("secrets/cluster/secret")), 0o600);
}

#[test]
fn numbers_are_native_and_defaults_are_written() {
    let host = Host::with(&[]);
    let (code, told) = host.configure("cluster", &format!("{NODES}token 5000\n"));
    assert_eq!(code, 0, "{told}");
    let text = host.text("cluster.toml");
    for line in [
        "cluster_name = \"ha\"",
        "nodes = \"alpha=192.0.2.11 beta=192.0.2.12\"",
        "fencing = \"later\"",
        "token = 5000",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in:\n{text}");
    }
    // Asked only when fencing is ipmi.
    assert!(!text.contains("ipmi_user"), "{text}");
}

#[test]
fn the_same_answers_leave_the_file_alone() {
    let host = Host::with(&["vip"]);
    host.configure("vip", "vip 2001:db8::10/64\n");
    let file = host.etc("roles/vip.toml");
    let by_hand = "# mine\nvip = \"2001:DB8::10/64\" # as the plan says\n";
    fs::write(&file, by_hand).unwrap();
    let before = fs::metadata(&file).unwrap();
    let (code, told) = host.configure("vip", "vip 2001:db8::10/64\ninterface \n");
    assert_eq!(code, 0);
    assert!(told.contains("unchanged"), "{told}");
    let after = fs::metadata(&file).unwrap();
    assert_eq!(before.ino(), after.ino());
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert_eq!(host.text("roles/vip.toml"), by_hand);
}

#[test]
fn an_edited_file_keeps_all_but_the_changed_value() {
    let host = Host::with(&["vip"]);
    let by_hand = "# chosen by the network people\nvip = \"192.0.2.10/24\"   # do not ask\n\n\
                   interface = \"eth0\"\n# that is all\n";
    host.write("roles/vip.toml", by_hand);
    fs::set_permissions(
        host.etc("roles/vip.toml"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    let (code, told) = host.configure("vip", "interface eth1\n");
    assert_eq!(code, 0, "{told}");
    assert_eq!(host.text("roles/vip.toml"), by_hand.replace("eth0", "eth1"));
    assert_eq!(mode(&host.etc("roles/vip.toml")), 0o640);

    let (code, _) = host.configure("vip", "interface \n");
    assert_eq!(code, 0);
    assert_eq!(host.text("roles/vip.toml"), by_hand.replace("eth0", ""));
}

#[test]
fn nothing_is_written_unless_all_is_valid() {
    let host = Host::with(&["vip"]);
    let (code, told) = host.configure("vip", "vip 192.0.2.10\n");
    assert_eq!(code, 1);
    assert!(
        told.contains("vip: `192.0.2.10` has no prefix length"),
        "{told}"
    );
    assert!(told.contains("192.0.2.10/24"), "{told}");
    assert!(
        told.contains("Next: dpkg-reconfigure ubuntu-ha-vip"),
        "{told}"
    );
    assert!(!host.etc("").exists());

    let (code, told) = host.configure("vip", "");
    assert_eq!(code, 1);
    assert!(told.contains("vip: is not answered; write"), "{told}");

    let (code, told) = host.configure("vip", "vip 192.0.2.10/24\nvipp x\n");
    assert_eq!(code, 1);
    assert!(told.contains("did you mean `vip`?"), "{told}");

    let (code, told) = host.configure("vip", "vip 192.0.2.10/24\nvip 192.0.2.11/24\n");
    assert_eq!(code, 1);
    assert!(told.contains("line 2: vip is answered twice"), "{told}");
    assert!(!host.etc("").exists());
}

#[test]
fn a_wrong_answer_in_the_file_is_named_with_its_line() {
    let host = Host::with(&["vip"]);
    for (text, line, words) in [
        ("# x\nvip = \"192.0.2.0/24\"\n", 2, "network itself"),
        ("vip = \"192.0.2.10/24\n", 1, "string"),
        (
            "# y\n\nvip = \"192.0.2.10\\u002f24\"\n",
            3,
            "cannot read back",
        ),
        ("vip = [\"192.0.2.10/24\"]\n", 1, "cannot read back"),
    ] {
        host.write("roles/vip.toml", text);
        let (code, told) = host.configure("vip", "interface eth0\n");
        assert_eq!(code, 1, "{text}");
        let place = format!("{}:{line}: ", host.etc("roles/vip.toml").display());
        assert!(told.contains(&place), "{place} in:\n{told}");
        assert!(told.contains(words), "{words} in:\n{told}");
        assert_eq!(host.text("roles/vip.toml"), text);
    }
}

#[test]
fn a_file_in_another_encoding_is_never_rewritten() {
    let host = Host::with(&["vip"]);
    host.write("roles/vip.toml", "");
    let latin1 = b"vip = \"192.0.2.10/24\"\n# caf\xe9\n";
    fs::write(host.etc("roles/vip.toml"), latin1).unwrap();
    let (code, told) = host.configure("vip", "interface eth0\n");
    assert_eq!(code, 1);
    assert!(told.contains("vip.toml:2: is not UTF-8"), "{told}");
    assert_eq!(fs::read(host.etc("roles/vip.toml")).unwrap(), latin1);
    let (code, told) = host.check(&["vip"]);
    assert_eq!(code, 1);
    assert!(told.contains("vip.toml:2: is not UTF-8"), "{told}");
}

#[test]
fn passwords_go_to_files_of_their_own() {
    let host = Host::with(&[]);
    let input = format!("{NODES}secret correct horse \"battery\"\n");
    let (code, told) = host.configure("cluster", &input);
    assert_eq!(code, 0, "{told}");
    let kept = || fs::read_to_string(host.etc("secrets/cluster/secret")).unwrap();
    assert_eq!(kept(), "correct horse \"battery\"\n");
    assert!(!host.text("cluster.toml").contains("horse"));
    assert!(!told.contains("horse"), "{told}");

    // Empty keeps it, and so does a run without it.
    host.configure("cluster", &format!("{NODES}secret \n"));
    host.configure("cluster", NODES);
    assert_eq!(kept(), "correct horse \"battery\"\n");
    host.configure("cluster", "secret another one\n");
    assert_eq!(kept(), "another one\n");
    assert_eq!(host.names("secrets/cluster"), ["secret"]);
}

#[test]
fn passwords_are_kept_even_when_other_answers_are_missing() {
    let host = Host::with(&[]);
    let (code, told) = host.configure("cluster", "secret opensesame\nnodes \n");
    assert_eq!(code, 1, "{told}");
    assert!(!host.etc("cluster.toml").exists());
    assert_eq!(host.text("secrets/cluster/secret"), "opensesame\n");

    let (code, told) = host.configure("cluster", &format!("{NODES}secret short\n"));
    assert_eq!(code, 1);
    assert!(told.contains("secret: is too short"), "{told}");
    assert_eq!(told.matches("secret: ").count(), 1, "{told}");
    assert_eq!(host.text("secrets/cluster/secret"), "opensesame\n");
}

#[test]
fn a_required_password_counts_once_it_is_kept() {
    let host = Host::with(&[]);
    let ipmi = "fencing ipmi\nipmi_user admin\n\
                ipmi_addresses alpha=192.0.2.21 beta=192.0.2.22\n";
    let (code, told) = host.configure("cluster", &format!("{NODES}{ipmi}"));
    assert_eq!(code, 1);
    assert!(told.contains("ipmi_password: is not answered"), "{told}");
    let (code, _) = host.configure("cluster", &format!("{NODES}{ipmi}ipmi_password 12345678\n"));
    assert_eq!(code, 0);
    let (code, told) = host.configure("cluster", &format!("{NODES}{ipmi}ipmi_password \n"));
    assert_eq!(code, 0, "{told}");
    let (code, told) = host.check(&[]);
    assert_eq!(code, 0, "{told}");
}

#[test]
fn loose_modes_of_secrets_are_told_and_tightened() {
    let host = Host::with(&[]);
    host.configure("cluster", &format!("{NODES}secret opensesame\n"));
    let (dir, file) = (host.etc("secrets"), host.etc("secrets/cluster/secret"));
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let (code, told) = host.check(&[]);
    assert_eq!(code, 1);
    assert!(
        told.contains("open to everybody (mode 0755); make it 0700"),
        "{told}"
    );
    assert!(
        told.contains("open to a group (mode 0640); make it 0600"),
        "{told}"
    );
    assert!(
        told.ends_with(&format!("Next: chmod 0600 {}\n", file.display())),
        "{told}"
    );
    host.configure("cluster", "secret opensesame\n");
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(host.check(&[]).0, 0);
}

#[test]
fn an_unconfigured_node_is_told_what_to_do() {
    let host = Host::with(&["vip"]);
    let (code, told) = host.check(&[]);
    assert_eq!(code, 1);
    assert!(
        told.contains("cluster.toml: is not there: the cluster is not configured"),
        "{told}"
    );
    assert!(
        told.contains("vip.toml: is not there: role vip is not configured"),
        "{told}"
    );
    assert!(
        told.ends_with("2 problems. Next: dpkg-reconfigure ubuntu-ha-node\n"),
        "{told}"
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let host = Host::with(&["vip", "clc", "drbd"]);
    host.write(
        "roles/drbd.toml",
        "vip = \"192.0.2.20/24\"\ndevice = \"/dev/vdb\"\nerase = true\n",
    );
    host.write(
        "cluster.toml",
        "nodes = \"alpha=192.0.2.11 beta=192.0.2.12\"\nsecret = \"opensesame\"\nfencinq = \"sbd\"\n",
    );
    host.write("roles/vip.toml", "vip = \"192.0.2.11/24\"\n");
    host.write("roles/vipp.toml", "vip = \"192.0.2.11/24\"\n");
    let (code, told) = host.check(&[]);
    assert_eq!(code, 1);
    for words in [
        "cluster.toml:2: secret is a password and everybody can read it here",
        "cluster.toml:3: fencinq is no question of ubuntu-ha-node; did you mean `fencing`?",
        "vip.toml:1: vip: 192.0.2.11 is the address of node alpha",
        "vipp.toml: role vipp is not installed; did you mean vip.toml?",
        "clc.toml: is not there: role clc is not configured",
        "drbd.toml: needs fencing, and `fencing` is `later`",
    ] {
        assert!(told.contains(words), "{words} in:\n{told}");
    }

    let (code, told) = host.check(&["vip"]);
    assert_eq!(code, 1);
    let file = host.etc("roles/vip.toml");
    assert!(
        told.ends_with(&format!(
            "1 problem. Next: edit {}, then run ubuntu-ha check\n",
            file.display()
        )),
        "{told}"
    );
    assert!(!told.contains("clc"), "{told}");
}

#[test]
fn two_roles_may_not_share_a_virtual_address() {
    let host = Host::with(&["vip", "drbd"]);
    host.configure("cluster", NODES);
    host.write("roles/vip.toml", "vip = \"192.0.2.10/24\"\n");
    host.write(
        "roles/drbd.toml",
        "vip = \"192.0.2.10/24\"\ndevice = \"/dev/vdb\"\nerase = true\n",
    );
    let (code, told) = host.check(&[]);
    assert_eq!(code, 1);
    assert!(
        told.contains("vip.toml:1: vip: virtual address 192.0.2.10 is taken by role drbd already"),
        "{told}"
    );
}

#[test]
fn json_says_the_same() {
    let host = Host::with(&["vip"]);
    host.configure("cluster", &format!("{NODES}{UNFENCED}"));
    host.write("roles/vip.toml", "vip = \"192.0.2.10\"\n\"a b\" = 1\n");
    let (code, told) = host.check(&["--json"]);
    assert_eq!(code, 1);
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["checked"][1], "vip");
    assert_eq!(report["problems"][0]["line"], 1);
    assert_eq!(report["problems"][0]["subject"], "vip");
    assert_eq!(report["problems"][1]["line"], 2);
    fs::write(host.etc("roles/vip.toml"), "vip = \"192.0.2.10/24\"\n").unwrap();
    let (code, told) = host.check(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, &report["valid"]),
        (0, &serde_json::Value::Bool(true))
    );
    assert_eq!(report["problems"].as_array().unwrap().len(), 0);
    assert_eq!(host.check(&[]).1, "Everything is valid: cluster, vip.\n");
}

#[test]
fn wrong_use_and_broken_packages_have_their_own_exit_codes() {
    let host = Host::with(&["vip"]);
    for (args, code, words) in [
        (vec!["configure", "../vip"], 2, "lower-case letters"),
        (vec!["configure", "vipp"], 2, "did you mean `vip`?"),
        (vec!["configure", "web"], 2, "apt-get install ubuntu-ha-web"),
        (vec!["check", "web"], 2, "role web is not installed"),
        (vec!["chek"], 2, "similar subcommand"),
    ] {
        let output = host.run(&args, "");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(words), "{args:?}: {told}");
    }
    let compiled = host.root.path().join("usr/share/ubuntu-ha/node.toml");
    fs::write(&compiled, "[role\n").unwrap();
    let output = host.run(&["configure", "cluster"], NODES);
    assert_eq!(output.status.code(), Some(3));
    fs::remove_file(&compiled).unwrap();
    let output = host.run(&["check"], "");
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("apt-get install --reinstall ubuntu-ha-node"),
        "{told}"
    );
}

/// Runs `configure vip` with /etc/ubuntu-ha on a filesystem of its own,
/// prepared by `script`; prints what is there afterwards.
fn on_filesystem(host: &Host, options: &str, script: &str) -> (i32, String, String) {
    fs::create_dir_all(host.etc("")).unwrap();
    let mut command = Command::new("unshare");
    // root needs no user namespace, and in a chroot gets none.
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-euc"]);
    command.arg(format!(
        "etc=$1; root=$2; program=$3\n\
         mount -t tmpfs -o {options} tmpfs \"$etc\"\n\
         {script}\n\
         code=0; \"$program\" --root \"$root\" configure vip || code=$?\n\
         cd \"$etc\"; find . -type f -exec sh -c 'echo \"$1\"; cat \"$1\"' sh {{}} \\;\n\
         exit \"$code\""
    ));
    command
        .arg("sh")
        .arg(host.etc(""))
        .arg(host.root.path())
        .arg(PROGRAM);
    let output = feed(command, "vip 192.0.2.10/24\n");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let host = Host::with(&["vip"]);
    let script = "mkdir \"$etc/roles\"
        printf 'vip = \"192.0.2.99/24\"\\n' >\"$etc/roles/vip.toml\"
        head -c 64k /dev/zero >\"$etc/filler\" 2>/dev/null || :";
    let (code, left, told) = on_filesystem(&host, "size=16k", script);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("No space left on device"), "{told}");
    assert!(told.contains("roles/vip.toml"), "{told}");
    assert!(
        left.contains("./roles/vip.toml\nvip = \"192.0.2.99/24\"\n"),
        "{left}"
    );
    assert!(!left.contains(".new"), "{left}");
}

#[test]
fn a_read_only_disk_leaves_everything_as_it_was() {
    let host = Host::with(&["vip"]);
    let (code, left, told) = on_filesystem(&host, "size=64k", "mount -o remount,ro \"$etc\"");
    assert_eq!(code, 3, "{told}");
    assert!(
        told.contains("mount the filesystem writable first"),
        "{told}"
    );
    assert_eq!(left, "");
}

#[test]
fn the_transcripts_hold() {
    trycmd::TestCases::new()
        .register_bin("ubuntu-ha", Path::new(PROGRAM))
        .case("tests/cmd/ubuntu-ha/*.toml");
}
