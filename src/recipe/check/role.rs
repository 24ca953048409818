//! `[role]` and `[tasksel]`.

use super::{Checker, text};
use crate::recipe::document::at;
use crate::recipe::model::Kind;
use crate::recipe::suite::SUITES;
use crate::recipe::view::package_name;

/// Longest first line of a description.
const SUMMARY: usize = 60;

/// Longest line of a tasksel menu on an 80-column terminal.
const TITLE: usize = 66;

pub(super) fn check(checker: &mut Checker) {
    name(checker);
    version(checker);
    summary(checker);
    let role = &checker.recipe.role;
    text::description(checker, at!["role", "description"], &role.description);
    text::commas(checker, at!["role", "description"], &role.description);
    let first_line = role.description.trim().lines().next().unwrap_or_default();
    if !first_line.is_empty() && bare(first_line) == bare(&role.summary) {
        checker.part(
            at!["role", "description"],
            0..first_line.len(),
            "the description begins with the summary",
            "say more: the summary is shown above it",
        );
    }
    if let Err(remedy) = person(&role.maintainer) {
        checker.value(
            at!["role", "maintainer"],
            "the maintainer is no name with an address",
            remedy,
        );
    }
    if let Some(homepage) = &role.homepage {
        let rest = homepage
            .strip_prefix("https://")
            .or(homepage.strip_prefix("http://"));
        let sound = rest.is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_alphanumeric())
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
        });
        if !sound {
            checker.value(
                at!["role", "homepage"],
                "the home page is no web address",
                "write one such as https://example.org/",
            );
        }
    }
    tasksel(checker);
}

fn bare(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn name(checker: &mut Checker) {
    let role = &checker.recipe.role;
    let path = at!["role", "name"];
    let sound = role
        .name
        .starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && !role.name.ends_with('-')
        && role
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !sound {
        checker.value(
            path,
            format!("`{}` is no name for a package (policy 5.6.7)", role.name),
            "write lower-case letters, digits and inner hyphens",
        );
        return;
    }
    let reserved = [
        ("node", Kind::Node),
        ("resource-agents", Kind::Agents),
        ("tasks", Kind::Tasks),
    ];
    for (name, kind) in reserved {
        if role.kind == kind && role.name != name {
            checker.value(
                path,
                format!("there is one package of this kind, {}", package_name(name)),
                format!("write name = \"{name}\", or take `kind` out"),
            );
            return;
        }
        if role.kind != kind && role.name == name {
            checker.value(
                path,
                format!("{} is a package that every role uses", package_name(name)),
                "give the role another name",
            );
            return;
        }
    }
    if role.name == "cluster" {
        checker.value(
            path,
            "`cluster` stands for the settings of the whole cluster",
            "give the role another name",
        );
    }
    if role.name.len() > 40 {
        checker.value(
            path,
            "the name is longer than 40 characters",
            "write a shorter one",
        );
    }
}

fn version(checker: &mut Checker) {
    let version = &checker.recipe.role.version;
    let path = at!["role", "version"];
    let bad = version
        .char_indices()
        .find(|(_, c)| !c.is_ascii_alphanumeric() && !".+~".contains(*c));
    if let Some((at, c)) = bad {
        checker.part(
            path,
            at..at + c.len_utf8(),
            format!("a version cannot hold {c:?} (policy 5.6.12)"),
            "write letters, digits, `.`, `+` and `~`, such as 1.0",
        );
    } else if !version.starts_with(|c: char| c.is_ascii_digit()) {
        checker.value(
            path,
            "a version begins with a digit (policy 5.6.12)",
            "write one such as 1.0",
        );
    } else if let Some(at) = ["~ubuntu", "~debian"]
        .into_iter()
        .chain(SUITES.iter().map(|suite| suite.version_suffix))
        .find_map(|suffix| version.find(suffix))
    {
        checker.part(
            path,
            at..version.len(),
            "the version names a suite",
            "leave it out: each suite adds its own suffix",
        );
    }
}

fn summary(checker: &mut Checker) {
    let summary = &checker.recipe.role.summary;
    let path = at!["role", "summary"];
    let length = summary.chars().count();
    let lower = summary.to_lowercase();
    if summary.trim() != summary || summary.is_empty() {
        checker.value(
            path,
            "the summary is empty or has blanks at its ends",
            "write what the package is, in one line",
        );
        return;
    }
    if length > SUMMARY {
        let start = summary
            .char_indices()
            .nth(SUMMARY)
            .map_or(summary.len(), |(at, _)| at);
        checker.part(
            path,
            start..summary.len(),
            format!("the summary has {length} characters, {SUMMARY} are allowed (policy 3.4.1)"),
            "shorten it; the description has room for the rest",
        );
    }
    if let Some(at) = summary
        .find(". ")
        .or(summary.strip_suffix('.').map(str::len))
    {
        checker.part(
            path,
            at..at + 1,
            "the summary is no sentence (policy 3.4.1)",
            "leave the full stop out",
        );
    }
    if ["a ", "an ", "the "]
        .iter()
        .any(|article| lower.starts_with(article))
    {
        let word = summary.find(' ').unwrap_or(0);
        checker.part(
            path,
            0..word,
            "the summary begins with an article",
            "leave it out: what stands here completes \"PACKAGE is a …\"",
        );
    }
    if lower.starts_with(&package_name(&checker.recipe.role.name)) {
        checker.value(
            path,
            "the summary begins with the package's name",
            "say what it is: the name is shown beside it",
        );
    }
    if !summary.contains(' ') {
        checker.value(
            path,
            "one word is no summary",
            "write a few words that tell it from other packages",
        );
    }
    text::no_variables(checker, path, summary);
    text::commas(checker, path, summary);
    text::prose(checker, path, summary);
}

/// `Name <address>` (policy 5.6.2).
pub(super) fn person(text: &str) -> Result<(), String> {
    let remedy = || "write one such as Ubuntu HA packagers <ha@example.org>".to_string();
    let (name, rest) = text.split_once(" <").ok_or_else(remedy)?;
    let address = rest.strip_suffix('>').ok_or_else(remedy)?;
    let (user, host) = address.split_once('@').ok_or_else(remedy)?;
    let named = !name.is_empty() && name.trim() == name && !name.contains(['<', '>', '@']);
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
    };
    if !named || !word(user) || !word(host) {
        return Err(remedy());
    }
    if name.contains([',', '"', '(', ')', '\\']) {
        return Err("write the name without commas, quotes and parentheses".into());
    }
    Ok(())
}

fn tasksel(checker: &mut Checker) {
    let Some(tasksel) = &checker.recipe.tasksel else {
        return;
    };
    let path = at!["tasksel", "title"];
    let title = &tasksel.title;
    if title.trim() != title || title.is_empty() {
        checker.value(
            path,
            "the title is empty or has blanks at its ends",
            "write the line that the menu shall show",
        );
    } else if title.chars().count() > TITLE {
        checker.value(
            path,
            format!("the title is longer than {TITLE} characters, the width of the menu"),
            "shorten it; the description has room for the rest",
        );
    } else if title.contains(',') {
        checker.value(
            path,
            "the title holds a comma, which parts the entries of the menu",
            "write it without commas",
        );
    }
    text::no_variables(checker, path, title);
    text::description(checker, at!["tasksel", "description"], &tasksel.description);
    if tasksel.relevance > 9 {
        checker.value(
            at!["tasksel", "relevance"],
            "relevance is one digit",
            "write a number from 0 to 9; a smaller one stands higher in the menu",
        );
    }
}
