//! What the program `ubuntu-ha` does on a host.

pub mod cli;
#[cfg(feature = "packager")]
pub mod man;

mod check;
mod configure;
mod cross;
mod json;
mod layout;
mod problem;
mod secrets;
mod settings;
