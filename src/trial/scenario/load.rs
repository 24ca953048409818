//! From a file to a checked scenario.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::Scenario;
use super::check;
use super::raw::File;
use crate::recipe::Problems;
use crate::recipe::read::{self, Kind};
use crate::recipe::schema::{Shape, shape_of};

static SHAPE: LazyLock<Shape> = LazyLock::new(shape_of::<File>);

fn kind() -> Kind<'static> {
    Kind {
        called: "the scenario",
        shape: &SHAPE,
        path_remedy: "give the path of a scenario",
        reference: "see vm-tests/README.md for what may stand here",
    }
}

/// Reads and checks one scenario.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Scenario, Problems> {
    let text = read::text(path, &kind())?;
    scenario(&path.display().to_string(), &text, Some(path))
}

/// Checks a scenario's text; `file` is what the report calls it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Scenario, Problems> {
    scenario(file, text, None)
}

/// Every scenario below a directory, by its path; `roles/` has profiles.
///
/// # Errors
/// The problems of each broken one; an unreadable directory is one too.
pub fn load_all(directory: &Path) -> Result<Vec<Scenario>, Vec<Problems>> {
    let mut files = Vec::new();
    if let Err(error) = find(directory, &mut files) {
        let name = directory.display().to_string();
        let mut problems = Problems::new(&name, "");
        problems.add(
            0..0,
            format!("cannot read {name}: {error}"),
            "name the directory of the scenarios".into(),
        );
        return Err(problems.or(|| None::<()>).err().into_iter().collect());
    }
    files.sort();
    let (mut scenarios, mut broken) = (Vec::new(), Vec::new());
    for file in files {
        match load(&file) {
            Ok(scenario) => scenarios.push(scenario),
            Err(problems) => broken.push(problems),
        }
    }
    match broken.is_empty() {
        true => Ok(scenarios),
        false => Err(broken),
    }
}

fn find(directory: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "roles" {
                find(&path, into)?;
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            into.push(path);
        }
    }
    Ok(())
}

fn scenario(file: &str, text: &str, path: Option<&Path>) -> Result<Scenario, Problems> {
    let mut problems = Problems::new(file, text);
    let Some((raw, document)) = read::parse::<File>(text, &kind(), &mut problems) else {
        return problems.or(|| None);
    };
    let scenario = check::check(
        &raw,
        &document,
        Path::new(file),
        path.is_some(),
        &mut problems,
    );
    problems.or(|| scenario)
}
