//! `hapkg new`.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Write a commented recipe to start from.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the role.
    name: String,
    /// File to write [default: RECIPES/NAME.toml].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    let path = match &args.out {
        Some(path) => path.clone(),
        None => recipes.join(format!("{}.toml", args.name)),
    };
    if path.exists() {
        return Err(Failure::no(format!(
            "{} exists already; choose another name or --out FILE",
            path.display()
        )));
    }
    let text = crate::recipe::new_recipe(&args.name);
    let context = crate::build::context(recipes)?;
    crate::recipe::parse(&path.display().to_string(), &text, &context.as_context())?;
    crate::atomic::write(&path, text.as_bytes(), 0o644)?;
    super::print(&format!("{}\n", path.display()))
}
