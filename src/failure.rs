//! Why a command of `hapkg` did not succeed, in terms of its exit code.

use std::io::IsTerminal;

use crate::recipe::Problems;

/// A command's end other than success.
#[derive(Debug)]
pub enum Failure {
    /// Recipes have errors, a set for each file: exit 1.
    Recipes(Vec<Problems>),
    /// The answer is no, and why: exit 1. An empty text was told already.
    No(String),
    /// The command was used wrongly: exit 2.
    Usage(String),
    /// A tool, the disk or the network failed: exit 3.
    Environment(String),
}

impl Failure {
    pub fn no(text: impl Into<String>) -> Self {
        Self::No(text.into())
    }

    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub fn environment(text: impl Into<String>) -> Self {
        Self::Environment(text.into())
    }

    /// 1, 2 or 3.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Recipes(_) | Self::No(_) => 1,
            Self::Usage(_) => 2,
            Self::Environment(_) => 3,
        }
    }

    /// Writes the reason to stderr.
    pub fn tell(&self) {
        match self {
            Self::Recipes(files) => {
                let colour = std::io::stderr().is_terminal();
                for problems in files {
                    eprint!("{}", problems.render(colour));
                }
            }
            Self::No(text) if text.is_empty() => {}
            Self::No(text) => eprintln!("hapkg: {text}"),
            Self::Usage(text) => eprintln!("hapkg: {text}\nTry 'hapkg --help'."),
            Self::Environment(text) => eprintln!("hapkg: environment failure: {text}"),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Recipes(vec![problems])
    }
}

impl From<crate::archive::Error> for Failure {
    fn from(error: crate::archive::Error) -> Self {
        Self::Environment(error.to_string())
    }
}

impl From<crate::atomic::Error> for Failure {
    fn from(error: crate::atomic::Error) -> Self {
        Self::Environment(error.to_string())
    }
}

impl From<crate::chroot::Error> for Failure {
    fn from(error: crate::chroot::Error) -> Self {
        use crate::chroot::Error;
        match error {
            Error::Environment(text) => Self::Environment(text),
            Error::Failed(text) => Self::No(text),
        }
    }
}

impl From<crate::vm::Error> for Failure {
    fn from(error: crate::vm::Error) -> Self {
        use crate::vm::Error;
        match error {
            Error::Environment(text) => Self::Environment(text),
            Error::Guest(text) | Error::Timeout(text) | Error::Off(text) => Self::No(text),
        }
    }
}
