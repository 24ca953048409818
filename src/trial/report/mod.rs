//! The report of a run of trials: for the terminal, for CI, for other
//! programs, and a page for people.

mod html;
mod join;
mod json;
mod junit;
pub(in crate::trial) mod millis;
mod model;
mod outage;
mod summary;
mod svg;

use std::path::{Path, PathBuf};

use crate::atomic;

pub use join::join;
pub use model::{
    Attachment, Floor, Group, Held, Package, RecordCount, Report, Span, StepDone, Stopped, Stretch,
    Trial, Verdict, few,
};
pub use outage::{Figures, Outage, longest, outages, spans};
pub use summary::{line, summary};

/// Reads `report.json` of `directory`; `None` where there is none.
///
/// # Errors
/// It cannot be read or is no report, in words.
pub fn read(directory: &Path) -> Result<Option<Report>, String> {
    let path = directory.join("report.json");
    let told = |why: String| format!("{}: {why}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => json::read(&text).map(Some).map_err(told),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(told(error.to_string())),
    }
}

/// Writes `report.json`, `junit.xml` and `index.html` into `directory`, each
/// whole or not at all.
///
/// # Errors
/// The disk.
pub fn write(report: &Report, directory: &Path) -> Result<Vec<PathBuf>, atomic::Error> {
    atomic::create_dir_all(directory, 0o755)?;
    let files = [
        ("report.json", json::json(report)),
        ("junit.xml", junit::junit(report)),
        ("index.html", html::page(report)),
    ];
    let mut written = Vec::new();
    for (name, text) in files {
        let path = directory.join(name);
        atomic::write(&path, text.as_bytes(), 0o644)?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
pub mod sample;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_written_and_nothing_beside_them() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path().join("dist/report");
        let written = write(&sample::report(), &into).unwrap();
        let mut there: Vec<PathBuf> = (std::fs::read_dir(&into).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect();
        there.sort();
        let mut written = written;
        written.sort();
        assert_eq!(there, written);
    }
}
