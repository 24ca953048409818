//! `hapkg new`.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::recipe::date::Date;

const ANSWERS: &str = include_str!("new/answers.toml");
const TRIALS: &str = include_str!("new/trials.toml");

/// Write a commented recipe to start from.
///
/// Beside it, its example answers (RECIPES/answers/NAME.toml), and where there
/// are scenarios what its trials need (roles/NAME.toml below them), so that
/// build, plan and test work at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the role.
    name: String,
    /// Write the recipe alone, to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Directory that holds the scenarios [default: vm-tests beside RECIPES].
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
}

pub fn run(args: &Args, recipes: &Path) -> Result<(), Failure> {
    let name = &args.name;
    let file = format!("{name}.toml");
    let path = match &args.out {
        Some(path) => path.clone(),
        None => recipes.join(&file),
    };
    let text = crate::recipe::new_recipe(name, now()?);
    let mut files = vec![(path, text.clone())];
    if args.out.is_none() {
        let answers = recipes.join("answers").join(&file);
        files.push((answers, ANSWERS.replace("NAME", name)));
        let scenarios = args.scenarios.clone();
        let scenarios = scenarios.unwrap_or_else(|| recipes.with_file_name("vm-tests"));
        if scenarios.is_dir() {
            let trials = scenarios.join("roles").join(&file);
            files.push((trials, TRIALS.replace("NAME", name)));
        }
    }
    if let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(Failure::no(format!(
            "{} exists already; choose another name or --out FILE",
            path.display()
        )));
    }
    let context = crate::build::context(recipes)?;
    crate::recipe::parse(
        &files[0].0.display().to_string(),
        &text,
        &context.as_context(),
    )?;
    let mut said = String::new();
    for (path, text) in &files {
        if let Some(directory) = path.parent() {
            crate::atomic::create_dir_all(directory, 0o755)?;
        }
        crate::atomic::write(path, text.as_bytes(), 0o644)?;
        said.push_str(&format!("{}\n", path.display()));
    }
    super::print(&said)
}

/// The present, or what SOURCE_DATE_EPOCH takes for it.
fn now() -> Result<Date, Failure> {
    let seconds = match std::env::var_os("SOURCE_DATE_EPOCH") {
        Some(text) => text.to_str().and_then(|text| text.parse().ok()),
        None => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_secs()).ok()),
    };
    let seconds = seconds.ok_or_else(|| {
        Failure::usage("SOURCE_DATE_EPOCH is no time; set it to seconds since 1970 or unset it")
    })?;
    Ok(Date { seconds, offset: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::answer::validate;
    use crate::recipe::{Context, parse};
    use crate::trial::scenario::load_profile;

    fn args(name: &str) -> Args {
        Args {
            name: name.into(),
            out: None,
            scenarios: None,
        }
    }

    #[test]
    fn a_new_role_has_all_that_build_and_test_read() {
        let place = tempfile::tempdir().unwrap();
        let recipes = place.path().join("recipes");
        let scenarios = place.path().join("vm-tests");
        std::fs::create_dir_all(recipes.join("support")).unwrap();
        std::fs::create_dir_all(&scenarios).unwrap();
        std::fs::copy(
            "recipes/support/node.toml",
            recipes.join("support/node.toml"),
        )
        .unwrap();
        run(&args("web"), &recipes).unwrap();

        let node = std::fs::read_to_string("recipes/support/node.toml").unwrap();
        let node = parse("node.toml", &node, &Context::default()).unwrap();
        let context = Context { node: Some(&node) };
        let recipe = std::fs::read_to_string(recipes.join("web.toml")).unwrap();
        let recipe = parse("web.toml", &recipe, &context).unwrap();
        let answers = crate::build::answers(&recipes.join("answers/web.toml")).unwrap();
        validate(&node.question, &answers.cluster).unwrap();
        validate(&recipe.question, &answers.role).unwrap();
        let profile = load_profile(&scenarios.join("roles/web.toml")).unwrap();
        assert_eq!(profile.role, "web");

        std::fs::remove_file(recipes.join("web.toml")).unwrap();
        let refused = run(&args("web"), &recipes).unwrap_err();
        assert_eq!(refused.exit_code(), 1);
        assert!(!recipes.join("web.toml").exists());
    }
}
