//! Cargo.toml cut down to the node program.

use toml_edit::{DocumentMut, InlineTable, Item, Table, Value, value};

use super::Error;

/// `text` without the workspace's other packages, the packager feature with
/// its binary and dependencies, and what only tests need.
///
/// # Errors
/// `text` is no manifest of this project.
pub fn prune(text: &str) -> Result<String, Error> {
    let mut manifest: DocumentMut = text
        .parse()
        .map_err(|e| Error::Project(format!("Cargo.toml: {e}")))?;
    if let Some(workspace) = table(manifest.get_mut("workspace")) {
        workspace.remove("members");
        allow_absent_feature(workspace);
    }
    if let Some(package) = table(manifest.get_mut("package")) {
        package.remove("default-run");
    }
    for section in [
        "features",
        "dev-dependencies",
        "build-dependencies",
        // The source has no tests: a target without its file is an error.
        "test",
    ] {
        manifest.remove(section);
    }
    if let Some(bins) = manifest
        .get_mut("bin")
        .and_then(Item::as_array_of_tables_mut)
    {
        bins.retain(|bin| bin.get("required-features").is_none());
    }
    let dependencies = table(manifest.get_mut("dependencies"))
        .ok_or_else(|| Error::Project("Cargo.toml has no [dependencies]".into()))?;
    dependencies.retain(|_, item| {
        let optional = item.as_table_like().and_then(|dep| dep.get("optional"));
        optional.and_then(Item::as_bool) != Some(true)
    });
    Ok(manifest.to_string())
}

fn table(item: Option<&mut Item>) -> Option<&mut Table> {
    item.and_then(Item::as_table_mut)
}

/// The modules still say `cfg(feature = "packager")`; without this line rustc
/// warns of a feature that is not declared.
fn allow_absent_feature(workspace: &mut Table) {
    let rust = workspace
        .get_mut("lints")
        .and_then(Item::as_table_mut)
        .and_then(|lints| lints.get_mut("rust"))
        .and_then(Item::as_table_mut);
    if let Some(rust) = rust {
        let mut lint = InlineTable::new();
        lint.insert("level", "warn".into());
        let mut known = toml_edit::Array::new();
        known.push("cfg(feature, values(\"packager\"))");
        lint.insert("check-cfg", Value::Array(known));
        rust.insert("unexpected_cfgs", value(lint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_node_program_needs_stays() {
        let manifest = "[workspace]\nmembers = [\"crates/x\"]\nresolver = \"3\"\n\n\
             [workspace.lints.rust]\nunsafe_code = \"deny\"\n\n\
             [package]\nname = \"p\"\ndefault-run = \"big\"\n\n\
             [features]\nbig = [\"dep:large\"]\n\n\
             [[bin]]\nname = \"big\"\nrequired-features = [\"big\"]\n\n\
             [[bin]]\nname = \"small\"\n\n\
             [[test]]\nname = \"slow\"\nharness = false\n\n\
             [dependencies]\ntoml = \"1\"\nlarge = { version = \"2\", optional = true }\n\n\
             [dev-dependencies]\ntry = \"1\"\n";
        let expected = "[workspace]\nresolver = \"3\"\n\n\
             [workspace.lints.rust]\nunsafe_code = \"deny\"\n\
             unexpected_cfgs = { level = \"warn\", check-cfg = [\"cfg(feature, values(\\\"packager\\\"))\"] }\n\n\
             [package]\nname = \"p\"\n\n\
             [[bin]]\nname = \"small\"\n\n\
             [dependencies]\ntoml = \"1\"\n";
        let pruned = prune(manifest).unwrap();
        assert_eq!(pruned.replace('\'', "\""), expected.replace("\\\"", "\""));
    }

    #[test]
    fn a_manifest_without_dependencies_is_refused() {
        assert!(prune("[package]\nname = \"p\"\n").is_err());
        assert!(prune("[package\n").is_err());
    }
}
