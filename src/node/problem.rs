//! What can be wrong on a host, and how a command ends because of it.

use std::fmt;
use std::path::PathBuf;

use super::layout::Subject;

/// One thing to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub subject: Subject,
    pub file: Option<PathBuf>,
    /// Line of the file, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The command that puts it right, where there is one.
    pub command: Option<String>,
}

impl Problem {
    pub fn new(subject: &Subject, message: impl Into<String>) -> Self {
        Self {
            subject: subject.clone(),
            file: None,
            line: None,
            message: message.into(),
            command: None,
        }
    }

    pub fn in_file(mut self, file: PathBuf, line: Option<usize>) -> Self {
        self.file = Some(file);
        self.line = line;
        self
    }

    pub fn mend_by(mut self, command: String) -> Self {
        self.command = Some(command);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The answers are incomplete or invalid: exit 1.
    Refused(Vec<Problem>),
    /// The command was used wrongly: exit 2.
    Usage { message: String, remedy: String },
    /// It was tried, did not succeed, and was put back as far as it can be:
    /// exit 1.
    Failed { message: String, remedy: String },
    /// A file could not be read or written, a program is missing: exit 3.
    Environment { message: String, remedy: String },
}

impl Failure {
    pub fn usage(message: String, remedy: String) -> Self {
        Self::Usage { message, remedy }
    }

    pub fn failed(message: String, remedy: String) -> Self {
        Self::Failed { message, remedy }
    }

    pub fn environment(message: String, remedy: String) -> Self {
        Self::Environment { message, remedy }
    }

    /// What is wrong, on one line.
    pub fn message(&self) -> String {
        match self {
            Self::Refused(problems) => {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                problems.join("; ")
            }
            Self::Usage { message, .. }
            | Self::Failed { message, .. }
            | Self::Environment { message, .. } => message.clone(),
        }
    }

    /// 1, 2 or 3.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Failed { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Environment { .. } => 3,
        }
    }
}

impl From<crate::atomic::Error> for Failure {
    fn from(error: crate::atomic::Error) -> Self {
        Self::environment(
            error.to_string(),
            "put that right, then run the command again".into(),
        )
    }
}
