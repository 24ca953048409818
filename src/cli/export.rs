//! `hapkg export`: a role's answers in the form another tool reads.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::print;
use crate::build;
use crate::failure::Failure;
use crate::render::installer;

/// Write a role's answers in the form an installer reads.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to write.
    format: Format,
    /// Name of a role, or path of its recipe.
    role: String,
    /// File with a table `[cluster]` and a table `[role]` of answers.
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Preseed lines for the Debian installer and for debconf-set-selections.
    Preseed,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    let surroundings = build::context(recipes)?;
    let paths = build::find(std::slice::from_ref(&args.role), recipes)?;
    let loaded = build::load(&paths, &surroundings)?;
    let answers = build::answers(&args.answers)?;
    for one in &loaded {
        build::validate(&args.answers, &answers, &one.recipe, surroundings.node())?;
        let text = match args.format {
            Format::Preseed => {
                let node = Some((surroundings.node(), &answers.cluster));
                installer::preseed(&one.recipe, &answers.role, node)
                    .map_err(|e| Failure::no(format!("{}: {e}", args.answers.display())))?
            }
        };
        print(&text)?;
    }
    Ok(())
}
