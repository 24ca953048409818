//! Virtual machines for trials: images, machines, and clusters of them that
//! fork from a template within a second.

pub mod accelerator;
pub mod bmc;
pub mod cache;
pub mod client;
pub mod error;
pub mod image;
pub mod machine;
pub mod owner;
pub mod qmp;
pub mod shell;
pub mod switch;
pub mod template;

pub use error::Error;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, also after a panic of another holder: what these guard is
/// whole at every moment.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
