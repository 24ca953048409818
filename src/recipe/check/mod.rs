//! What a well-formed recipe says: names that exist, values that fit.

mod changelog;
mod cluster;
mod files;
mod hooks;
mod order;
mod packages;
mod questions;
mod resources;
mod role;
mod storage;
mod templates;
mod text;

use std::ops::Range;
use std::path::Path;

use super::document::{Document, Step, at};
use super::load::Context;
use super::model::{Kind, Recipe};
use super::problem::Problems;

/// Checks everything and adds what is wrong to `problems`. `path` is where
/// the recipe was read from; without it, files it names are not looked for.
pub(super) fn check(
    recipe: &Recipe,
    document: &Document,
    context: &Context,
    path: Option<&Path>,
    problems: &mut Problems,
) {
    let mut checker = Checker {
        recipe,
        document,
        context,
        problems,
    };
    text::check(&mut checker);
    role::check(&mut checker);
    packages::check(&mut checker);
    questions::check(&mut checker);
    templates::check(&mut checker);
    storage::check(&mut checker);
    cluster::check(&mut checker);
    resources::check(&mut checker);
    order::check(&mut checker);
    files::check(&mut checker, path);
    hooks::check(&mut checker);
    changelog::check(&mut checker);
    sections(&mut checker);
}

/// A recipe on its way through the checks.
struct Checker<'a> {
    recipe: &'a Recipe,
    document: &'a Document<'a>,
    context: &'a Context<'a>,
    problems: &'a mut Problems,
}

impl Checker<'_> {
    /// A problem with the value at the path.
    fn value(&mut self, path: &[Step], message: impl Into<String>, remedy: impl Into<String>) {
        let span = self.document.value(path);
        self.problems.add(span, message.into(), remedy.into());
    }

    /// A problem with the last key of the path.
    fn key(&mut self, path: &[Step], message: impl Into<String>, remedy: impl Into<String>) {
        let span = self.document.key(path);
        self.problems.add(span, message.into(), remedy.into());
    }

    /// A problem with some bytes of the string at the path.
    fn part(
        &mut self,
        path: &[Step],
        part: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let span = self.document.within(path, part);
        self.problems.add(span, message.into(), remedy.into());
    }
}

/// Cuts "what is wrong; what to write instead" in two.
fn wrong_and_remedy(message: &str) -> (&str, &str) {
    message.split_once("; ").unwrap_or((message, ""))
}

/// Only a role describes a service of the cluster.
fn sections(checker: &mut Checker) {
    let recipe = checker.recipe;
    let described = [
        ("drbd", !recipe.drbd.is_empty()),
        ("lvm", !recipe.lvm.is_empty()),
        ("filesystem", !recipe.filesystem.is_empty()),
        ("resource", !recipe.resource.is_empty()),
        ("group", !recipe.group.is_empty()),
        ("clone", !recipe.clone.is_empty()),
        ("order", !recipe.order.is_empty()),
        ("colocation", !recipe.colocation.is_empty()),
        ("property", !recipe.property.is_empty()),
        ("tasksel", recipe.tasksel.is_some()),
    ];
    if recipe.role.kind == Kind::Role {
        if recipe.resource.is_empty() {
            checker.key(
                at!["role"],
                "a role needs at least one resource",
                "add a [[resource]] that pacemaker shall run",
            );
        }
        return;
    }
    for (section, present) in described {
        if present {
            checker.key(
                at![section],
                format!("only a role has `{section}`"),
                "take it out, or write kind = \"role\"",
            );
        }
    }
}
