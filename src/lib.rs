//! hapkg turns one recipe of a high-availability role into packages, and
//! holds what the node program `ubuntu-ha` does with them.

#[cfg(feature = "packager")]
pub mod archive;
pub mod atomic;
#[cfg(feature = "packager")]
pub mod build;
#[cfg(feature = "packager")]
pub mod chroot;
#[cfg(feature = "packager")]
pub mod cli;
pub mod cluster;
#[cfg(feature = "packager")]
pub mod failure;
pub mod node;
pub mod recipe;
#[cfg(feature = "packager")]
pub mod render;
mod simulator;
#[cfg(feature = "packager")]
pub mod trial;
#[cfg(feature = "packager")]
pub mod vm;
