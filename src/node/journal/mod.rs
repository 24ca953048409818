//! The journal of a transaction: what was changed, so that it can be finished
//! or put back after a crash.
//!
//! It lies below `/var/lib/ubuntu-ha/journal`: `log` (see [`record`]), and the
//! former content of each file in `kept/NUMBER`. Every record is on disk before
//! what it announces is done. Once it is put back the log is called `undo`: a
//! new name needs no room on a disk that is full.

mod put_back;
mod record;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::host::Host;
use super::key::STATE_MODE;
use super::layout::reading;
use super::problem::Failure;
use crate::atomic;
use record::Record;

const LOG: &str = "log";
/// Name of the log from the first step of putting back on.
const UNDO: &str = "undo";

/// State of a systemd unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    /// Started at boot.
    pub enabled: bool,
    pub active: bool,
}

/// The journal of one `apply` or `join`, kept below `/var/lib/ubuntu-ha/journal`.
#[derive(Debug)]
pub struct Journal<'a> {
    host: &'a Host,
    log: File,
    records: Vec<Record>,
    undoing: bool,
}

impl<'a> Journal<'a> {
    /// The journal that an earlier run did not close; `None` where there is
    /// none.
    ///
    /// # Errors
    /// It cannot be read, or is damaged otherwise than at its end.
    pub fn open(host: &'a Host) -> Result<Option<Self>, Failure> {
        let undoing = fs::symlink_metadata(dir(host).join(UNDO)).is_ok();
        let path = dir(host).join(if undoing { UNDO } else { LOG });
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                sweep(host)?;
                return Ok(None);
            }
            Err(error) => return Err(reading(&path, &error)),
        };
        let (records, good) = record::read(&text).map_err(|line| {
            Failure::environment(
                format!("{}:{line}: is damaged", path.display()),
                format!(
                    "compare the files in {} with those in place, put right what has to be, \
                     then move {} away",
                    dir(host).join("kept").display(),
                    dir(host).display()
                ),
            )
        })?;
        if records.is_empty() || records.contains(&Record::End) {
            sweep(host)?;
            return Ok(None);
        }
        let log = OpenOptions::new().append(true).open(&path);
        let log = log.map_err(|e| writing(&path, &e))?;
        // What was torn must not run into the next record.
        log.set_len(good as u64).map_err(|e| writing(&path, &e))?;
        Ok(Some(Self {
            host,
            log,
            records,
            undoing,
        }))
    }

    /// Starts a transaction of `command`. There must be no open one.
    ///
    /// # Errors
    /// It cannot be written; then nothing is left of it.
    pub fn begin(host: &'a Host, command: &str) -> Result<Self, Failure> {
        let dir = dir(host);
        atomic::create_dir_all(&host.layout.state(), STATE_MODE)?;
        let started = atomic::create_dir_all(&dir.join("kept"), STATE_MODE)
            .map_err(Failure::from)
            .and_then(|()| {
                let text = format!("{}\n", record::HEAD);
                let path = dir.join(LOG);
                atomic::write(&path, text.as_bytes(), 0o600)?;
                let log = OpenOptions::new().append(true).open(&path);
                let mut journal = Self {
                    host,
                    log: log.map_err(|e| writing(&path, &e))?,
                    records: Vec::new(),
                    undoing: false,
                };
                journal.write(Record::Begin {
                    command: command.into(),
                })?;
                Ok(journal)
            });
        if started.is_err() {
            let _ = sweep(host);
        }
        started
    }

    /// The command whose transaction this is.
    pub fn command(&self) -> &str {
        let command = self.records.iter().find_map(|record| match record {
            Record::Begin { command } => Some(command.as_str()),
            _ => None,
        });
        command.unwrap_or("apply")
    }

    /// A place where a test may stop the program as SIGKILL would: when
    /// `UBUNTU_HA_STOP_AT` is `name` on a trial's host. Names every step to
    /// the user and the log too. In a trial `UBUNTU_HA_POINTS` is a file that
    /// collects the names.
    pub fn point(&mut self, name: &str) {
        point(self.host, name);
    }

    /// Keeps the present content, mode and owner of `path`, or that it is
    /// absent, before it is changed; once for each path. A symbolic link is
    /// followed.
    ///
    /// # Errors
    /// It cannot be read, or the copy cannot be written.
    pub fn keep(&mut self, path: &Path) -> Result<(), Failure> {
        let path = real(path);
        let text = path.to_string_lossy().into_owned();
        let known = self.records.iter().any(|record| match record {
            Record::Kept { path, .. } | Record::Absent { path } => *path == text,
            _ => false,
        });
        if known {
            return Ok(());
        }
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.write(Record::Absent { path: text });
            }
            Err(error) => return Err(reading(&path, &error)),
        };
        let data = fs::read(&path).map_err(|e| reading(&path, &e))?;
        let number = self.records.len() as u32;
        atomic::write(&kept(self.host, number), &data, 0o600)?;
        self.write(Record::Kept {
            number,
            path: text,
            mode: meta.permissions().mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
        })
    }

    /// Makes a directory and its missing parents with `mode`; they go again
    /// when the transaction is put back and nothing else is in them.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_dir(&mut self, path: &Path, mode: u32) -> Result<(), Failure> {
        let missing: Vec<PathBuf> = path
            .ancestors()
            .take_while(|dir| !dir.is_dir())
            .map(Path::to_path_buf)
            .collect();
        for dir in missing.iter().rev() {
            self.write(Record::Made {
                path: dir.to_string_lossy().into_owned(),
            })?;
            atomic::create_dir_all(dir, mode)?;
        }
        Ok(())
    }

    /// Writes `data` beside `path`, for [`Journal::set`] to put into place. A
    /// symbolic link is followed.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn stage(&mut self, path: &Path, data: &[u8], mode: u32) -> Result<PathBuf, Failure> {
        let staged = staged(&real(path));
        self.write(Record::Staged {
            path: staged.to_string_lossy().into_owned(),
        })?;
        atomic::write(&staged, data, mode)?;
        Ok(staged)
    }

    /// Puts what was staged into place, after keeping what is there.
    ///
    /// # Errors
    /// The present file cannot be kept, or not be replaced.
    pub fn set(&mut self, path: &Path) -> Result<(), Failure> {
        self.keep(path)?;
        let path = real(path);
        Ok(atomic::rename(&staged(&path), &path)?)
    }

    /// Keeps a file and removes it.
    ///
    /// # Errors
    /// It cannot be kept, or not be removed.
    pub fn remove(&mut self, path: &Path) -> Result<(), Failure> {
        self.keep(path)?;
        match fs::remove_file(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(writing(path, &error)),
        }
    }

    /// Notes a unit's state before it is changed; once for each unit.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn keep_unit(&mut self, unit: &Unit) -> Result<(), Failure> {
        if self.units().iter().any(|known| known.name == unit.name) {
            return Ok(());
        }
        self.write(Record::Unit {
            name: unit.name.clone(),
            enabled: unit.enabled,
            active: unit.active,
        })
    }

    /// The units whose state was noted, in that order.
    pub fn units(&self) -> Vec<Unit> {
        let units = self.records.iter().filter_map(|record| match record {
            Record::Unit {
                name,
                enabled,
                active,
            } => Some(Unit {
                name: name.clone(),
                enabled: *enabled,
                active: *active,
            }),
            _ => None,
        });
        units.collect()
    }

    /// Remembers something for a later run of this transaction.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn note(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        if self.noted(key) == Some(value) {
            return Ok(());
        }
        self.write(Record::Note {
            key: key.into(),
            value: value.into(),
        })
    }

    /// What was noted last.
    pub fn noted(&self, key: &str) -> Option<&str> {
        let mut notes = self.records.iter().rev();
        notes.find_map(|record| match record {
            Record::Note { key: known, value } if known == key => Some(value.as_str()),
            _ => None,
        })
    }

    /// Whether the step was finished in an earlier run of this transaction.
    pub fn is_done(&self, step: &str) -> bool {
        let done =
            |record: &Record| matches!(record, Record::Done { step: known } if known == step);
        self.records.iter().any(done)
    }

    /// Marks a step as finished, durably.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn done(&mut self, step: &str) -> Result<(), Failure> {
        if self.is_done(step) {
            return Ok(());
        }
        self.write(Record::Done { step: step.into() })
    }

    /// All files are in place: from here on a run that was stopped is finished,
    /// not put back, unless that was begun.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn commit(&mut self) -> Result<(), Failure> {
        if self.is_committed() {
            return Ok(());
        }
        self.write(Record::Commit)
    }

    /// Whether the run has to be finished.
    pub fn is_committed(&self) -> bool {
        self.records.contains(&Record::Commit) && !self.undoing
    }

    /// Putting back begins: from here on nothing but that is done with this
    /// transaction, whatever stops it.
    ///
    /// # Errors
    /// The log cannot be renamed.
    pub fn undo(&mut self) -> Result<(), Failure> {
        if !self.undoing {
            let dir = dir(self.host);
            atomic::rename(&dir.join(LOG), &dir.join(UNDO))?;
            self.undoing = true;
        }
        Ok(())
    }

    /// Whether an earlier run has begun to put it back.
    pub fn is_undoing(&self) -> bool {
        self.undoing
    }

    /// Ends the transaction: what was kept is forgotten.
    ///
    /// # Errors
    /// The journal cannot be written or removed.
    pub fn close(mut self) -> Result<(), Failure> {
        self.write(Record::End)?;
        sweep(self.host)
    }

    fn write(&mut self, record: Record) -> Result<(), Failure> {
        let line = record.line();
        let path = dir(self.host).join(if self.undoing { UNDO } else { LOG });
        let length = self.log.metadata().map_err(|e| reading(&path, &e))?.len();
        let written = self.log.write_all(line.as_bytes());
        if let Err(error) = written.and_then(|()| self.log.sync_all()) {
            // Half a record would hide the next one.
            let _ = self.log.set_len(length);
            return Err(writing(&path, &error));
        }
        self.records.push(record);
        Ok(())
    }

    fn paths(&self, of: impl Fn(&Record) -> Option<&String>) -> BTreeSet<PathBuf> {
        self.records
            .iter()
            .filter_map(of)
            .map(PathBuf::from)
            .collect()
    }
}

/// [`Journal::point`] where there is no journal.
pub fn point(host: &Host, name: &str) {
    eprintln!("ubuntu-ha: {name}");
    if !host.is_trial() {
        return;
    }
    let list = std::env::var_os("UBUNTU_HA_POINTS");
    let open = |path| OpenOptions::new().append(true).create(true).open(path).ok();
    if let Some(mut file) = list.and_then(open) {
        let _ = writeln!(file, "{name}");
    }
    if std::env::var_os("UBUNTU_HA_STOP_AT").is_some_and(|at| at == name) {
        let me = nix::unistd::Pid::this();
        let _ = nix::sys::signal::kill(me, nix::sys::signal::Signal::SIGKILL);
    }
}

/// The file itself: renaming would replace a symbolic link.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Where the new content of `path` waits: no program looks at it by this name.
fn staged(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.ubuntu-ha"))
}

fn dir(host: &Host) -> PathBuf {
    host.layout.state().join("journal")
}

fn kept(host: &Host, number: u32) -> PathBuf {
    dir(host).join("kept").join(number.to_string())
}

/// Removes a journal that is over, in one step: what was kept may not go while
/// a log asks for it.
fn sweep(host: &Host) -> Result<(), Failure> {
    let dir = dir(host);
    let over = dir.with_file_name("journal.over");
    remove_all(&over)?;
    if fs::symlink_metadata(&dir).is_ok() {
        atomic::rename(&dir, &over)?;
    }
    remove_all(&over)
}

fn remove_all(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(writing(path, &error)),
        _ => Ok(()),
    }
}

fn writing(path: &Path, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room first",
        io::ErrorKind::PermissionDenied => "run it as root",
        io::ErrorKind::ReadOnlyFilesystem => "mount the filesystem writable first",
        _ => "look at the file and its filesystem",
    };
    Failure::environment(
        format!("writing {}: {error}", path.display()),
        remedy.into(),
    )
}

#[cfg(test)]
mod tests;
