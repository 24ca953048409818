//! Why a step ended early, in terms of the exit code.

use std::fmt::{self, Display};

use hapkg::chroot;
use hapkg::failure::Failure;

/// The end of a step other than success.
#[derive(Debug)]
pub enum Stop {
    /// What was tested is wrong: exit 1.
    Failed(String),
    /// A tool, the network, the disk or a privilege is missing: exit 3.
    Environment(String),
}

impl Stop {
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    pub fn environment(text: impl Into<String>) -> Self {
        Self::Environment(text.into())
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Environment(_) => 3,
        }
    }

    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Environment(_))
    }
}

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => f.write_str(text),
            Self::Environment(text) => write!(f, "environment failure: {text}"),
        }
    }
}

impl From<chroot::Error> for Stop {
    fn from(error: chroot::Error) -> Self {
        match error {
            chroot::Error::Environment(text) => Self::Environment(text),
            chroot::Error::Failed(text) => Self::Failed(text),
        }
    }
}

/// hapkg's own files are what is tested, and this crate calls it rightly.
impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Recipes(files) => Self::Failed(
                files
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            Failure::No(text) | Failure::Usage(text) => Self::Failed(text),
            Failure::Environment(text) => Self::Environment(text),
        }
    }
}

/// Adds what was being done to an I/O error; the disk is the environment.
pub trait During<T> {
    fn during(self, what: impl Display) -> Result<T, Stop>;
}

impl<T> During<T> for std::io::Result<T> {
    fn during(self, what: impl Display) -> Result<T, Stop> {
        self.map_err(|e| Stop::Environment(format!("{what}: {e}")))
    }
}
