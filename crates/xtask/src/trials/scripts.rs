//! shellcheck on every shell script that comes out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bases;
use crate::case::Case;
use crate::host::{files_below, fresh_dir, output, read};
use crate::stop::{During, Stop};
use crate::trials::tasks::unpack_installer;

/// Maintainer scripts, resource agents, build rules' scripts, tests and the
/// installer's hook: no remark of shellcheck.
pub fn shellcheck(case: &Case) -> Result<(), Stop> {
    let scratch = case
        .world
        .scratch
        .join(format!("scripts-{}", case.suite.name));
    fresh_dir(&scratch)?;
    for package in bases::packages(&case.world.new, case.suite)? {
        let (Some(name), Some(file)) = (package.get("Package"), package.get("Filename")) else {
            return Err(Stop::failed("the index has a paragraph without package"));
        };
        let deb = case.world.new.join("apt").join(file);
        read(
            Command::new("dpkg-deb")
                .arg("-R")
                .arg(deb)
                .arg(scratch.join(name)),
        )?;
    }
    unpack_installer(case.world, &scratch.join("installer"))?;
    let sources = case.world.new.join("source").join(case.suite.name);
    for file in files_below(&sources)? {
        if file.to_string_lossy().ends_with(".tar.xz") {
            let to = scratch.join(&file);
            fs::create_dir_all(&to).during("unpacking a source")?;
            let unpack = ["-x", "--exclude", "*/vendor/*", "-C"];
            let mut tar = Command::new("tar");
            tar.args(unpack).arg(&to).arg("-f").arg(sources.join(&file));
            read(&mut tar)?;
        }
    }
    let scripts = scripts(&scratch)?;
    if scripts.is_empty() {
        return Err(Stop::failed("there is no script to check"));
    }
    let done = output(
        Command::new("shellcheck")
            .args(["--format", "gcc", "--external-sources"])
            .args([
                "--source-path",
                "ubuntu-ha-resource-agents/usr/share/ubuntu-ha/agents",
            ])
            .args(&scripts)
            .current_dir(&scratch),
    )?;
    let text = String::from_utf8_lossy(&done.stdout);
    case.note(&format!("{scripts:#?}\n{text}"));
    if !done.status.success() {
        return Err(Stop::failed(format!(
            "shellcheck says:\n{text}{}",
            String::from_utf8_lossy(&done.stderr)
        )));
    }
    fs::remove_dir_all(&scratch).during(format_args!("removing {}", scratch.display()))
}

/// Files below that start as shell scripts do, relative.
fn scripts(dir: &Path) -> Result<Vec<PathBuf>, Stop> {
    let mut found = Vec::new();
    for file in files_below(dir)? {
        let path = dir.join(&file);
        if path.is_symlink() {
            continue;
        }
        let data = fs::read(&path).during(format_args!("reading {}", path.display()))?;
        if is_shell(&data) {
            found.push(file);
        }
    }
    Ok(found)
}

fn is_shell(data: &[u8]) -> bool {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"#!")
        && String::from_utf8_lossy(line)
            .split(['/', ' '])
            .any(|word| matches!(word, "sh" | "bash" | "dash"))
}

#[cfg(test)]
mod tests {
    use super::is_shell;

    #[test]
    fn shell_scripts_are_told_from_other_files() {
        assert!(is_shell(b"#!/bin/sh\n"));
        assert!(is_shell(b"#! /usr/bin/env bash\n"));
        assert!(!is_shell(b"#!/usr/bin/make -f\n"));
        assert!(!is_shell(b"#!/usr/bin/perl\nsh\n"));
        assert!(!is_shell(b"\x7fELF"));
    }
}
