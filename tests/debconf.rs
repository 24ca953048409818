//! The debconf side of a package, held against Debian's own tools.

#[path = "debconf/answers.rs"]
mod answers;
#[path = "debconf/session.rs"]
mod session;
#[path = "debconf/tools.rs"]
mod tools;

#[path = "debconf/asking.rs"]
mod asking;
#[path = "debconf/files.rs"]
mod files;
#[path = "debconf/handing.rs"]
mod handing;
#[path = "debconf/judging.rs"]
mod judging;
#[path = "debconf/lint.rs"]
mod lint;
