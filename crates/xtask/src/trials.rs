//! The chroot tests, one subject a file.

pub mod agents;
pub mod build;
pub mod clean;
pub mod cluster;
pub mod frontend;
pub mod lifecycle;
pub mod lint;
pub mod preseed;
pub mod reproduce;
pub mod scripts;
pub mod solver;
pub mod tasks;
pub mod upgrade;

mod answers;
mod metadata;
mod simulate;
mod snapshot;
