//! Builds, checks and documents packages of high-availability roles.

use std::process::ExitCode;

fn main() -> ExitCode {
    hapkg::cli::run(std::env::args_os())
}
