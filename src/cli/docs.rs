//! `hapkg schema`, `hapkg man`, `hapkg completions`.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::print;
use crate::failure::Failure;

/// Print the JSON schema of recipes.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {}

/// Write the man pages of hapkg and its commands.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Directory to write them into.
    #[arg(value_name = "DIR")]
    out: PathBuf,
}

/// Print a completion script.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell it is for.
    shell: Shell,
}

pub fn schema(_: &SchemaArgs) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&crate::recipe::schema())
        .map_err(|e| Failure::environment(format!("writing the schema: {e}")))?;
    print(&format!("{text}\n"))
}

pub fn man(args: &ManArgs, command: &clap::Command) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.out)
        .map_err(|e| Failure::environment(format!("making {}: {e}", args.out.display())))?;
    page(&args.out, command, "hapkg")?;
    for sub in command.get_subcommands() {
        page(&args.out, sub, &format!("hapkg-{}", sub.get_name()))?;
    }
    Ok(())
}

fn page(dir: &Path, command: &clap::Command, name: &str) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .date("")
        .render(&mut text)
        .map_err(|e| Failure::environment(format!("writing {name}.1: {e}")))?;
    crate::atomic::write(&dir.join(format!("{name}.1")), &text, 0o644)?;
    Ok(())
}

pub fn completions(args: &CompletionsArgs, command: &mut clap::Command) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, command, "hapkg", &mut text);
    print(&String::from_utf8_lossy(&text))
}
