//! Hosts that lack something: `hapkg` has to end with exit 3 and say what is
//! missing, because nothing is known of the role then.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use hapkg::chroot::{as_root, cache_dir};

use crate::host::{fresh_dir, output, root, say, write};
use crate::report::{Outcome, Report};
use crate::stop::{During, Stop};
use crate::world;

const SUITE: &str = "noble";

/// Nobody listens there.
const NO_MIRROR: &str = "http://127.0.0.1:9";

/// What `hapkg test` runs before it looks for QEMU.
const TOOLS: [&str; 2] = ["sh", "sleep"];

/// Writes more than there is room for.
const FILLS: &str = r#"name = "host-full"
summary = "the disk of the host is full while a node writes"
role = "vip"

[[step]]
run = "dd if=/dev/urandom of=/root/fill bs=1M count=300 conv=fsync"
node = "first"
"#;

/// What a host lacks, and what hapkg has to say of it.
const LACKS: [(&str, &str); 4] = [
    ("no-qemu", "qemu-system-x86_64"),
    ("no-mirror", "HAPKG_MIRROR"),
    ("no-room-for-an-image", "no room: "),
    ("no-room-for-a-disk", "no room left"),
];

fn named(lack: &str) -> String {
    format!("environment/{lack}")
}

/// Whether `filter` leaves any of them.
pub fn wanted(filter: Option<&str>) -> bool {
    let fits = |text| LACKS.iter().any(|(lack, _)| named(lack).contains(text));
    filter.is_none_or(fits)
}

/// All of them, or those whose name contains `filter`. `dist` has the packages.
///
/// # Errors
/// `Environment`: a filesystem cannot be mounted.
pub fn trials(
    hapkg: &Path,
    dist: &Path,
    filter: Option<&str>,
    report: &mut Report,
) -> Result<(), Stop> {
    let place = root().join("target/xtask/lacking");
    fresh_dir(&place)?;
    for (lack, about) in LACKS {
        let name = named(lack);
        if filter.is_some_and(|text| !name.contains(text)) {
            continue;
        }
        say(&name);
        let start = Instant::now();
        let mut command = command(lack, hapkg, dist, &place)?;
        let done = output(command.current_dir(root()))?;
        let outcome = judge(&done, about);
        if let Outcome::Failed(why) = &outcome {
            say(&format!("{name}: {why}"));
        }
        report.add(&name, start.elapsed(), outcome);
    }
    Ok(())
}

/// hapkg where that is missing.
fn command(lack: &str, hapkg: &Path, dist: &Path, place: &Path) -> Result<Command, Stop> {
    let own = place.join(lack);
    let mut command = match lack {
        "no-room-for-an-image" => on_small_disk(&own, "48M", &[("XDG_CACHE_HOME", &own)])?,
        "no-room-for-a-disk" => {
            let cache = cache_dir().map_err(|e| Stop::environment(e.to_string()))?;
            let above = cache.parent().unwrap_or(&cache);
            on_small_disk(&own, "96M", &[("TMPDIR", &own), ("XDG_CACHE_HOME", above)])?
        }
        _ => Command::new("env"),
    };
    if lack == "no-mirror" {
        command
            .arg(format!("HAPKG_MIRROR={NO_MIRROR}"))
            .arg(format!("XDG_CACHE_HOME={}", own.display()));
    }
    if lack == "no-qemu" {
        command.arg(format!("PATH={}", tools(&own)?.display()));
    }
    command.arg(hapkg);
    if lack == "no-mirror" || lack == "no-room-for-an-image" {
        command.args(["image", "build", "--suite", SUITE]);
        return Ok(command);
    }
    command
        .args(["test", "vip", "--suite", SUITE, "--repeat", "1"])
        .arg("--dist")
        .arg(dist)
        .arg("--report")
        .arg(place.join("report"));
    if lack == "no-room-for-a-disk" {
        let scenarios = place.join("vm-tests");
        world::copy(&root().join("vm-tests/roles"), &scenarios.join("roles"))?;
        write(&scenarios.join("host-full.toml"), FILLS)?;
        command.arg("--scenarios").arg(scenarios);
    }
    Ok(command)
}

/// `env` in a mount namespace where `dir` is a filesystem of that size. Only
/// the mounting is root's: what root wrote, the user could not remove again.
fn on_small_disk(dir: &Path, size: &str, set: &[(&str, &Path)]) -> Result<Command, Stop> {
    fs::create_dir_all(dir).during(format_args!("making {}", dir.display()))?;
    let owner = fs::metadata(dir).during(format_args!("looking at {}", dir.display()))?;
    let (user, group) = (owner.uid(), owner.gid());
    let mounted = || {
        let mut command = as_root("unshare");
        command
            .args(["--mount", "sh", "-c"])
            .arg("mount -t tmpfs -o \"$1\" tmpfs \"$2\" && shift 2 && exec setpriv \"$@\"")
            .args(["sh", &format!("size={size},uid={user},gid={group}")])
            .arg(dir)
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={group}"))
            .args(["--init-groups", "env"]);
        command
    };
    if !output(&mut mounted())?.status.success() {
        return Err(Stop::environment(
            "no filesystem can be mounted in a namespace of its own (unshare --mount)",
        ));
    }
    let mut command = mounted();
    // sudo keeps none of these.
    for name in ["HOME", "PATH", "HAPKG_MIRROR", "HAPKG_ACCEL"] {
        if let Ok(value) = std::env::var(name) {
            command.arg(format!("{name}={value}"));
        }
    }
    command.args(
        set.iter()
            .map(|(name, path)| format!("{name}={}", path.display())),
    );
    Ok(command)
}

/// A directory with nothing but these tools.
fn tools(bin: &Path) -> Result<PathBuf, Stop> {
    fresh_dir(bin)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    for name in TOOLS {
        let found = std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.exists())
            .ok_or_else(|| Stop::environment(format!("there is no {name}")))?;
        let link = bin.join(name);
        symlink(found, &link).during(format_args!("making {}", link.display()))?;
    }
    Ok(bin.into())
}

fn judge(done: &Output, about: &str) -> Outcome {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    match done.status.code() {
        Some(3) if text.contains(about) => Outcome::Passed(1),
        _ => Outcome::Failed(format!(
            "{}, not exit 3 with {about:?}:\n{text}",
            done.status
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    use hapkg::trial::scenario;

    use super::{FILLS, judge};
    use crate::report::Outcome;

    #[test]
    fn only_exit_3_that_says_why_will_do() {
        let done = |code: i32, text: &str| Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: Vec::new(),
            stderr: text.into(),
        };
        assert_eq!(
            judge(&done(3, "no room left"), "no room"),
            Outcome::Passed(1)
        );
        for wrong in [done(1, "no room left"), done(3, "?"), done(0, "no room")] {
            assert!(matches!(judge(&wrong, "no room"), Outcome::Failed(_)));
        }
    }

    #[test]
    fn the_scenario_that_fills_the_host_is_one() {
        assert!(scenario::parse("host-full.toml", FILLS).is_ok());
    }
}
