//! `cargo xtask tutorial`: what README's "Write a role" tells a newcomer to
//! type, as it stands there, in a fresh directory.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::host::{fresh_dir, root, say};
use crate::report::{Outcome, Report};
use crate::stop::{During, Stop};
use crate::{setup, world};

const SECTION: &str = "## Write a role\n";
const PROMPT: &str = "    $ ";

/// Runs each command until one fails; the last line says how many passed.
///
/// # Errors
/// `Environment`: a command said so; `Failed`: README has no such section.
pub fn run() -> Result<ExitCode, Stop> {
    setup::tests()?;
    let hapkg = world::release_hapkg()?;
    let place = root().join("target/xtask/tutorial");
    fresh_dir(&place)?;
    for dir in ["recipes", "vm-tests"] {
        world::copy(&root().join(dir), &place.join(dir))?;
    }
    let readme = fs::read_to_string(root().join("README.md")).during("reading README.md")?;
    let commands = commands(&readme);
    if commands.is_empty() {
        return Err(Stop::failed("README.md has no commands in that section"));
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let bin = hapkg.parent().map(Path::to_path_buf);
    let path = std::env::join_paths(bin.into_iter().chain(std::env::split_paths(&paths)))
        .map_err(|e| Stop::environment(format!("PATH: {e}")))?;
    let mut report = Report::default();
    for text in commands {
        say(&format!("$ {text}"));
        let start = Instant::now();
        let status = Command::new("sh")
            .args(["-c", text])
            .current_dir(&place)
            .env("PATH", &path)
            .status()
            .during("running sh")?;
        if status.code() == Some(3) {
            return Err(Stop::environment(format!("{text}: nothing is known")));
        }
        let outcome = match status.success() {
            true => Outcome::Passed(1),
            false => Outcome::Failed(status.to_string()),
        };
        let failed = !status.success();
        report.add(&format!("tutorial/{text}"), start.elapsed(), outcome);
        if failed {
            break;
        }
    }
    println!("{}", report.closing_line());
    Ok(ExitCode::from(u8::from(report.failed() > 0)))
}

/// The section's commands, without what is said of them.
fn commands(readme: &str) -> Vec<&str> {
    let Some((_, rest)) = readme.split_once(SECTION) else {
        return Vec::new();
    };
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let lines = section.lines().filter_map(|line| line.strip_prefix(PROMPT));
    lines
        .map(|line| line.split(" # ").next().unwrap_or(line).trim())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::commands;
    use crate::host::root;

    #[test]
    fn the_tutorial_goes_from_a_new_role_to_its_trials() {
        let readme = fs::read_to_string(root().join("README.md")).unwrap();
        let commands = commands(&readme);
        assert_eq!(commands.first(), Some(&"hapkg new web"));
        assert!(commands.last().unwrap().starts_with("hapkg test web"));
        assert!(commands.iter().all(|command| !command.contains('#')));
    }
}
