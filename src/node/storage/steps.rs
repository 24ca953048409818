//! Where the preparation tells how far it is.

use super::super::journal::Journal;
use super::super::problem::Failure;

/// The journal, or in tests what stops at a step.
pub trait Steps {
    /// The step has been carried out, and is not marked yet.
    fn point(&mut self, name: &str);
    /// # Errors
    /// The mark cannot be written.
    fn done(&mut self, name: &str) -> Result<(), Failure>;
}

impl Steps for Journal<'_> {
    fn point(&mut self, name: &str) {
        Journal::point(self, name);
    }

    fn done(&mut self, name: &str) -> Result<(), Failure> {
        Journal::done(self, name)
    }
}
