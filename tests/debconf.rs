//! The debconf side of a package, held against Debian's own tools.

#[path = "debconf/tools.rs"]
mod tools;

#[path = "debconf/files.rs"]
mod files;
