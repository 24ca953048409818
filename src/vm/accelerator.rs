//! What executes the guests' code. /dev/kvm may exist and yet run no kernel,
//! so a kernel is booted once, and the outcome remembered: that it boots for
//! ever, that it does not for a week.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::atomic;
use crate::chroot::{self, cache_dir};
use crate::vm::Error;
use crate::vm::owner::Owner;

/// Overrides the choice: `kvm` or `tcg`.
const SETTING: &str = "HAPKG_ACCEL";

/// A kernel says its version within a second under KVM.
const PROBE: Duration = Duration::from_secs(15);

/// For how long it is believed that no kernel boots: the host may have been
/// busy, or may be set up better.
const BELIEF: Duration = Duration::from_secs(7 * 24 * 60 * 60);

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
    let noted = path.metadata().and_then(|data| data.modified());
    let age = noted.ok().and_then(|noted| noted.elapsed().ok());
    if let Some(known) = recalled(&known, age.unwrap_or_default()) {
        return Ok(known);
    }
    let (found, lasts) = probe(kernel, owner)?;
    if !lasts {
        return Ok(found);
    }
    let word = if found.kind == Kind::Kvm {
        "kvm"
    } else {
        "tcg"
    };
    let text = format!("{word} {}\n", found.reason);
    atomic::write(&path, text.as_bytes(), 0o644).map_err(|e| Error::Environment(e.to_string()))?;
    Ok(found)
}

fn recalled(text: &str, age: Duration) -> Option<Accelerator> {
    let (word, reason) = text.trim_end().split_once(' ')?;
    let kind = match word {
        "kvm" => Kind::Kvm,
        "tcg" if age < BELIEF => Kind::Tcg,
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

/// What `-cpu host` makes of this machine: a template under KVM goes on only
/// where the processor is the same.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = ["vendor_id", "cpu family", "model", "stepping", "flags"];
    // All processors of a machine are taken for alike.
    let first = text.split("\n\n").next().unwrap_or_default().lines();
    let kept = first.filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        names.contains(&name.trim_end())
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// Boots the kernel under KVM, with nothing else, until it says its version;
/// and whether the outcome is to be remembered.
fn probe(kernel: &Path, owner: &Owner) -> Result<(Accelerator, bool), Error> {
    // Several threads may probe at once, each for an image of its own.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = owner.subdir(&format!("probe{number}"))?;
    let (console, errors) = (dir.join("console"), dir.join("stderr"));
    let stderr = fs::File::create(&errors).map_err(|e| Error::io("making", &errors, &e))?;
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
            .stderr(stderr),
    )?;
    let start = Instant::now();
    let (booted, ended) = loop {
        // Asked first: one that has ended says no more.
        let ended = !matches!(qemu.try_wait(), Ok(None));
        let said = fs::read(&console).unwrap_or_default();
        let booted = String::from_utf8_lossy(&said).contains("Linux version");
        if booted || ended || start.elapsed() > PROBE {
            break (booted, ended);
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let _ = qemu.kill();
    let _ = qemu.wait();
    let said = fs::read(&errors).unwrap_or_default();
    let _ = fs::remove_dir_all(&dir);
    Ok(judge(booted, ended, &String::from_utf8_lossy(&said)))
}

/// What a probe tells, and whether that is of KVM: a QEMU that ended for
/// another reason tells nothing of it.
fn judge(booted: bool, ended: bool, said: &str) -> (Accelerator, bool) {
    let tcg = |reason: String| Accelerator::new(Kind::Tcg, reason);
    if booted {
        return (Accelerator::new(Kind::Kvm, "a kernel boots under it"), true);
    }
    if !ended {
        return (tcg("/dev/kvm exists but boots no kernel".into()), true);
    }
    let of_kvm = (said.lines()).find(|line| line.to_lowercase().contains("kvm"));
    match of_kvm {
        Some(line) => (tcg(format!("/dev/kvm exists, but {line}")), true),
        None => {
            let last = said.trim_end().lines().last().unwrap_or("it said nothing");
            (
                tcg(format!("QEMU ended before it booted under KVM: {last}")),
                false,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Accelerator, BELIEF, Kind, judge, processor, recalled};

    #[test]
    fn what_was_found_once_is_recalled() {
        let found = Accelerator::new(Kind::Tcg, "/dev/kvm exists but boots no kernel");
        let (new, text) = (Duration::ZERO, "tcg /dev/kvm exists but boots no kernel\n");
        assert_eq!(recalled(text, new), Some(found.clone()));
        assert_eq!(recalled(text, BELIEF), None);
        assert!(recalled("kvm it boots\n", BELIEF).is_some());
        assert_eq!(recalled("", new), None);
        assert_eq!(recalled("kv", new), None);
        assert_eq!(
            found.to_string(),
            "TCG, deadlines times 5 (/dev/kvm exists but boots no kernel)"
        );
    }

    #[test]
    fn only_what_tells_of_kvm_is_remembered() {
        let judged = |booted, ended, said| {
            let (accelerator, lasts) = judge(booted, ended, said);
            (accelerator.kind, lasts)
        };
        assert_eq!(judged(true, true, ""), (Kind::Kvm, true));
        assert_eq!(judged(false, false, ""), (Kind::Tcg, true));
        let refused = "qemu-system-x86_64: failed to initialize kvm: Operation not permitted\n";
        assert_eq!(judged(false, true, refused), (Kind::Tcg, true));
        for passing in [
            "",
            "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory\n",
        ] {
            assert_eq!(judged(false, true, passing), (Kind::Tcg, false));
        }
        let (accelerator, _) = judge(false, true, refused);
        assert!(accelerator.reason.contains("Operation not permitted"));
    }

    #[test]
    fn a_processor_is_its_model_and_flags_and_no_frequency() {
        let processor = processor();
        assert!(processor.contains("flags"), "{processor}");
        assert!(!processor.contains("MHz"), "{processor}");
    }
}
