//! Recipes in, packages and an apt repository out.

pub mod chroot;
pub mod node_build;
pub mod node_source;
pub mod store;
