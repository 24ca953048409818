//! What an earlier build of the same package depended on, and what changed.

use debcrate::Paragraph;
use debversion::Version;

/// The newest of `known` (control paragraphs of a suite's index) that is the
/// same package at a lower version.
pub fn find<'a>(known: &'a [Paragraph], package: &str, version: &str) -> Option<&'a Paragraph> {
    let ours: Version = version.parse().ok()?;
    let age = |paragraph: &Paragraph| {
        paragraph
            .get("Version")
            .and_then(|text| text.parse::<Version>().ok())
    };
    known
        .iter()
        .filter(|paragraph| paragraph.get("Package") == Some(package))
        .filter(|paragraph| age(paragraph).is_some_and(|version| version < ours))
        .max_by_key(|paragraph| age(paragraph))
}

/// One changelog item for each relation field that differs, such as
/// `Depends: added lvm2-lockd, removed clvm.`
pub fn dependency_changes(old: &Paragraph, new: &Paragraph) -> Vec<String> {
    [
        "Pre-Depends",
        "Depends",
        "Recommends",
        "Suggests",
        "Conflicts",
        "Breaks",
    ]
    .into_iter()
    .filter_map(|field| {
        let before = relations(old.get(field));
        let after = relations(new.get(field));
        let added: Vec<&str> = after
            .iter()
            .filter(|one| !before.contains(one))
            .copied()
            .collect();
        let removed: Vec<&str> = before
            .iter()
            .filter(|one| !after.contains(one))
            .copied()
            .collect();
        let told = match (added.is_empty(), removed.is_empty()) {
            (true, true) => return None,
            (false, true) => format!("added {}", added.join(", ")),
            (true, false) => format!("removed {}", removed.join(", ")),
            (false, false) => format!("added {}, removed {}", added.join(", "), removed.join(", ")),
        };
        Some(format!("{field}: {told}."))
    })
    .collect()
}

/// The relations of a field (policy 7.1).
pub fn relations(value: Option<&str>) -> Vec<&str> {
    value
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(fields: &[(&str, &str)]) -> Paragraph {
        let mut paragraph = Paragraph::new();
        for (name, value) in fields {
            paragraph.set(name, value).unwrap();
        }
        paragraph
    }

    #[test]
    fn newest_lower_version_is_found() {
        let known = [
            paragraph(&[("Package", "x"), ("Version", "1.9~ubuntu24.04.1")]),
            paragraph(&[("Package", "x"), ("Version", "1.10~ubuntu24.04.1")]),
            paragraph(&[("Package", "x"), ("Version", "2.0~ubuntu24.04.1")]),
            paragraph(&[("Package", "y"), ("Version", "1.11~ubuntu24.04.1")]),
        ];
        let found = find(&known, "x", "2.0~ubuntu24.04.1").unwrap();
        assert_eq!(found.get("Version"), Some("1.10~ubuntu24.04.1"));
        assert!(find(&known, "x", "1.0").is_none());
    }

    #[test]
    fn changes_name_what_came_and_went() {
        let old = paragraph(&[("Depends", "clvm, corosync")]);
        let new = paragraph(&[("Depends", "corosync, lvm2-lockd"), ("Suggests", "pcs")]);
        assert_eq!(
            dependency_changes(&old, &new),
            [
                "Depends: added lvm2-lockd, removed clvm.",
                "Suggests: added pcs."
            ]
        );
        assert!(dependency_changes(&old, &old).is_empty());
    }
}
