//! `[[changelog]]`: newest first, versions and dates fall.

use debversion::Version;

use super::{Checker, role::person};
use crate::recipe::date;
use crate::recipe::document::at;

pub(super) fn check(checker: &mut Checker) {
    let recipe = checker.recipe;
    let Some(newest) = recipe.changelog.first() else {
        checker.key(
            at!["role", "version"],
            "the recipe has no changelog",
            "add a [[changelog]] with version, date and changes",
        );
        return;
    };
    if newest.version != recipe.role.version {
        checker.value(
            at!["changelog", 0, "version"],
            format!(
                "the newest entry is for {}, but the role has version {}",
                newest.version, recipe.role.version
            ),
            format!("begin with an entry for {}", recipe.role.version),
        );
    }
    let mut later: Option<(&str, Option<date::Date>)> = None;
    for (index, entry) in recipe.changelog.iter().enumerate() {
        let date = date::parse(&entry.date);
        if date.is_none() {
            checker.value(
                at!["changelog", index, "date"],
                format!("`{}` is no date (RFC 3339)", entry.date),
                "write it with its offset, such as 2026-11-01T12:00:00Z",
            );
        }
        if let Some((version, newer)) = later {
            if !falls(version, &entry.version) {
                checker.value(
                    at!["changelog", index, "version"],
                    format!(
                        "{} is not below {version}, which stands above it",
                        entry.version
                    ),
                    "put the newest entry first, each with a version of its own",
                );
            }
            if date
                .zip(newer)
                .is_some_and(|(date, newer)| date.seconds > newer.seconds)
            {
                checker.value(
                    at!["changelog", index, "date"],
                    "the entry is newer than the one above it",
                    "put the newest entry first",
                );
            }
        }
        later = Some((&entry.version, date));
        changes(checker, index, &entry.changes);
        if let Some(Err(remedy)) = entry.author.as_deref().map(person) {
            checker.value(
                at!["changelog", index, "author"],
                "the author is no name with an address",
                remedy,
            );
        }
    }
}

fn falls(newer: &str, older: &str) -> bool {
    match (newer.parse::<Version>(), older.parse::<Version>()) {
        (Ok(newer), Ok(older)) => newer > older,
        _ => false,
    }
}

fn changes(checker: &mut Checker, index: usize, changes: &[String]) {
    if changes.is_empty() {
        checker.key(
            at!["changelog", index, "changes"],
            "the entry says nothing",
            "write what changed: changes = [\"First release.\"]",
        );
    }
    for (at, change) in changes.iter().enumerate() {
        let path = at!["changelog", index, "changes", at];
        if change.trim() != change || change.is_empty() {
            checker.value(
                path,
                "the change is empty or has blanks at its ends",
                "write what changed",
            );
        } else if change.starts_with(['*', '-', '[']) {
            checker.value(
                path,
                "the change begins with a mark of its own",
                "begin with a word; the mark is put before it",
            );
        }
    }
}
