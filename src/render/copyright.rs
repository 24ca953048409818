//! Copyright stanzas of vendored crates (DEP-5), from what each crate says of
//! itself.

use std::collections::{BTreeMap, BTreeSet};

use debcrate::Tree;
use serde::{Deserialize, Serialize};

use super::Error;

/// A `Files:` stanza.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Crate {
    pub files: String,
    pub holders: Vec<String>,
    /// Short names joined as DEP-5 wants: `Expat or Apache-2.0`.
    pub license: String,
}

/// A `License:` stanza.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct License {
    pub name: &'static str,
    /// Lines behind a blank.
    pub text: String,
}

/// SPDX name, DEP-5 name, text.
const LICENSES: [(&str, &str, &str); 4] = [
    (
        "MIT",
        "Expat",
        include_str!("../../debian-templates/licenses/Expat.txt"),
    ),
    (
        "Apache-2.0",
        "Apache-2.0",
        include_str!("../../debian-templates/licenses/Apache-2.0.txt"),
    ),
    (
        "Unicode-3.0",
        "Unicode-3.0",
        include_str!("../../debian-templates/licenses/Unicode-3.0.txt"),
    ),
    (
        "Unlicense",
        "Unlicense",
        include_str!("../../debian-templates/licenses/Unlicense.txt"),
    ),
];

/// Stanzas for every crate below `vendor/` and for every license named, the
/// project's own first.
///
/// # Errors
/// A crate without a license, or with one whose text is not at hand.
pub fn stanzas(tree: Option<&Tree>) -> Result<(Vec<Crate>, Vec<License>), Error> {
    let mut crates: BTreeMap<&str, Vec<(&str, &[u8])>> = BTreeMap::new();
    for (path, _) in tree.iter().flat_map(|tree| tree.iter()) {
        if let Some((name, file)) = path
            .strip_prefix("vendor/")
            .and_then(|rest| rest.split_once('/'))
        {
            let data = tree.and_then(|tree| tree.data(path)).unwrap_or_default();
            crates.entry(name).or_default().push((file, data));
        }
    }
    let mut used: BTreeSet<&str> = BTreeSet::from(["Expat"]);
    let mut stanzas = Vec::new();
    for (name, files) in crates {
        stanzas.push(stanza(name, &files, &mut used)?);
    }
    let licenses = LICENSES
        .iter()
        .filter(|(_, name, _)| used.contains(name))
        .map(|&(_, name, text)| License {
            name,
            text: indented(text),
        })
        .collect();
    Ok((stanzas, licenses))
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    license: Option<String>,
    #[serde(default)]
    authors: Vec<String>,
}

fn stanza(
    name: &str,
    files: &[(&str, &[u8])],
    used: &mut BTreeSet<&'static str>,
) -> Result<Crate, Error> {
    let fail = |what: String| Error::License(name.to_owned(), what);
    let manifest = files
        .iter()
        .find(|(file, _)| *file == "Cargo.toml")
        .map(|(_, data)| String::from_utf8_lossy(data))
        .ok_or_else(|| fail("has no Cargo.toml".into()))?;
    let manifest: Manifest = toml::from_str(package_table(&manifest))
        .map_err(|e| fail(format!("has a Cargo.toml that is none: {e}")))?;
    let spdx = manifest
        .package
        .license
        .ok_or_else(|| fail("names no license".into()))?;
    let license = expression(&spdx, used).map_err(fail)?;
    let mut holders: Vec<String> = Vec::new();
    for (file, data) in files {
        let base = file.to_ascii_uppercase();
        if base.contains('/')
            || !["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
                .iter()
                .any(|p| base.starts_with(p))
        {
            continue;
        }
        for line in String::from_utf8_lossy(data).lines() {
            if let Some(holder) = holder(line) {
                if !holders.contains(&holder) {
                    holders.push(holder);
                }
            }
        }
    }
    if holders.is_empty() {
        holders = manifest.package.authors;
    }
    let base = name.rsplit_once('-').map_or(name, |(base, _)| base);
    let authors = format!("the authors of the crate {base}");
    if holders.is_empty() {
        holders.push(authors.clone());
    }
    // Some crates give years and no name.
    for holder in &mut holders {
        if !holder.contains(char::is_alphabetic) {
            *holder = format!("{} {authors}", holder.replace("--", "-"));
        }
    }
    Ok(Crate {
        files: format!("vendor/{name}/*"),
        holders,
        license,
    })
}

/// `[package]` alone: the dependency tables need not be parsed.
fn package_table(manifest: &str) -> &str {
    let start = manifest.find("[package]").unwrap_or(0);
    let text = &manifest[start..];
    let end = text[1..].find("\n[").map_or(text.len(), |at| at + 2);
    &text[..end]
}

/// `2015 Jane Doe` of `Copyright (c) 2015 Jane Doe`; none for a sentence
/// about copyright, or the blanks of a form.
fn holder(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches(['#', '*', '/', ' ']);
    let rest = line
        .get(..9)
        .filter(|word| word.eq_ignore_ascii_case("copyright"))
        .map(|_| line[9..].trim_start_matches([' ', ':']))?;
    let marked = ["(c)", "(C)", "©"]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))
        .map(str::trim_start);
    let dated = rest.starts_with(|c: char| c.is_ascii_digit());
    let holder = marked.or(dated.then_some(rest))?;
    let holder = holder.trim_end_matches(" All rights reserved.").trim();
    (!holder.is_empty() && !holder.contains(['[', '{'])).then(|| holder.to_owned())
}

/// An SPDX expression in DEP-5's terms. Of nesting, only `(a OR b) AND c` is
/// in use; anything else is refused rather than misread.
fn expression(spdx: &str, used: &mut BTreeSet<&'static str>) -> Result<String, String> {
    let mut clauses = Vec::new();
    for clause in spdx.split(" AND ") {
        let clause = clause.trim();
        let inner = clause
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
            .unwrap_or(clause);
        let mut names = Vec::new();
        for name in inner.split(" OR ").flat_map(|part| part.split('/')) {
            let name = name.trim();
            let Some((_, short, _)) = LICENSES.iter().find(|(known, _, _)| *known == name) else {
                return Err(format!(
                    "has the license {spdx:?}, and the text of {name:?} is not in debian-templates/licenses; add it"
                ));
            };
            used.insert(short);
            names.push(*short);
        }
        clauses.push(names.join(" or "));
    }
    let several = clauses.iter().any(|clause| clause.contains(" or "));
    Ok(clauses.join(if several { ", and " } else { " and " }))
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text
        .trim_matches('\n')
        .lines()
        .map(|line| match line.trim_end() {
            "" => " .".to_owned(),
            line => format!(" {line}"),
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.file(path, text.as_bytes().to_vec(), 0o644).unwrap();
        }
        tree
    }

    #[test]
    fn a_crate_is_a_stanza() {
        let tree = tree(&[
            ("src/lib.rs", ""),
            (
                "vendor/ident-1.0.0/Cargo.toml",
                "[package]\nname = \"ident\"\nlicense = \"(MIT OR Apache-2.0) AND Unicode-3.0\"\n\n[lib]\n",
            ),
            (
                "vendor/ident-1.0.0/LICENSE-UNICODE",
                "UNICODE LICENSE\n\nCopyright © 1991-2023 Unicode, Inc.\n\nthe copyright notice\n",
            ),
            (
                "vendor/plain-2.0.0/Cargo.toml",
                "[package]\nname = \"plain\"\nlicense = \"MIT\"\nauthors = [\"A <a@example.org>\"]\n",
            ),
            (
                "vendor/plain-2.0.0/LICENSE",
                "Copyright [yyyy] [name of copyright owner]\n",
            ),
            (
                "vendor/years-only-3.0.0/Cargo.toml",
                "[package]\nlicense = \"Apache-2.0/MIT\"\n",
            ),
            (
                "vendor/years-only-3.0.0/LICENSE-MIT",
                "Copyright (c) 2016--2017\n",
            ),
        ]);
        let (crates, licenses) = stanzas(Some(&tree)).unwrap();
        assert_eq!(
            crates,
            [
                Crate {
                    files: "vendor/ident-1.0.0/*".into(),
                    holders: vec!["1991-2023 Unicode, Inc.".into()],
                    license: "Expat or Apache-2.0, and Unicode-3.0".into(),
                },
                Crate {
                    files: "vendor/plain-2.0.0/*".into(),
                    holders: vec!["A <a@example.org>".into()],
                    license: "Expat".into(),
                },
                Crate {
                    files: "vendor/years-only-3.0.0/*".into(),
                    holders: vec!["2016-2017 the authors of the crate years-only".into()],
                    license: "Apache-2.0 or Expat".into(),
                },
            ]
        );
        let names: Vec<&str> = licenses.iter().map(|license| license.name).collect();
        assert_eq!(names, ["Expat", "Apache-2.0", "Unicode-3.0"]);
    }

    #[test]
    fn without_crates_only_the_own_license_is_left() {
        let (crates, licenses) = stanzas(None).unwrap();
        assert!(crates.is_empty());
        assert_eq!(licenses.len(), 1);
        assert!(licenses[0].text.lines().all(|line| line.starts_with(' ')));
    }

    #[test]
    fn an_unknown_license_is_refused() {
        let tree = tree(&[(
            "vendor/x-1.0.0/Cargo.toml",
            "[package]\nlicense = \"MPL-2.0\"\n",
        )]);
        let error = stanzas(Some(&tree)).unwrap_err().to_string();
        assert!(
            error.contains("x-1.0.0") && error.contains("MPL-2.0"),
            "{error}"
        );
    }

    #[test]
    fn a_holder_is_told_from_a_sentence() {
        for (line, wanted) in [
            (
                "Copyright (c) 2014 The Rust Project Developers",
                Some("2014 The Rust Project Developers"),
            ),
            ("   Copyright 2020 A. All rights reserved.", Some("2020 A.")),
            (
                "Copyright (c) Individual contributors",
                Some("Individual contributors"),
            ),
            ("copyright license to reproduce", None),
            ("Copyright notice", None),
            ("Copyright {yyyy} {name}", None),
        ] {
            assert_eq!(holder(line).as_deref(), wanted, "{line}");
        }
    }
}
