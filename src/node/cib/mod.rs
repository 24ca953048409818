//! The CIB of the running cluster: asked for, compared, merged, replaced.
//!
//! The whole document is replaced at once. It carries the version that it was
//! made from, and pacemaker refuses one that is older than its own: two nodes
//! that push at the same time do not undo each other's change.

mod merge;
mod tree;

use std::time::Duration;

use super::host::Host;
use super::problem::Failure;

pub use crate::cluster::Element;
pub use merge::{digest, is_current, merge, pushed_digest};

/// Exit code of pacemaker's tools for "older than the existing configuration".
const OLD: i32 = 103;

const PATIENCE: Duration = Duration::from_secs(30);

/// The design's CIB, which is well-formed by construction.
///
/// # Errors
/// It is not.
pub fn design(text: &str) -> Result<Element, Failure> {
    Element::parse(text).map_err(|error| {
        Failure::environment(
            format!("the designed CIB is no XML: {error}"),
            "this is a defect of ubuntu-ha; please report it".into(),
        )
    })
}

/// The live CIB; `None` where pacemaker does not answer, or not yet.
///
/// # Errors
/// cibadmin is missing, hangs, or its answer is no XML.
pub fn query(host: &Host) -> Result<Option<Element>, Failure> {
    let done = host.run("cibadmin", &["--query"], PATIENCE)?;
    if !done.success {
        return Ok(None);
    }
    Element::parse(&done.stdout).map(Some).map_err(|error| {
        Failure::environment(
            format!("the answer of cibadmin is not understood: {error}"),
            "run cibadmin --query and look at it".into(),
        )
    })
}

/// Replaces the live CIB; `false` when it has changed meanwhile.
///
/// # Errors
/// [`Failure::Failed`]: pacemaker refuses it.
pub fn push(host: &Host, document: &Element) -> Result<bool, Failure> {
    let args = ["--replace", "--xml-pipe"];
    let done = host.run_with("cibadmin", &args, document.text().as_bytes(), PATIENCE)?;
    if done.code == Some(OLD) {
        return Ok(false);
    }
    if done.success {
        return Ok(true);
    }
    Err(Failure::failed(
        format!("cibadmin refuses the configuration: {}", done.last_words()),
        "look at it with `ubuntu-ha plan`".into(),
    ))
}
