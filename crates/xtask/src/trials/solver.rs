//! The archive check: every dependency resolves in the suite's real index.

use std::process::Command;

use crate::case::Case;
use crate::host::{output, root};
use crate::stop::Stop;

/// `hapkg check --archive --suite S`.
pub fn archive(case: &Case) -> Result<(), Stop> {
    let done = output(Command::new(&case.world.hapkg).current_dir(root()).args([
        "check",
        "--archive",
        "--suite",
        case.suite.name,
    ]))?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    case.note(&text);
    match done.status.code() {
        Some(0) => Ok(()),
        Some(3) => Err(Stop::environment(text)),
        _ => Err(Stop::failed(text)),
    }
}
