//! The faults that happen inside a guest, as shell; a world runs it there.

use crate::trial::scenario::{Fault, quote};

/// Where a full disk's ballast lies, below the path that is filled.
const BALLAST: &str = ".hapkg-ballast";

/// Where the stub services read their modes.
const MODES: &str = "/etc/eucalyptus-stub";

/// The shell that makes the fault; `None`: it is not made in the guest.
pub fn inject(fault: &Fault<String>) -> Option<String> {
    Some(match fault {
        Fault::Kill {
            process, signal, ..
        } => format!("pkill -{signal} -x -- {}", comm(process)),
        Fault::DiskFull { path, .. } => {
            let file = quote(&format!("{}/{BALLAST}", path.trim_end_matches('/')));
            // All that is free, also what is kept for root; fallocate alone
            // may leave a little.
            format!(
                "free=$(stat -f -c '%f * %S' {path}) && \
                 fallocate -l $(($free)) {file}; \
                 dd if=/dev/zero bs=4k oflag=append conv=notrunc >>{file} 2>/dev/null; true",
                path = quote(path)
            )
        }
        // The device is pulled: what is under way fails, and what comes.
        Fault::DiskError { disk, .. } => format!(
            "disk=$(readlink -f /dev/disk/by-id/virtio-{disk}) && \
             echo 1 >\"/sys/block/${{disk##*/}}/device/../remove\""
        ),
        Fault::ClockJump { by, .. } => jump(*by),
        Fault::Misbehave { mode, value, .. } => format!(
            "mkdir -p {MODES} && printf '%s\\n' {} >{MODES}/{}",
            quote(value),
            quote(mode)
        ),
        _ => return None,
    })
}

/// The shell that ends it.
pub fn heal(fault: &Fault<String>) -> Option<String> {
    Some(match fault {
        Fault::DiskFull { path, .. } => {
            let file = quote(&format!("{}/{BALLAST}", path.trim_end_matches('/')));
            format!("rm -f {file}")
        }
        Fault::DiskError { .. } => "echo 1 >/sys/bus/pci/rescan; udevadm settle".into(),
        Fault::ClockJump { by, .. } => jump(-by),
        Fault::Misbehave { mode, .. } => format!("rm -f {MODES}/{}", quote(mode)),
        _ => return None,
    })
}

/// The kernel cuts names of processes after 15 bytes.
fn comm(process: &str) -> String {
    quote(&process[..process.len().min(15)])
}

fn jump(by: i64) -> String {
    let (sign, all) = if by < 0 { ('-', -by) } else { ('+', by) };
    let (seconds, rest) = (all / 1000, all % 1000);
    // The epoch with nanoseconds, moved.
    format!(
        "date -s \"@$(date +%s.%N | awk '{{printf \"%.3f\", $1 {sign} {seconds}.{rest:03}}}')\" >/dev/null"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_as_the_kernel_cuts_it() {
        let fault = Fault::Kill {
            node: "alpha".into(),
            process: "pacemaker-controld".into(),
            signal: "KILL".into(),
        };
        assert_eq!(
            inject(&fault).unwrap(),
            "pkill -KILL -x -- 'pacemaker-contr'"
        );
        assert_eq!(heal(&fault), None);
    }

    #[test]
    fn a_mode_is_a_file_and_gone_again() {
        let fault = Fault::Misbehave {
            node: "alpha".into(),
            mode: "slow".into(),
            value: "120".into(),
        };
        let shell = inject(&fault).unwrap();
        assert!(shell.ends_with(">/etc/eucalyptus-stub/'slow'"), "{shell}");
        assert_eq!(heal(&fault).unwrap(), "rm -f /etc/eucalyptus-stub/'slow'");
    }

    /// The arithmetic, run by the host's own shell.
    #[test]
    fn a_jump_is_computed_by_the_shell() {
        let fault = Fault::ClockJump {
            node: "alpha".into(),
            by: -3_600_500,
        };
        let shell = inject(&fault).unwrap();
        let shell = shell.replace("date +%s.%N", "echo 1700000000.750000000");
        let shell = shell.replace("date -s", "echo").replace(">/dev/null", "");
        let out = std::process::Command::new("sh")
            .args(["-c", &shell])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&out.stdout).trim(),
            "@1699996400.250"
        );
    }

    #[test]
    fn a_disk_is_filled_and_emptied_by_the_shell() {
        let place = tempfile::tempdir().unwrap();
        let fault = Fault::DiskFull {
            node: "alpha".into(),
            path: place.path().display().to_string(),
        };
        // As if little were free, and no endless dd.
        let shell = inject(&fault).unwrap();
        let shell = shell.replace("if=/dev/zero", "if=/dev/null");
        let shell = format!("stat() {{ echo '26 * 4096'; }}\n{shell}");
        let sh = |shell: &str| {
            std::process::Command::new("sh")
                .args(["-c", shell])
                .status()
        };
        assert!(sh(&shell).unwrap().success());
        let file = place.path().join(BALLAST);
        assert_eq!(file.metadata().unwrap().len(), 26 * 4096);
        assert!(sh(&heal(&fault).unwrap()).unwrap().success());
        assert!(!file.exists());
    }
}
