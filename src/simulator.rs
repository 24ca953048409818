//! Runs `crm_simulate` (8) in a private directory. It needs no cluster, no
//! root and no daemon, and writes nothing elsewhere.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cluster::simulate::{Simulator, common_options};

/// The program and a directory for its files, which goes when this does.
#[derive(Debug)]
pub struct CrmSimulate {
    program: PathBuf,
    dir: PathBuf,
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

impl CrmSimulate {
    /// Makes the directory below the system's temporary one, mode 0700.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(program: &Path) -> io::Result<Self> {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("ubuntu-ha-simulation-{}-{serial}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self {
            program: program.to_path_buf(),
            dir,
        })
    }

    /// Where PATH, or the directories of administration programs, have it.
    #[cfg(feature = "packager")]
    pub fn find() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]);
        dirs.map(|dir| dir.join("crm_simulate"))
            .find(|path| path.is_file())
    }
}

impl Drop for CrmSimulate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Simulator for CrmSimulate {
    type Error = String;

    fn simulate(&mut self, cib: &str, options: &[String]) -> Result<(String, String), String> {
        let (before, after) = (self.dir.join("before.xml"), self.dir.join("after.xml"));
        let about = |what: &str, e: io::Error| format!("{what}: {e}");
        fs::write(&before, cib).map_err(|e| about("writing the simulated CIB", e))?;
        let done = Command::new(&self.program)
            .args(common_options())
            .arg("--xml-file")
            .arg(&before)
            .arg("--save-output")
            .arg(&after)
            .args(options)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .map_err(|e| about("starting crm_simulate", e))?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            let last = said.lines().chain(text.lines()).next_back();
            return Err(format!(
                "crm_simulate: {}",
                last.unwrap_or("it said nothing")
            ));
        }
        let cib =
            fs::read_to_string(&after).map_err(|e| about("reading what crm_simulate left", e))?;
        Ok((text, cib))
    }
}
