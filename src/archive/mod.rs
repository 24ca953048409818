//! Does a suite's real archive satisfy what a role's package asks for?
//!
//! apt's own solver answers, on the suite's own index in a private root: no
//! package of this machine takes part, and nothing is installed.

mod root;
mod solve;

pub use root::{Error, PrivateRoot};
pub use solve::{Candidate, Finding, Verdict, check};
