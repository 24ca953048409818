//! `[hooks]`: the shell must be able to read them, alone and in a function.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

use super::Checker;
use crate::recipe::document::at;

/// What is wrong with a script, and its line, from 1.
type Verdict = Result<(), (usize, String)>;

/// Scripts that were read before: many recipes share theirs.
static KNOWN: LazyLock<Mutex<HashMap<String, Verdict>>> = LazyLock::new(Mutex::default);

pub(super) fn check(checker: &mut Checker) {
    let hooks = &checker.recipe.hooks;
    for (name, script) in [
        ("configure", &hooks.configure),
        ("remove", &hooks.remove),
        ("purge", &hooks.purge),
    ] {
        if let Some(script) = script {
            check_hook(checker, name, script);
        }
    }
}

fn check_hook(checker: &mut Checker, name: &str, script: &str) {
    let path = at!["hooks", name];
    let idle = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if script.lines().all(idle) {
        checker.value(path, "the hook does nothing", "take it out");
        return;
    }
    if let Some(at) = script.find("#DEBHELPER#") {
        checker.part(
            path,
            at..at + "#DEBHELPER#".len(),
            "debhelper would put its own code here",
            "take it out",
        );
    }
    if let Err((line, message)) = read_by_shell(script) {
        let line = line.clamp(1, script.lines().count());
        let start: usize = script
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let length = script[start..].lines().next().map_or(0, str::len);
        checker.part(
            path,
            start..start + length,
            format!("the shell cannot read line {line} of the hook: {message}"),
            "write POSIX shell; try it with `sh -n`",
        );
    }
}

fn read_by_shell(script: &str) -> Verdict {
    let known = || {
        KNOWN
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    };
    if let Some(verdict) = known().get(script) {
        return verdict.clone();
    }
    // Inside a function nothing may be left open, such as a here-document.
    let verdict = syntax(script).and_then(|()| {
        syntax(&format!("hook() {{\n{script}\n}}\n")).map_err(|_| {
            let message = "something is still open at the end";
            (script.lines().count(), message.to_string())
        })
    });
    known().insert(script.to_string(), verdict.clone());
    verdict
}

fn syntax(script: &str) -> Verdict {
    let failed = |error: std::io::Error| (1, format!("cannot run sh: {error}"));
    let mut shell = Command::new("sh")
        .arg("-n")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = shell.stdin.take() {
        // A shell that stops at an error closes its end early.
        let _ = stdin.write_all(script.as_bytes());
    }
    let output = shell.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let first = stderr.lines().next().unwrap_or_default();
    let line = first
        .split(':')
        .find_map(|part| part.trim().trim_start_matches("line ").parse().ok())
        .unwrap_or(1);
    let message = first.split(": ").last().unwrap_or("syntax error");
    Err((line, message.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_reads_what_is_whole() {
        for script in [
            "true",
            "if a; then b; fi\n",
            "cat <<E\nx\nE\n",
            "# comment\ntrue",
        ] {
            assert_eq!(read_by_shell(script), Ok(()), "{script}");
        }
    }

    #[test]
    fn what_would_swallow_or_end_its_surroundings_is_refused() {
        for (script, line) in [
            ("true\nif x; then\n", 2),
            ("true\nfi\n", 2),
            ("}; evil; {", 1),
            ("cat <<E\nx", 2),
            ("true \\", 1),
            ("echo 'x", 1),
            ("a() {", 1),
        ] {
            let (found, message) = read_by_shell(script).expect_err(script);
            assert!(found >= line, "{script}: {found}: {message}");
        }
    }
}
