//! Recipes in, packages and an apt repository out.

pub mod chroot;
