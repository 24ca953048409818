//! What goes into a Debian installation: the installer's hook as an archive
//! to put behind its initrd, and preseed files.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::recipe::model::{Question, Recipe};
use crate::recipe::view::package_name;

use super::{Error, templates, text};

/// Where the installer looks for programs to run before it shows the tasks.
const HOOK: &str = "usr/lib/pre-pkgsel.d/20ubuntu-ha-tasks";

/// The hook itself, a shell script.
///
/// # Errors
/// The template is broken.
pub fn hook() -> Result<String, Error> {
    Ok(templates::render(
        "pre-pkgsel",
        &BTreeMap::<String, ()>::new(),
    )?)
}

/// A gzipped cpio archive (newc) with the hook, to be appended to the
/// installer's initrd: the kernel unpacks one after the other.
///
/// # Errors
/// The template is broken.
pub fn initrd_hook() -> Result<Vec<u8>, Error> {
    let hook = hook()?;
    let mut archive = Vec::new();
    let mut inode = 1;
    for (end, _) in HOOK.match_indices('/') {
        entry(&mut archive, inode, &HOOK[..end], 0o040_755, b"");
        inode += 1;
    }
    entry(&mut archive, inode, HOOK, 0o100_755, hook.as_bytes());
    entry(&mut archive, 0, "TRAILER!!!", 0, b"");
    archive.resize(archive.len().next_multiple_of(512), 0);
    Ok(debcrate::gzip(&archive))
}

/// One entry of cpio's newc format: numbers of eight hexadecimal digits, name
/// and content padded to four bytes. Owner root, no time.
fn entry(archive: &mut Vec<u8>, inode: u32, name: &str, mode: u32, data: &[u8]) {
    let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
    let numbers = [
        inode,
        mode,
        0,
        0,
        links,
        0,
        data.len() as u32,
        0,
        0,
        0,
        0,
        name.len() as u32 + 1,
        0,
    ];
    archive.extend(b"070701");
    for number in numbers {
        archive.extend(format!("{number:08X}").bytes());
    }
    archive.extend(name.bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

/// One line for debconf-set-selections(1): exactly one blank between the
/// words, and no line break whatever the answer holds.
///
/// # Errors
/// The answer ends with a backslash, which would join the next line to it.
fn preseed_line(package: &str, question: &Question, answer: &str) -> Result<String, Error> {
    let answer: String = answer.chars().filter(|c| !c.is_control()).collect();
    let line = format!(
        "{package} {package}/{} {} {answer}",
        text::line(&question.name).replace(' ', ""),
        question.kind.debconf()
    );
    let line = line.trim_end();
    if line.ends_with('\\') {
        return Err(Error::Preseed(format!("{package}/{}", question.name)));
    }
    Ok(line.to_owned())
}

/// The lines of every question that has an answer, in the order of asking.
///
/// # Errors
/// [`Error::Preseed`].
pub fn preseed_lines(
    recipe: &Recipe,
    answers: &BTreeMap<String, String>,
) -> Result<Vec<String>, Error> {
    let package = package_name(&recipe.role.name);
    recipe
        .question
        .iter()
        .filter_map(|question| {
            let answer = answers.get(&question.name)?;
            Some(preseed_line(&package, question, answer))
        })
        .collect()
}

/// A preseed file that installs a role with its answers and the cluster-wide
/// ones. Questions without an answer get no line and stay to be asked.
///
/// # Errors
/// [`Error::Preseed`]; the template is broken.
pub fn preseed(
    role: &Recipe,
    answers: &BTreeMap<String, String>,
    node: Option<(&Recipe, &BTreeMap<String, String>)>,
) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Group {
        title: &'static str,
        lines: Vec<String>,
    }
    #[derive(Serialize)]
    struct Facts {
        package: String,
        task: Option<String>,
        groups: Vec<Group>,
    }
    let mut groups = vec![Group {
        title: "The role's own questions.",
        lines: preseed_lines(role, answers)?,
    }];
    if let Some((node, answers)) = node {
        groups.push(Group {
            title: "The questions common to all roles of the cluster.",
            lines: preseed_lines(node, answers)?,
        });
    }
    groups.retain(|group| !group.lines.is_empty());
    let package = package_name(&role.role.name);
    Ok(templates::render(
        "preseed",
        &Facts {
            task: role.tasksel.as_ref().map(|_| package.clone()),
            package,
            groups,
        },
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    fn recipe(name: &str, questions: &str) -> Recipe {
        toml::from_str(&format!(
            "[role]\nname = \"{name}\"\nsummary = \"s\"\ndescription = \"d\"\nversion = \"1.0\"\n{questions}\n\
             [tasksel]\ntitle = \"t\"\ndescription = \"d\"\n"
        ))
        .unwrap()
    }

    fn answers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect()
    }

    const QUESTION: &str =
        "[[question]]\nname = \"vip\"\ntype = \"address/prefix\"\nprompt = \"p:\"\nhelp = \"h\"\n";

    #[test]
    fn cpio_reads_the_archive_back() {
        let archive = initrd_hook().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "gzip -dc | cpio -idmv --quiet 2>&1"])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run sh");
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            format!("usr\nusr/lib\nusr/lib/pre-pkgsel.d\n{HOOK}\n")
        );
        let path = dir.path().join(HOOK);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), hook().unwrap());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn a_preseed_file_holds_both_owners() {
        let role = recipe("vip", QUESTION);
        let node = recipe("node", &QUESTION.replace("vip", "nodes"));
        let text = preseed(
            &role,
            &answers(&[("vip", "192.0.2.10/24")]),
            Some((
                &node,
                &answers(&[("nodes", "alpha=192.0.2.11 beta=192.0.2.12")]),
            )),
        )
        .unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|l| !l.starts_with('#') && !l.is_empty())
            .collect();
        assert_eq!(
            lines,
            [
                "d-i pkgsel/include string ubuntu-ha-vip",
                "tasksel tasksel/first multiselect standard, ubuntu-ha-vip",
                "ubuntu-ha-vip ubuntu-ha-vip/vip string 192.0.2.10/24",
                "ubuntu-ha-node ubuntu-ha-node/nodes string alpha=192.0.2.11 beta=192.0.2.12",
            ]
        );
    }

    #[test]
    fn a_role_without_answers_gets_no_empty_group() {
        let text = preseed(&recipe("vip", QUESTION), &BTreeMap::new(), None).unwrap();
        assert!(text.ends_with("ubuntu-ha-vip\n"), "{text:?}");
    }

    proptest! {
        #[test]
        fn an_answer_stays_on_its_line(answer in r"(?s).{0,60}\\?[ \n]?") {
            let role = recipe("vip", QUESTION);
            match preseed_line("ubuntu-ha-vip", &role.question[0], &answer) {
                Ok(line) => {
                    prop_assert!(!line.contains(['\n', '\r']));
                    // debconf-set-selections goes on with the next line there.
                    prop_assert!(!line.ends_with('\\'));
                    prop_assert!(line.starts_with("ubuntu-ha-vip ubuntu-ha-vip/vip string"));
                }
                Err(error) => {
                    prop_assert!(error.to_string().contains("ubuntu-ha-vip/vip"));
                    prop_assert!(answer.contains('\\'));
                }
            }
        }
    }

    /// Runs the hook on a made-up target with a made-up apt-install.
    fn run_hook(target: &std::path::Path, apt_install: &str) {
        let bin = target.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for (name, script) in [("apt-install", apt_install), ("logger", "exit 0")] {
            let path = bin.join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&path, mode).unwrap();
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let status = Command::new("sh")
            .args(["-c", &hook().unwrap()])
            .env("PATH", path)
            .env("UBUNTU_HA_TARGET", target)
            .status()
            .expect("run sh");
        assert!(status.success());
    }

    #[test]
    fn the_hook_adds_the_roles_once() {
        let target = tempfile::tempdir().unwrap();
        let descs = target.path().join("usr/share/tasksel/descs");
        std::fs::create_dir_all(&descs).unwrap();
        let theirs = "Task: desktop\nDescription: D\n More.\nKey:\n task-desktop\n";
        let menu = descs.join("debian-tasks.desc");
        std::fs::write(&menu, theirs).unwrap();
        let ours =
            super::super::tasks::desc(&super::super::tasks::tasks(&[recipe("vip", "")])).unwrap();
        std::fs::write(descs.join("ubuntu-ha.desc"), &ours).unwrap();

        run_hook(target.path(), "exit 1");
        assert_eq!(std::fs::read_to_string(&menu).unwrap(), theirs);
        let wanted = format!("{theirs}\n{ours}");
        for _ in 0..3 {
            run_hook(target.path(), "exit 0");
            assert_eq!(std::fs::read_to_string(&menu).unwrap(), wanted);
        }
        assert_eq!(super::super::tasks::lint_desc(&wanted), Ok(()));
    }

    #[test]
    fn the_hook_passes_shellcheck() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook");
        std::fs::write(&path, hook().unwrap()).unwrap();
        let output = Command::new("shellcheck")
            .arg(&path)
            .output()
            .expect("run shellcheck");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
