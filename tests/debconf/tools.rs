//! Recipes, directories and programs for these tests.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hapkg::recipe::model::Recipe;
use hapkg::recipe::{suite, view};
use hapkg::render::debconf::{Catalogs, DebconfFiles, Error, debconf};

/// The recipe with every type of question.
pub fn sample() -> Recipe {
    toml::from_str(include_str!("sample.toml")).unwrap()
}

/// A recipe `sample` of the given questions and hooks.
pub fn recipe(rest: &str) -> Recipe {
    let head =
        "[role]\nname = \"sample\"\nsummary = \"s\"\ndescription = \"d\"\nversion = \"1.0\"\n";
    toml::from_str(&format!("{head}{rest}")).unwrap()
}

/// A question `name` of a type, with more keys.
pub fn question(name: &str, kind: &str, more: &str) -> String {
    format!(
        "[[question]]\nname = \"{name}\"\ntype = \"{kind}\"\nprompt = \"The {name}:\"\n\
         help = \"About it.\"\n{more}\n"
    )
}

pub fn try_render(recipe: &Recipe, catalogs: &Catalogs) -> Result<Option<DebconfFiles>, Error> {
    debconf(
        &view::for_suite(recipe, suite::find("noble").unwrap()),
        catalogs,
    )
}

pub fn render(recipe: &Recipe) -> DebconfFiles {
    try_render(recipe, &Catalogs::embedded()).unwrap().unwrap()
}

/// Writes `debian/` as a source package has it.
pub fn write_debian(files: &DebconfFiles, directory: &Path) {
    let debian = directory.join("debian");
    fs::create_dir_all(debian.join("po")).unwrap();
    fs::write(debian.join("control"), "Source: ubuntu-ha-sample\n").unwrap();
    for (name, text) in [
        ("templates", &files.templates_source),
        ("po/POTFILES.in", &files.potfiles),
        ("po/templates.pot", &files.templates_pot),
    ]
    .into_iter()
    .chain(scripts(files))
    {
        fs::write(debian.join(name), text).unwrap();
    }
    for (language, text) in &files.po {
        fs::write(debian.join(format!("po/{language}.po")), text).unwrap();
    }
}

/// The scripts that are there.
pub fn scripts(files: &DebconfFiles) -> impl Iterator<Item = (&'static str, &String)> {
    [
        ("config", &files.config),
        ("postinst", &files.postinst),
        ("prerm", &files.prerm),
        ("postrm", &files.postrm),
    ]
    .into_iter()
    .filter(|(_, script)| !script.is_empty())
}

/// Runs a program that must be there and must succeed.
pub fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("environment: cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

pub fn text(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}
