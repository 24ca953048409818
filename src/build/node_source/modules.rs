//! Which source files the node program is made of.

use std::path::{Path, PathBuf};

use super::{Error, Files, read};

/// The files of `roots` and of every module below them that is compiled
/// without feature `packager` and outside tests, and the files these include.
///
/// # Errors
/// A file cannot be read, or a module has none.
pub fn needed(root: &Path, roots: &[&str]) -> Result<Files, Error> {
    let mut files = Files::new();
    let mut left: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
    while let Some(path) = left.pop() {
        let data = read(&root.join(&path))?;
        let text = String::from_utf8_lossy(&data);
        for module in submodules(&text) {
            left.push(module_file(root, &path, module)?);
        }
        for include in includes(&text) {
            let target = normal(&path.with_file_name(include));
            let data = read(&root.join(&target))?;
            files.insert(name(&target), data);
        }
        files.insert(name(&path), data);
    }
    Ok(files)
}

/// Names of the `mod x;` lines whose attributes let them into the node program.
fn submodules(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut skipped = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            skipped |= line.starts_with("#[cfg(")
                && (line.contains("\"packager\"") || line.contains("test"))
                && !line.contains("not(");
            continue;
        }
        if line.starts_with("//") {
            continue;
        }
        let item = match line.strip_prefix("pub") {
            Some(rest) => rest
                .trim_start_matches("(crate)")
                .trim_start_matches("(super)"),
            None => line,
        };
        let module = item.trim_start().strip_prefix("mod ");
        if let Some(module) = module.and_then(|m| m.strip_suffix(';')) {
            if !skipped {
                found.push(module.trim());
            }
        }
        skipped = false;
    }
    found
}

fn module_file(root: &Path, parent: &Path, module: &str) -> Result<PathBuf, Error> {
    let stem = parent.file_stem().unwrap_or_default();
    let dir = match stem.to_str() {
        Some("lib" | "main" | "mod") => parent.with_file_name(""),
        _ => parent.with_extension(""),
    };
    let flat = dir.join(format!("{module}.rs"));
    let nested = dir.join(module).join("mod.rs");
    [flat, nested]
        .into_iter()
        .find(|path| root.join(path).is_file())
        .ok_or_else(|| Error::Project(format!("{}: no file for mod {module}", parent.display())))
}

/// Targets of `include_str!("…")` and `include_bytes!("…")`, relative to the
/// including file; those named by an expression are cargo's own (OUT_DIR).
pub fn includes(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for mark in ["include_str!(\"", "include_bytes!(\"", "include!(\""] {
            if let Some((_, rest)) = line.split_once(mark) {
                found.extend(rest.split('"').next());
            }
        }
    }
    found
}

/// `path` without `.` and `..` components.
pub fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gated_modules_stay_out() {
        let text = "pub mod a;\n#[cfg(feature = \"packager\")]\npub mod b;\n\
             #[cfg(test)]\nmod tests;\n#[cfg(not(feature = \"packager\"))]\nmod c;\n\
             /// words\n#[allow(dead_code)]\npub(crate) mod d;\nmod inline {\n}\n";
        assert_eq!(submodules(text), ["a", "c", "d"]);
    }

    #[test]
    fn modules_and_included_files_are_found_where_rustc_looks() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("src/lib.rs", "mod a;\nmod b;\n"),
            (
                "src/a.rs",
                "mod c;\nconst X: &str = include_str!(\"../data/x.txt\");\n",
            ),
            ("src/a/c.rs", "// include_str!(\"none\")\n"),
            ("src/b/mod.rs", "mod e;\n"),
            ("src/b/e.rs", ""),
            ("src/unused.rs", ""),
            ("data/x.txt", "x"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let files = needed(dir.path(), &["src/lib.rs"]).unwrap();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "data/x.txt",
                "src/a.rs",
                "src/a/c.rs",
                "src/b/e.rs",
                "src/b/mod.rs",
                "src/lib.rs"
            ]
        );
    }

    #[test]
    fn a_module_without_a_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lib.rs"), "mod lost;\n").unwrap();
        let error = needed(dir.path(), &["lib.rs"]).unwrap_err();
        assert_eq!(error.to_string(), "lib.rs: no file for mod lost");
    }
}
