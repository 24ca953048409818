//! What the program `ubuntu-ha` does on a host.

pub mod cli;
#[cfg(feature = "packager")]
pub mod man;

mod apply;
mod check;
mod cib;
mod configure;
mod cross;
mod guard;
mod host;
mod ids;
mod join;
mod journal;
mod json;
mod key;
mod layout;
mod leave;
mod live;
mod loaded;
mod maintain;
mod members;
mod plan;
mod platform;
mod problem;
mod scheduler;
mod secrets;
mod settings;
mod setup;
mod status;
mod storage;
mod token;
