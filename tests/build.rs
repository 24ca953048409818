//! `hapkg build`, `check` and `export` as a pipeline runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");

fn hapkg(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hapkg"));
    command.args(args);
    command
}

fn done(command: &mut Command) -> Output {
    let output = command.output().expect("hapkg starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

fn refused(command: &mut Command, code: i32) -> String {
    let output = command.output().expect("hapkg starts");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A recipes directory with one role, `vip`, after `change` was made to it.
fn recipes(dir: &TempDir, change: impl Fn(String) -> String) -> PathBuf {
    let path = dir.path().join("recipes");
    fs::create_dir_all(path.join("support")).unwrap();
    for name in ["vip.toml", "support/node.toml"] {
        let recipe = fs::read_to_string(Path::new(RECIPES).join(name)).unwrap();
        let recipe = if name == "vip.toml" {
            change(recipe)
        } else {
            recipe
        };
        fs::write(path.join(name), recipe).unwrap();
    }
    path
}

fn build(recipes: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = hapkg(&["build", "vip", "--suite", "noble", "--out"]);
    command.arg(out).arg("--recipes").arg(recipes).args(more);
    command
}

fn newer(recipe: String) -> String {
    let (head, tail) = recipe.split_once("[[changelog]]").expect("a changelog");
    format!(
        "{}[[changelog]]\nversion = \"1.1\"\ndate = \"2026-11-02T12:00:00Z\"\nchanges = [\"More (Closes: #12, LP: #34).\"]\n\n[[changelog]]{tail}",
        head.replace("version = \"1.0\"", "version = \"1.1\"")
            .replace("\"pacemaker\"", "\"pacemaker\", \"nftables\"")
    )
}

/// Every file below a directory, by relative path.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn packages(out: &Path) -> Vec<debcrate::Paragraph> {
    let index = out.join("apt/dists/noble/main/binary-all/Packages");
    debcrate::read_packages(&fs::read_to_string(index).unwrap()).unwrap()
}

#[test]
fn result_names_every_file_with_its_digest() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    let output = done(&mut build(
        Path::new(RECIPES),
        &out,
        &["--source", "--json"],
    ));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let listed = told["files"].as_array().unwrap();
    assert_eq!(
        listed.len(),
        5,
        "a .deb, .dsc, .tar.xz, .buildinfo, .changes: {told}"
    );
    for file in listed {
        let path = out.join(file["path"].as_str().unwrap());
        let sums = debcrate::Checksums::of(&fs::read(&path).unwrap());
        assert_eq!(file["sha256"], sums.sha256, "{}", path.display());
    }
}

#[test]
fn relative_output_directory_and_task_of_the_index() {
    let dir = TempDir::new().unwrap();
    done(build(Path::new(RECIPES), Path::new("dist"), &[]).current_dir(dir.path()));
    let entry = &packages(&dir.path().join("dist"))[0];
    assert_eq!(entry.get("Task"), Some("ubuntu-ha-vip"));
}

#[test]
fn same_recipes_give_the_same_bytes_anywhere() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("a/longer/two"));
    done(&mut build(Path::new(RECIPES), &one, &["--source"]));
    done(
        build(Path::new(RECIPES), &two, &["--source"])
            .env("TZ", "Asia/Tokyo")
            .env("LC_ALL", "C"),
    );
    assert_eq!(files(&one), files(&two));
    done(&mut build(Path::new(RECIPES), &one, &["--source"]));
    assert_eq!(files(&one), files(&two), "a second build over the first");
}

#[test]
fn new_version_tells_its_dependency_changes_and_stands_beside_the_old() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    done(&mut build(&recipes(&dir, |recipe| recipe), &out, &[]));
    done(&mut build(&recipes(&dir, newer), &out, &["--source"]));
    let versions: Vec<String> = packages(&out)
        .iter()
        .map(|entry| entry.get("Version").unwrap().to_string())
        .collect();
    assert_eq!(versions, ["1.0~ubuntu24.04.1", "1.1~ubuntu24.04.1"]);
    let changes = out.join("source/noble/ubuntu-ha-vip_1.1~ubuntu24.04.1_source.changes");
    let changes = fs::read_to_string(changes).unwrap();
    assert!(changes.contains("Depends: added nftables."), "{changes}");
    assert!(changes.contains("* More"), "{changes}");
    assert!(changes.contains("\nCloses: 12\n"), "{changes}");
    assert!(
        changes.contains("\nLaunchpad-Bugs-Fixed: 34\n"),
        "{changes}"
    );
}

#[test]
fn role_asks_for_the_node_program_that_can_read_it() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    let recipes = recipes(&dir, |recipe| recipe);
    let depends = || {
        packages(&out)
            .last()
            .unwrap()
            .get("Depends")
            .unwrap()
            .to_string()
    };
    done(&mut build(&recipes, &out, &[]));
    let first = depends();
    assert!(first.contains("ubuntu-ha-node (>= 1.0~)"), "{first}");
    let node = recipes.join("support/node.toml");
    let old = fs::read_to_string(&node).unwrap();
    fs::write(&node, old.replace("version = \"1.0\"", "version = \"1.1\"")).unwrap();
    let told = text(&done(&mut build(&recipes, &out, &[])).stderr);
    assert_eq!(depends(), first, "a version that is there stays as it is");
    assert!(!told.contains("built before"), "{told}");
    let role = recipes.join("vip.toml");
    let old = fs::read_to_string(&role).unwrap();
    fs::write(&role, newer(old)).unwrap();
    done(&mut build(&recipes, &out, &[]));
    assert!(
        depends().contains("ubuntu-ha-node (>= 1.1~)"),
        "{}",
        depends()
    );
    let out = dir.path().join("agents");
    let clc = ["build", "clc", "--suite", "noble", "--recipes", RECIPES];
    done(hapkg(&clc).arg("--out").arg(&out));
    let depends = packages(&out)[0].get("Depends").unwrap().to_string();
    assert!(
        depends.contains("ubuntu-ha-resource-agents (>= 1.0~)"),
        "{depends}"
    );
}

#[test]
fn index_is_never_dated_before_the_one_it_replaces() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    let date = || {
        let release = fs::read_to_string(out.join("apt/dists/noble/Release")).unwrap();
        let line = release.lines().find(|line| line.starts_with("Date: "));
        line.unwrap().to_string()
    };
    done(&mut build(&recipes(&dir, newer), &out, &[]));
    assert_eq!(date(), "Date: Mon, 02 Nov 2026 12:00:00 UTC");
    done(&mut build(&recipes(&dir, |recipe| recipe), &out, &[]));
    assert_eq!(packages(&out).len(), 2);
    assert_eq!(date(), "Date: Mon, 02 Nov 2026 12:00:00 UTC");
}

#[test]
fn reused_version_with_other_contents_is_warned_of() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    done(&mut build(&recipes(&dir, |recipe| recipe), &out, &[]));
    let other = recipes(&dir, |recipe| {
        recipe.replace("\"pacemaker\"", "\"pacemaker\", \"nftables\"")
    });
    let told = text(&done(&mut build(&other, &out, &[])).stderr);
    assert!(told.contains("raise `version`"), "{told}");
    assert_eq!(packages(&out).len(), 1);
    // A word of the source package alone is enough for an archive to refuse it.
    let build = |change: fn(String) -> String| {
        let told = done(&mut build(&recipes(&dir, change), &out, &["--source"]));
        text(&told.stderr).contains("ubuntu-ha-vip 1.0~ubuntu24.04.1 was built before with other")
    };
    assert!(build(
        |recipe| recipe.replace("timeout = \"60s\"", "timeout = \"61s\"")
    ));
    assert!(!build(
        |recipe| recipe.replace("timeout = \"60s\"", "timeout = \"61s\"")
    ));
    let tar = out.join("source/noble/ubuntu-ha-vip_1.0~ubuntu24.04.1.tar.xz");
    fs::write(tar, "other").unwrap();
    assert!(build(
        |recipe| recipe.replace("timeout = \"60s\"", "timeout = \"61s\"")
    ));
}

#[test]
fn signed_version_is_not_published_again_with_other_contents() {
    let dir = TempDir::new().unwrap();
    let (home, out) = (keyring(&dir), dir.path().join("dist"));
    let build = |change: fn(String) -> String, more: &[&str]| {
        let mut command = build(&recipes(&dir, change), &out, more);
        command.env("GNUPGHOME", &home);
        command
    };
    let signed = ["--sign", "ha@example.org"];
    let nft = |recipe: String| recipe.replace("\"pacemaker\"", "\"pacemaker\", \"nftables\"");
    done(&mut build(|recipe| recipe, &signed));
    done(&mut build(|recipe| recipe, &signed));
    let before = files(&out);
    let told = refused(&mut build(nft, &signed), 1);
    assert!(told.contains("ubuntu-ha-vip 1.0~ubuntu24.04.1"), "{told}");
    assert!(told.contains("recipes/vip.toml"), "{told}");
    assert_eq!(files(&out), before);
    done(&mut build(newer, &signed));
    // Who only tries something out is not held up.
    let told = text(&done(&mut build(nft, &[])).stderr);
    assert!(told.contains("raise `version`"), "{told}");
    done(&mut build(nft, &signed));
}

#[test]
fn package_that_only_depends_on_what_is_not_there_is_warned_of() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    let recipes = recipes(&dir, |recipe| recipe);
    let told = text(&done(&mut build(&recipes, &out, &[])).stderr);
    assert!(
        told.contains(
            "ubuntu-ha-node, which ubuntu-ha-vip depends on, is not in this repository for noble; \
             build it as well: hapkg build node"
        ),
        "{told}"
    );
    let index = out.join("apt/dists/noble/main/binary-all/Packages");
    let held = fs::read_to_string(&index).unwrap();
    let node = held.replace("Package: ubuntu-ha-vip\n", "Package: ubuntu-ha-node\n");
    fs::write(&index, node).unwrap();
    let told = text(&done(&mut build(&recipes, &out, &[])).stderr);
    assert!(!told.contains("not in this repository"), "{told}");
}

#[test]
fn other_packages_of_the_repository_stay() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    done(
        hapkg(&[
            "build",
            "drbd",
            "--suite",
            "noble",
            "--recipes",
            RECIPES,
            "--out",
        ])
        .arg(&out),
    );
    done(&mut build(Path::new(RECIPES), &out, &[]));
    let names: Vec<String> = packages(&out)
        .iter()
        .map(|entry| entry.get("Package").unwrap().to_string())
        .collect();
    assert_eq!(names, ["ubuntu-ha-drbd", "ubuntu-ha-vip"]);
}

#[test]
fn broken_recipe_leaves_the_repository_alone() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    done(&mut build(&recipes(&dir, |recipe| recipe), &out, &[]));
    let before = files(&out);
    let broken = recipes(&dir, |recipe| {
        newer(recipe).replace("prompt = ", "promt = ")
    });
    let told = refused(&mut build(&broken, &out, &[]), 1);
    assert!(told.contains("did you mean `prompt`?"), "{told}");
    assert_eq!(files(&out), before);
}

#[test]
fn damaged_index_is_refused_with_a_way_out() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    done(&mut build(Path::new(RECIPES), &out, &[]));
    let index = out.join("apt/dists/noble/main/binary-all/Packages");
    fs::write(&index, "Package: x\n\nnonsense\n").unwrap();
    let told = refused(&mut build(Path::new(RECIPES), &out, &[]), 1);
    assert!(told.contains("--out"), "{told}");
}

#[test]
fn wrong_words_are_told_apart_from_wrong_recipes() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    let told = refused(
        hapkg(&["build", "vpi", "--recipes", RECIPES, "--out"]).arg(&out),
        2,
    );
    assert!(told.contains("did you mean `vip`?"), "{told}");
    let told = refused(
        hapkg(&[
            "build",
            "vip",
            "--suite",
            "nobel",
            "--recipes",
            RECIPES,
            "--out",
        ])
        .arg(&out),
        2,
    );
    assert!(told.contains("did you mean `noble`?"), "{told}");
    refused(&mut hapkg(&["build", "--sorce"]), 2);
    refused(
        build(Path::new(RECIPES), &out, &["--sign", "nobody@example.org"])
            .env("GNUPGHOME", dir.path()),
        2,
    );
    assert!(!out.exists(), "nothing is written");
}

/// A private gpg with one key that signs.
fn keyring(dir: &TempDir) -> PathBuf {
    let home = dir.path().join("gnupg");
    fs::create_dir(&home).unwrap();
    let mut restrict = Command::new("chmod");
    assert!(restrict.arg("700").arg(&home).status().unwrap().success());
    let made = Command::new("gpg")
        .env("GNUPGHOME", &home)
        .args([
            "--batch",
            "--quiet",
            "--passphrase",
            "",
            "--quick-generate-key",
        ])
        .args([
            "Ubuntu HA packagers <ha@example.org>",
            "ed25519",
            "sign",
            "never",
        ])
        .output()
        .expect("environment: gpg is missing");
    assert!(made.status.success(), "{}", text(&made.stderr));
    home
}

#[test]
fn signatures_are_good_and_an_unsigned_build_takes_them_away() {
    let dir = TempDir::new().unwrap();
    let (home, out) = (keyring(&dir), dir.path().join("dist"));
    done(
        build(
            Path::new(RECIPES),
            &out,
            &["--source", "--sign", "ha@example.org"],
        )
        .env("GNUPGHOME", &home),
    );
    let verify = |args: &[PathBuf]| {
        let seen = Command::new("gpg")
            .env("GNUPGHOME", &home)
            .arg("--verify")
            .args(args)
            .output()
            .expect("environment: gpg is missing");
        assert!(seen.status.success(), "{args:?}: {}", text(&seen.stderr));
    };
    let dists = out.join("apt/dists/noble");
    let source = |name: &str| {
        out.join(format!(
            "source/noble/ubuntu-ha-vip_1.0~ubuntu24.04.1{name}"
        ))
    };
    verify(&[dists.join("InRelease")]);
    verify(&[dists.join("Release.gpg"), dists.join("Release")]);
    verify(&[source(".dsc")]);
    verify(&[source("_source.changes")]);
    let changes = fs::read_to_string(source("_source.changes")).unwrap();
    let dsc = debcrate::Checksums::of(&fs::read(source(".dsc")).unwrap());
    assert!(
        changes.contains(&dsc.sha256),
        "the signed .dsc is what .changes lists"
    );

    done(&mut build(Path::new(RECIPES), &out, &[]));
    assert!(!dists.join("InRelease").exists() && !dists.join("Release.gpg").exists());
    assert!(dists.join("Release").exists());
}

#[test]
fn old_indexes_can_be_fetched_by_hash_for_one_more_build() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("dist");
    let hashes = |out: &Path| {
        fs::read_dir(out.join("apt/dists/noble/main/binary-all/by-hash/SHA256"))
            .unwrap()
            .count()
    };
    done(&mut build(&recipes(&dir, |recipe| recipe), &out, &[]));
    assert_eq!(hashes(&out), 2);
    done(&mut build(&recipes(&dir, newer), &out, &[]));
    assert_eq!(hashes(&out), 4, "Packages and Packages.xz, new and old");
    done(&mut build(&recipes(&dir, newer), &out, &[]));
    assert_eq!(hashes(&out), 2, "the old ones are gone");
}

#[test]
fn preseed_needs_valid_answers() {
    let dir = TempDir::new().unwrap();
    let answers = format!("{RECIPES}/answers/vip.toml");
    let export = |answers: &str| {
        hapkg(&[
            "export",
            "preseed",
            "vip",
            "--recipes",
            RECIPES,
            "--answers",
            answers,
        ])
    };
    let lines = text(&done(&mut export(&answers)).stdout);
    assert!(
        lines.contains("ubuntu-ha-vip ubuntu-ha-vip/vip string "),
        "{lines}"
    );
    assert!(
        lines.contains("ubuntu-ha-node ubuntu-ha-node/nodes string "),
        "{lines}"
    );
    let bad = dir.path().join("bad.toml");
    let text = fs::read_to_string(&answers).unwrap();
    let broken: String = text
        .lines()
        .map(|line| {
            if line.starts_with("vip =") {
                "vip = \"192.0.2.999/24\"\n".into()
            } else {
                format!("{line}\n")
            }
        })
        .chain(["nonsense = 1\n".into()])
        .collect();
    fs::write(&bad, broken).unwrap();
    let told = refused(&mut export(bad.to_str().unwrap()), 1);
    assert!(told.contains("vip") && told.contains("nonsense"), "{told}");
}

#[test]
fn preseed_refuses_an_answer_that_swallows_the_next_line() {
    let dir = TempDir::new().unwrap();
    let answers = fs::read_to_string(format!("{RECIPES}/answers/vip.toml")).unwrap();
    let path = dir.path().join("answers.toml");
    let secret = "\"example-shared-secret-0001\"";
    assert!(answers.contains(secret));
    fs::write(&path, answers.replace(secret, "'example-shared\\'")).unwrap();
    let told = refused(
        hapkg(&[
            "export",
            "preseed",
            "vip",
            "--recipes",
            RECIPES,
            "--answers",
        ])
        .arg(&path),
        1,
    );
    assert!(told.contains("answers.toml"), "{told}");
    assert!(
        told.contains("ubuntu-ha-node/secret ends with a backslash"),
        "{told}"
    );
}

#[test]
fn check_reports_as_json_and_new_passes_check() {
    let dir = TempDir::new().unwrap();
    let path = recipes(&dir, |recipe| recipe.replace("prompt = ", "promt = "));
    let output = hapkg(&["check", "vip", "--json", "--recipes"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], false);
    assert!(
        told["problems"][0]["line"]
            .as_u64()
            .is_some_and(|line| line > 1),
        "{told}"
    );
    done(hapkg(&["new", "web", "--recipes"]).arg(&path));
    done(hapkg(&["check", "web", "--recipes"]).arg(&path));
    let told = refused(hapkg(&["new", "web", "--recipes"]).arg(&path), 1);
    assert!(told.contains("exists already"), "{told}");
}

#[test]
fn manual_pages_and_completions_come_out() {
    let dir = TempDir::new().unwrap();
    done(hapkg(&["man"]).arg(dir.path()));
    for name in [
        "hapkg.1",
        "hapkg-build.1",
        "hapkg-check.1",
        "hapkg-export.1",
    ] {
        let page = fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(
            page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"),
            "{name}"
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(!done(&mut hapkg(&["completions", shell])).stdout.is_empty());
    }
    let schema: serde_json::Value =
        serde_json::from_slice(&done(&mut hapkg(&["schema"])).stdout).unwrap();
    assert!(schema["properties"]["question"].is_object());
}
