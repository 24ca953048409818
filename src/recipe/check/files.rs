//! `[[file]]`: where a package may put something, and from where.

use std::path::{Component, Path, PathBuf};

use super::Checker;
use crate::recipe::document::at;
use crate::recipe::model::FileSpec;

/// Directories that are ours, or meant for additions by any package.
const PLACES: [&str; 8] = [
    "/etc/ubuntu-ha/",
    "/usr/lib/ocf/lib/ubuntu/",
    "/usr/lib/ocf/resource.d/ubuntu/",
    "/usr/lib/systemd/system/ubuntu-ha",
    "/usr/lib/ubuntu-ha/",
    "/usr/share/doc/ubuntu-ha-",
    "/usr/share/tasksel/descs/",
    "/usr/share/ubuntu-ha/",
];

/// Files that the node program or the package itself writes.
const TAKEN: [&str; 5] = [
    "/etc/ubuntu-ha/cluster.toml",
    "/etc/ubuntu-ha/roles/",
    "/etc/ubuntu-ha/secrets/",
    "/usr/share/ubuntu-ha/node.toml",
    "/usr/share/ubuntu-ha/roles/",
];

pub(super) fn check(checker: &mut Checker, recipe: Option<&Path>) {
    let files = &checker.recipe.file;
    for (index, file) in files.iter().enumerate() {
        target(checker, index, file);
        if !["0644", "0755"].contains(&file.mode.as_str()) {
            checker.value(
                at!["file", index, "mode"],
                format!("a packaged file does not have the mode `{}`", file.mode),
                "write \"0644\", or \"0755\" for a program",
            );
        }
        match (&file.content, &file.source) {
            (Some(_), None) => {}
            (None, Some(source)) => check_source(checker, index, source, recipe),
            (None, None) => checker.key(
                at!["file", index],
                "the file has no content",
                "write `content`, or name a file beside the recipe with `source`",
            ),
            (Some(_), Some(_)) => checker.key(
                at!["file", index, "source"],
                "the file has both `content` and `source`",
                "keep one of them",
            ),
        }
    }
}

/// An addition to any unit, systemd.unit(5), under our name.
fn is_drop_in(path: &str) -> bool {
    let below = path.strip_prefix("/usr/lib/systemd/system/");
    below
        .and_then(|below| below.split_once(".d/"))
        .is_some_and(|(unit, name)| {
            !unit.contains('/') && name.starts_with("ubuntu-ha") && name.ends_with(".conf")
        })
}

fn target(checker: &mut Checker, index: usize, file: &FileSpec) {
    let path = at!["file", index, "path"];
    let target = file.path.as_str();
    let sound = target.starts_with('/')
        && target.len() > 1
        && target[1..]
            .split('/')
            .all(|name| !matches!(name, "" | "." | ".."))
        && target
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-+@:".contains(&b));
    if !sound {
        checker.value(
            path,
            format!("{target:?} is no path for a file"),
            "write an absolute path of letters, digits and `._-+@:`, without `..`",
        );
        return;
    }
    if let Some(taken) = TAKEN.iter().find(|taken| target.starts_with(**taken)) {
        checker.value(
            path,
            format!("`{taken}` is written by ubuntu-ha"),
            "choose another place below /usr/share/ubuntu-ha/",
        );
    } else if !PLACES.iter().any(|place| target.starts_with(place)) && !is_drop_in(target) {
        let remedy = match target.starts_with("/etc/") {
            true => "put it below /etc/ubuntu-ha/; another package's files stay as they are",
            false => "put it below /usr/share/ubuntu-ha/ or /usr/lib/ubuntu-ha/",
        };
        checker.value(
            path,
            format!("`{target}` is another package's place"),
            remedy,
        );
    }
    for earlier in &checker.recipe.file[..index] {
        let (a, b) = (earlier.path.as_str(), target);
        let inside = |inner: &str, outer: &str| {
            inner
                .strip_prefix(outer)
                .is_some_and(|r| r.starts_with('/'))
        };
        if a == b {
            checker.value(
                path,
                format!("`{target}` is here twice"),
                "keep one of them",
            );
        } else if inside(a, b) || inside(b, a) {
            checker.value(
                path,
                format!("`{a}` and `{b}` cannot both be files"),
                "give one of them another path",
            );
        }
    }
}

fn check_source(checker: &mut Checker, index: usize, source: &str, recipe: Option<&Path>) {
    let path = at!["file", index, "source"];
    if source.is_empty() || Path::new(source).is_absolute() {
        checker.value(
            path,
            "the source is no path beside the recipe",
            "write it relative to the recipe's directory",
        );
        return;
    }
    let climbs = Path::new(source)
        .components()
        .filter(|component| *component == Component::ParentDir)
        .count();
    if climbs > 1 || (climbs == 1 && !source.starts_with("../")) {
        checker.value(
            path,
            format!("`{source}` leaves the recipe's directory"),
            "copy the file beside the recipe",
        );
        return;
    }
    let Some(recipe) = recipe else { return };
    let directory = recipe.parent().map_or(PathBuf::new(), Path::to_path_buf);
    let file = directory.join(source);
    match std::fs::metadata(&file) {
        Err(error) => checker.value(
            path,
            format!("cannot read {}: {error}", file.display()),
            "write the path of a file, relative to the recipe's directory",
        ),
        Ok(metadata) if !metadata.is_file() => checker.value(
            path,
            format!("{} is no file", file.display()),
            "name a file; each one is an entry of its own",
        ),
        Ok(_) if !is_inside(&directory, &file) => checker.value(
            path,
            format!("`{source}` leaves the recipe's directory"),
            "copy the file beside the recipe",
        ),
        Ok(_) => {}
    }
}

/// Whether the file, links resolved, is in the recipe's directory. Recipes in
/// `support/` share the directory above with the roles.
fn is_inside(directory: &Path, file: &Path) -> bool {
    let here = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    let (Ok(mut root), Ok(file)) = (here.canonicalize(), file.canonicalize()) else {
        return false;
    };
    if root.ends_with("support") {
        root.pop();
    }
    file.starts_with(root)
}

#[cfg(test)]
mod tests {
    use super::is_drop_in;

    #[test]
    fn a_drop_in_bears_our_name() {
        let below = |path: &str| is_drop_in(&format!("/usr/lib/systemd/system/{path}"));
        assert!(below("sbd.service.d/ubuntu-ha.conf"));
        assert!(below("multi-user.target.d/ubuntu-ha-more.conf"));
        assert!(!below("sbd.service.d/other.conf"));
        assert!(!below("sbd.service.d/ubuntu-ha"));
        assert!(!below("sbd.service"));
        assert!(!below("x/sbd.service.d/ubuntu-ha.conf"));
        assert!(!is_drop_in(
            "/etc/systemd/system/sbd.service.d/ubuntu-ha.conf"
        ));
    }
}
