//! A private apt root: one suite's sources and lists, and an empty dpkg status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use crate::recipe::suite::Suite;

/// How long fetched lists are used before `apt-get update` is run again.
const FRESH: Duration = Duration::from_secs(6 * 3600);

/// The environment failed: a tool or the mirror, never the recipe.
#[derive(Debug)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A directory that apt takes for its whole world.
#[derive(Debug)]
pub struct PrivateRoot {
    dir: PathBuf,
    suite: &'static Suite,
}

impl PrivateRoot {
    /// The private root of `suite` below `cache`, made or refreshed when it is
    /// missing or older than six hours. mmdebstrap picks the mirror and the
    /// keyring; `mirror`, its further arguments, overrides the former.
    ///
    /// # Errors
    /// mmdebstrap or apt-get is missing, or the mirror does not answer.
    pub fn open(suite: &'static Suite, cache: &Path, mirror: &[String]) -> Result<Self, Error> {
        let root = Self {
            dir: cache.join(suite.name),
            suite,
        };
        if !root.dir.join("etc/apt/sources.list").is_file() {
            root.create(mirror)?;
        } else if root.is_stale() {
            expect(
                &root.apt("apt-get").args(["-qq", "update"]).output(),
                || format!("apt-get update for {}", suite.name),
            )?;
            root.stamp()?;
        }
        Ok(root)
    }

    /// An apt tool that sees this root alone.
    pub fn apt(&self, tool: &str) -> Command {
        let mut command = Command::new(tool);
        command
            .env("APT_CONFIG", self.dir.join("apt.conf"))
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Makes the packages of a `Packages` text known to apt, in place of the
    /// ones of an earlier call.
    ///
    /// # Errors
    /// The files cannot be written or apt refuses them.
    pub fn offer(&self, packages: &str) -> Result<(), Error> {
        let flat = self.dir.join("offered");
        write(&flat.join("Packages"), packages)?;
        let list = self.dir.join("etc/apt/sources.list.d/offered.list");
        write(
            &list,
            &format!("deb [trusted=yes] copy:{} ./\n", flat.display()),
        )?;
        let mut update = self.apt("apt-get");
        update
            .args(["-qq", "update", "-o", "APT::Get::List-Cleanup=0"])
            .args(["-o", "Dir::Etc::sourceparts=-"])
            .arg("-o")
            .arg(format!("Dir::Etc::sourcelist={}", list.display()));
        expect(&update.output(), || {
            "apt-get update for the packages in question".into()
        })
    }

    /// The suite whose index this is.
    pub fn suite(&self) -> &'static Suite {
        self.suite
    }

    fn create(&self, mirror: &[String]) -> Result<(), Error> {
        let parent = self.dir.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)
            .map_err(|e| Error(format!("making {}: {e}", parent.display())))?;
        let fresh = parent.join(format!(".{}.{}", self.suite.name, std::process::id()));
        let _ = fs::remove_dir_all(&fresh);
        let archive = fresh.with_extension("tar");
        fs::create_dir_all(&fresh)
            .map_err(|e| Error(format!("making {}: {e}", fresh.display())))?;
        let made = self
            .bootstrap(mirror, &archive)
            .and_then(|()| self.unpack(&archive, &fresh));
        let _ = fs::remove_file(&archive);
        let moved = made.and_then(|()| {
            let _ = fs::remove_dir_all(&self.dir);
            fs::rename(&fresh, &self.dir).map_err(|e| {
                Error(format!(
                    "renaming {} to {}: {e}",
                    fresh.display(),
                    self.dir.display()
                ))
            })
        });
        if moved.is_err() {
            let _ = fs::remove_dir_all(&fresh);
        }
        moved
    }

    fn bootstrap(&self, mirror: &[String], archive: &Path) -> Result<(), Error> {
        let mut command = Command::new("mmdebstrap");
        command
            .args([
                "--quiet",
                "--variant=custom",
                "--format=tar",
                "--architectures=amd64",
            ])
            .arg(format!("--components={}", self.suite.components.join(",")))
            .arg("--skip=cleanup/apt/lists,cleanup/apt/cache")
            .arg(self.suite.name)
            .arg(archive)
            .args(mirror);
        expect(&command.output(), || {
            format!("mmdebstrap for the package index of {}", self.suite.name)
        })
    }

    fn unpack(&self, archive: &Path, fresh: &Path) -> Result<(), Error> {
        let output = Command::new("tar")
            .arg("-C")
            .arg(fresh)
            .args(["--no-same-owner", "--exclude=./dev", "-xf"])
            .arg(archive)
            .output();
        expect(&output, || format!("unpacking {}", archive.display()))?;
        let archives = fresh.join("var/cache/apt/archives/partial");
        fs::create_dir_all(&archives)
            .map_err(|e| Error(format!("making {}: {e}", archives.display())))?;
        let dir = self.dir.display();
        write(
            &fresh.join("apt.conf"),
            &format!(
                "Dir \"{dir}\";\n\
                 Dir::State::status \"{dir}/var/lib/dpkg/status\";\n\
                 Dir::Etc::trustedparts \"/etc/apt/trusted.gpg.d\";\n\
                 APT::Architecture \"amd64\";\n\
                 APT::Architectures {{ \"amd64\"; }};\n\
                 APT::Sandbox::User \"root\";\n\
                 Acquire::Languages \"none\";\n\
                 Debug::NoLocking \"true\";\n"
            ),
        )?;
        write(&fresh.join("refreshed"), "")
    }

    fn is_stale(&self) -> bool {
        let refreshed = fs::metadata(self.dir.join("refreshed")).and_then(|m| m.modified());
        match refreshed {
            Ok(time) => SystemTime::now()
                .duration_since(time)
                .is_ok_and(|age| age > FRESH),
            Err(_) => true,
        }
    }

    fn stamp(&self) -> Result<(), Error> {
        write(&self.dir.join("refreshed"), "")
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(dir) = path.parent() {
        crate::atomic::create_dir_all(dir, 0o755).map_err(|e| Error(e.to_string()))?;
    }
    crate::atomic::write(path, text.as_bytes(), 0o644).map_err(|e| Error(e.to_string()))
}

/// Turns a missing tool or a failed run into an [`Error`] that quotes the tool.
fn expect(output: &std::io::Result<Output>, action: impl Fn() -> String) -> Result<(), Error> {
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Error(format!(
            "{} failed: {}",
            action(),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
        Err(error) => Err(Error(format!(
            "{} could not start: {error}; `./x setup` installs what is needed",
            action()
        ))),
    }
}
