//! The one error type of the crate.

use std::fmt;
use std::io;

/// Why something could not be written or read.
#[derive(Debug)]
pub enum Error {
    /// A field's name or value may not stand in a paragraph.
    Field { name: String, reason: String },
    /// A path may not stand in a [`Tree`](crate::Tree) or an archive.
    Path { path: String, reason: String },
    /// Control data that does not follow deb822(5). Lines count from 1.
    Syntax { line: usize, reason: String },
    /// An archive or file that is damaged or of an unknown format.
    Format { what: String, reason: String },
    /// Reading on would need more than the caller's limit, in bytes.
    Limit { what: String, limit: u64 },
    /// The caller's reader or writer failed.
    Io(io::Error),
}

/// Result with this crate's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn field(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field {
            name: name.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn path(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Path {
            path: path.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn format(what: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Format {
            what: what.into(),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { name, reason } => write!(f, "field {name:?}: {reason}"),
            Self::Path { path, reason } => write!(f, "path {path:?}: {reason}"),
            Self::Syntax { line, reason } => write!(f, "control data, line {line}: {reason}"),
            Self::Format { what, reason } => write!(f, "{what}: {reason}"),
            Self::Limit { what, limit } => write!(
                f,
                "{what}: holds more than the limit of {limit} bytes; raise the limit if it is to be trusted"
            ),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
