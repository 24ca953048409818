//! Where things lie on a host, and what they are about.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::problem::{Failure, Problem};
use crate::recipe::compiled::CompiledRole;
use crate::recipe::suggest;

/// What a file of answers is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The settings all roles share.
    Cluster,
    Role(String),
}

impl Subject {
    /// `cluster`, or a role's name.
    ///
    /// # Errors
    /// The word can be no role's name, so it never becomes part of a path.
    pub fn parse(word: &str) -> Result<Self, String> {
        if word == "cluster" {
            return Ok(Self::Cluster);
        }
        let fits = word.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
        if fits {
            return Ok(Self::Role(word.into()));
        }
        Err("a role's name has only lower-case letters, digits, `+`, `-` and `.`".into())
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Cluster => "cluster",
            Self::Role(name) => name,
        }
    }

    /// The package whose questions these are.
    pub fn package(&self) -> String {
        match self {
            Self::Cluster => "ubuntu-ha-node".into(),
            Self::Role(name) => format!("ubuntu-ha-{name}"),
        }
    }

    /// The command that asks the questions again.
    pub fn reconfigure(&self) -> String {
        format!("dpkg-reconfigure {}", self.package())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("the cluster"),
            Self::Role(name) => write!(f, "role {name}"),
        }
    }
}

/// The directories of one host, all below `root`: `/`, but in tests.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// `/`, but in tests.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path of the host, `/etc/corosync/corosync.conf` or without the slash.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What the program remembers between runs; mode 0700.
    pub fn state(&self) -> PathBuf {
        self.root.join("var/lib/ubuntu-ha")
    }

    pub fn etc(&self) -> PathBuf {
        self.root.join("etc/ubuntu-ha")
    }

    /// The administrator's answers.
    pub fn answers(&self, subject: &Subject) -> PathBuf {
        match subject {
            Subject::Cluster => self.etc().join("cluster.toml"),
            Subject::Role(name) => self.etc().join("roles").join(format!("{name}.toml")),
        }
    }

    /// The text of the administrator's answers; `None` where there is no file.
    ///
    /// # Errors
    /// The file is not UTF-8, or cannot be read.
    pub fn read_answers(&self, subject: &Subject) -> Result<Option<String>, Failure> {
        let path = self.answers(subject);
        match fs::read(&path) {
            Ok(data) => String::from_utf8(data).map(Some).map_err(|error| {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
                let message = "is not UTF-8; save the file in that encoding";
                Failure::Refused(vec![
                    Problem::new(subject, message).in_file(path, Some(line)),
                ])
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(reading(&path, &error)),
        }
    }

    pub fn all_secrets(&self) -> PathBuf {
        self.etc().join("secrets")
    }

    /// Directory with one file for each password.
    pub fn secrets(&self, subject: &Subject) -> PathBuf {
        self.all_secrets().join(subject.name())
    }

    fn share(&self) -> PathBuf {
        self.root.join("usr/share/ubuntu-ha")
    }

    fn compiled(&self, subject: &Subject) -> PathBuf {
        match subject {
            Subject::Cluster => self.share().join("node.toml"),
            Subject::Role(name) => self.share().join("roles").join(format!("{name}.toml")),
        }
    }

    /// What the installed package says of `subject`.
    ///
    /// # Errors
    /// No such role is installed, or the package's file is damaged.
    pub fn load(&self, subject: &Subject) -> Result<CompiledRole, Failure> {
        let path = self.compiled(subject);
        let repair = format!("apt-get install --reinstall {}", subject.package());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(match subject {
                    Subject::Cluster => {
                        Failure::environment(format!("{} is missing", path.display()), repair)
                    }
                    Subject::Role(name) => self.not_installed(name),
                });
            }
            Err(error) => return Err(reading(&path, &error)),
        };
        CompiledRole::from_toml(&text)
            .map_err(|e| Failure::environment(format!("{}: {e}", path.display()), repair))
    }

    fn not_installed(&self, name: &str) -> Failure {
        let known = self.installed().unwrap_or_default();
        let known: Vec<&str> = known.iter().map(Subject::name).collect();
        let remedy = match suggest::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("apt-get install ubuntu-ha-{name}"),
        };
        Failure::usage(format!("role {name} is not installed"), remedy)
    }

    /// The installed roles, sorted.
    ///
    /// # Errors
    /// The directory is there but cannot be read.
    pub fn installed(&self) -> Result<Vec<Subject>, Failure> {
        roles_in(&self.share().join("roles"))
    }

    /// The roles that have a file of answers, sorted.
    ///
    /// # Errors
    /// The directory is there but cannot be read.
    pub fn answered(&self) -> Result<Vec<Subject>, Failure> {
        roles_in(&self.etc().join("roles"))
    }
}

/// An I/O error as the environment's failure.
pub fn reading(path: &Path, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "run it as root",
        _ => "look at the file and its filesystem",
    };
    Failure::environment(
        format!("reading {}: {error}", path.display()),
        remedy.into(),
    )
}

fn roles_in(dir: &Path) -> Result<Vec<Subject>, Failure> {
    let mut roles: Vec<Subject> = entries(dir)?
        .into_iter()
        .filter_map(|name| Subject::parse(name.strip_suffix(".toml")?).ok())
        .filter(|subject| *subject != Subject::Cluster)
        .collect();
    roles.sort();
    Ok(roles)
}

/// Names in a directory, sorted; none where there is no directory.
///
/// # Errors
/// The directory is there but cannot be read.
pub fn entries(dir: &Path) -> Result<Vec<String>, Failure> {
    let list = match fs::read_dir(dir) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(reading(dir, &error)),
    };
    let mut names = Vec::new();
    for entry in list {
        let entry = entry.map_err(|e| reading(dir, &e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_leads_out_of_the_directories() {
        for word in ["", "..", "../x", "a/b", "-x", "Vip", "a b", ".vip"] {
            assert!(Subject::parse(word).is_err(), "{word}");
        }
        assert_eq!(Subject::parse("cluster").unwrap(), Subject::Cluster);
        assert_eq!(Subject::parse("vip").unwrap(), Subject::Role("vip".into()));
    }
}
