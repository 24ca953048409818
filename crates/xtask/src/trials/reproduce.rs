//! The same input gives the same bytes, wherever and whenever.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::case::Case;
use crate::compare;
use crate::host::{self, files_below, fresh_dir, read};
use crate::stop::{During, Stop};

/// Two builds that differ in directory, umask, time zone, locale, user's home
/// and day leave identical trees.
pub fn twice(case: &Case) -> Result<(), Stop> {
    let scratch = case.world.scratch.join("reproduce");
    fresh_dir(&scratch)?;
    let here = scratch.join("a");
    let there = scratch.join("a-longer/name/for b");
    let copy = there.join("source");
    copy_project(&copy)?;
    let first = build(
        case,
        &host::root(),
        &here,
        "umask 022; export TZ=UTC LC_ALL=C; exec \"$@\"",
    )?;
    let second = build(
        case,
        &copy,
        &there.join("dist"),
        "umask 077; export TZ=Asia/Kathmandu LC_ALL=C.UTF-8 LANGUAGE=es; exec faketime '2027-03-04 23:59:58' \"$@\"",
    )?;
    case.note(&first);
    case.note(&second);
    let found = compare::directories(&here, &there.join("dist"))?;
    if files_below(&here)?.is_empty() {
        return Err(Stop::failed("the build left nothing"));
    }
    if !found.is_empty() {
        return Err(Stop::failed(format!(
            "two builds differ:\n{}",
            found.join("\n")
        )));
    }
    fs::remove_dir_all(&scratch).during(format_args!("removing {}", scratch.display()))
}

fn build(case: &Case, root: &Path, out: &Path, script: &str) -> Result<String, Stop> {
    fs::create_dir_all(out).during(format_args!("making {}", out.display()))?;
    read(
        Command::new("sh")
            .current_dir(root)
            .args(["-euc", script, "sh"])
            .arg(&case.world.hapkg)
            .args(["build", "--source", "--out"])
            .arg(out),
    )
}

/// What git would have checked out, and what is not committed yet.
fn copy_project(to: &Path) -> Result<(), Stop> {
    let from = host::root();
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "src",
        "crates",
        "recipes",
        ".cargo",
    ] {
        let source = from.join(name);
        let files = if source.is_dir() {
            files_below(&source)?
                .into_iter()
                .map(|file| source.join(file))
                .collect()
        } else {
            vec![source]
        };
        for file in files {
            let what = format!("copying {}", file.display());
            let target = to.join(file.strip_prefix(&from).unwrap_or(&file));
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).during(&what)?;
            }
            fs::copy(&file, &target).during(&what)?;
        }
    }
    Ok(())
}
