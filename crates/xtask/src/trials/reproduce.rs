//! The same input gives the same bytes, wherever and whenever.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use hapkg::chroot::cache_dir;

use crate::case::Case;
use crate::compare;
use crate::host::{self, files_below, fresh_dir, read};
use crate::stop::{During, Stop};

/// A day in the past, when every chroot is still young enough to serve and
/// nothing in a cache is old enough to be taken away.
const DAY: &str = "2025-03-04 23:59:58";

/// cargo starts rustc, whose allocator reads the clock while it sets itself up
/// and so waits for ever below libfaketime.
const CARGO: &str = r#"#!/bin/sh
unset LD_PRELOAD
exec "$REAL_CARGO" "$@"
"#;

/// Two builds that differ in directory, umask, time zone, locale, user's home
/// and day leave identical trees.
///
/// The second build has a cache of its own: it gathers the node program's
/// crates, packs the node's source package and its .deb, as all others, anew.
/// The chroots are shared, and so is the compiled node program, which the
/// trial `source-node` compiles again on one suite, or with `--all` on each.
///
/// # Errors
/// `Failed` with what differs.
pub fn packed_twice(case: &Case) -> Result<(), Stop> {
    twice(case, "reproduce", &["chroots", "trials", "node-build"])
}

/// As [`packed_twice`], with the node program compiled anew for every suite;
/// only the chroots are shared.
///
/// # Errors
/// `Failed` with what differs.
pub fn compiled_twice(case: &Case) -> Result<(), Stop> {
    twice(case, "reproduce-compile", &["chroots", "trials"])
}

fn twice(case: &Case, name: &str, shared: &[&str]) -> Result<(), Stop> {
    let scratch = case.world.scratch.join(name);
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
        &[],
    )?;
    let script = format!(
        "umask 077; export TZ=Asia/Kathmandu LC_ALL=C.UTF-8 LANGUAGE=es; exec faketime '{DAY}' \"$@\""
    );
    let surroundings = surroundings(&there.join("home"), shared)?;
    let second = build(case, &copy, &there.join("dist"), &script, &surroundings)?;
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

/// Another user's environment: a home whose cache has only the `shared` parts
/// of ours, and our Rust toolchain and its downloads.
fn surroundings(home: &Path, shared: &[&str]) -> Result<Vec<(&'static str, OsString)>, Stop> {
    let ours = cache_dir()?;
    let cache = home.join(".cache");
    let own = cache.join("hapkg");
    fs::create_dir_all(&own).during(format_args!("making {}", own.display()))?;
    for name in shared {
        let what = format!("sharing the cached {name}");
        fs::create_dir_all(ours.join(name)).during(&what)?;
        symlink(ours.join(name), own.join(name)).during(&what)?;
    }
    let cargo = home.join("cargo");
    host::write(&cargo, CARGO)?;
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).during("making a script")?;
    let rust = |name: &str, usual: &str| {
        let set = std::env::var_os(name).map(PathBuf::from);
        let below_home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(usual);
        set.unwrap_or_else(below_home).into_os_string()
    };
    let real = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Ok(vec![
        ("HOME", home.into()),
        ("XDG_CACHE_HOME", cache.into()),
        ("CARGO_HOME", rust("CARGO_HOME", ".cargo")),
        ("RUSTUP_HOME", rust("RUSTUP_HOME", ".rustup")),
        ("CARGO", cargo.into()),
        ("REAL_CARGO", real),
    ])
}

fn build(
    case: &Case,
    root: &Path,
    out: &Path,
    script: &str,
    variables: &[(&str, OsString)],
) -> Result<String, Stop> {
    fs::create_dir_all(out).during(format_args!("making {}", out.display()))?;
    read(
        Command::new("sh")
            .current_dir(root)
            .envs(variables.iter().map(|(name, value)| (name, value)))
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
