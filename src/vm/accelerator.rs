//! What executes the guests' code. /dev/kvm may exist and yet run no kernel,
//! so a kernel is booted once, and the outcome remembered.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::atomic;
use crate::chroot::{self, cache_dir};
use crate::vm::Error;
use crate::vm::owner::Owner;

/// Overrides the choice: `kvm` or `tcg`.
const SETTING: &str = "HAPKG_ACCEL";

/// A kernel says its version within a second under KVM.
const PROBE: Duration = Duration::from_secs(15);

/// How much longer everything may take under emulation.
const TCG_SCALE: f64 = 5.0;

/// How guests' code is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Kvm,
    /// QEMU's own emulation.
    Tcg,
}

/// The choice, and what it means for deadlines.
#[derive(Debug, Clone, PartialEq)]
pub struct Accelerator {
    pub kind: Kind,
    /// Every deadline of a guest is multiplied by it; 1 under KVM.
    pub scale: f64,
    /// Why it is this one.
    pub reason: String,
}

impl Accelerator {
    fn new(kind: Kind, reason: impl Into<String>) -> Accelerator {
        Accelerator {
            kind,
            scale: if kind == Kind::Kvm { 1.0 } else { TCG_SCALE },
            reason: reason.into(),
        }
    }

    /// QEMU's arguments.
    pub(super) fn args(&self) -> [&'static str; 4] {
        match self.kind {
            Kind::Kvm => ["-accel", "kvm", "-cpu", "host"],
            // Emulating the features of `max` costs more than it gives, and with
            // SVM a guest loads all of KVM.
            Kind::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "qemu64,-svm"],
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            Kind::Kvm => "KVM",
            Kind::Tcg => "TCG",
        };
        write!(
            f,
            "{name}, deadlines times {} ({})",
            self.scale, self.reason
        )
    }
}

/// KVM where it boots this kernel, else TCG; `HAPKG_ACCEL` decides where it is
/// set.
///
/// # Errors
/// `Environment`: QEMU is not installed, or `HAPKG_ACCEL` is neither.
pub fn choose(kernel: &Path, owner: &Owner) -> Result<Accelerator, Error> {
    let version = version()?;
    match std::env::var(SETTING).ok().as_deref() {
        None | Some("") => {}
        Some("kvm") => return Ok(Accelerator::new(Kind::Kvm, "HAPKG_ACCEL")),
        Some("tcg") => return Ok(Accelerator::new(Kind::Tcg, "HAPKG_ACCEL")),
        Some(other) => {
            return Err(Error::Environment(format!(
                "HAPKG_ACCEL is '{other}'; it may be kvm or tcg"
            )));
        }
    }
    let device = Path::new("/dev/kvm");
    if let Err(error) = fs::File::options().read(true).write(true).open(device) {
        return Ok(Accelerator::new(Kind::Tcg, format!("/dev/kvm: {error}")));
    }
    let remembered = cache_dir()?.join("accelerator");
    fs::create_dir_all(&remembered).map_err(|e| Error::io("making", &remembered, &e))?;
    let path = remembered.join(machine(&version, kernel));
    let known = fs::read_to_string(&path).unwrap_or_default();
    if let Some(known) = recalled(&known) {
        return Ok(known);
    }
    let found = probe(kernel, owner)?;
    let word = if found.kind == Kind::Kvm {
        "kvm"
    } else {
        "tcg"
    };
    let text = format!("{word} {}\n", found.reason);
    atomic::write(&path, text.as_bytes(), 0o644).map_err(|e| Error::Environment(e.to_string()))?;
    Ok(found)
}

fn recalled(text: &str) -> Option<Accelerator> {
    let (word, reason) = text.trim_end().split_once(' ')?;
    let kind = match word {
        "kvm" => Kind::Kvm,
        "tcg" => Kind::Tcg,
        _ => return None,
    };
    Some(Accelerator::new(kind, reason))
}

/// QEMU's version line.
///
/// # Errors
/// `Environment`: it is not installed.
pub fn version() -> Result<String, Error> {
    let name = "qemu-system-x86_64";
    let output = Command::new(name)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| Error::program(name, &e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// A name for this machine, its kernel, QEMU and the guest's kernel.
fn machine(version: &str, kernel: &Path) -> String {
    let mut parts = vec![version.to_owned(), kernel.display().to_string()];
    for path in ["/etc/machine-id", "/proc/version", "/proc/cpuinfo"] {
        let text = fs::read_to_string(path).unwrap_or_default();
        // The frequency changes from one look to the next.
        let model = text.lines().filter(|line| !line.starts_with("cpu MHz"));
        parts.extend(model.map(str::to_owned));
    }
    chroot::hash(&parts)
}

/// Boots the kernel under KVM, with nothing else, until it says its version.
fn probe(kernel: &Path, owner: &Owner) -> Result<Accelerator, Error> {
    let dir = owner.subdir("probe")?;
    let console = dir.join("console");
    let mut qemu = owner.spawn(
        Command::new("qemu-system-x86_64")
            .args([
                "-machine",
                "q35",
                "-m",
                "512",
                "-nodefaults",
                "-no-user-config",
            ])
            .args(Accelerator::new(Kind::Kvm, "").args())
            .args(["-display", "none", "-no-reboot", "-kernel"])
            .arg(kernel)
            .args([
                "-append",
                "console=ttyS0 earlyprintk=ttyS0 panic=-1",
                "-serial",
            ])
            .arg(format!("file:{}", console.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    let start = Instant::now();
    let booted = loop {
        let said = fs::read(&console).unwrap_or_default();
        if String::from_utf8_lossy(&said).contains("Linux version") {
            break true;
        }
        if start.elapsed() > PROBE || !matches!(qemu.try_wait(), Ok(None)) {
            break false;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let _ = qemu.kill();
    let _ = qemu.wait();
    let _ = fs::remove_dir_all(&dir);
    Ok(if booted {
        Accelerator::new(Kind::Kvm, "a kernel boots under it")
    } else {
        Accelerator::new(Kind::Tcg, "/dev/kvm exists but boots no kernel")
    })
}

#[cfg(test)]
mod tests {
    use super::{Accelerator, Kind, recalled};

    #[test]
    fn what_was_found_once_is_recalled() {
        let found = Accelerator::new(Kind::Tcg, "/dev/kvm exists but boots no kernel");
        assert_eq!(
            recalled("tcg /dev/kvm exists but boots no kernel\n"),
            Some(found.clone())
        );
        assert_eq!(recalled(""), None);
        assert_eq!(recalled("kv"), None);
        assert_eq!(
            found.to_string(),
            "TCG, deadlines times 5 (/dev/kvm exists but boots no kernel)"
        );
    }
}
