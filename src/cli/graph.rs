//! `hapkg graph`.

use std::path::Path;

use super::print;
use crate::build;
use crate::cluster::graph;
use crate::failure::Failure;
use crate::recipe::compiled::CompiledRole;

/// Draw a role's resources and constraints as SVG.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of a role, or path of its recipe.
    #[arg(value_name = "RECIPE")]
    role: String,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    let surroundings = build::context(recipes)?;
    let paths = build::find(std::slice::from_ref(&args.role), recipes)?;
    for one in build::load(&paths, &surroundings)? {
        if one.recipe.resource.is_empty() {
            return Err(Failure::no(format!(
                "{}: the recipe has no [[resource]] to draw",
                one.path.display()
            )));
        }
        print(&graph::svg(&CompiledRole::from(&one.recipe)))?;
    }
    Ok(())
}
