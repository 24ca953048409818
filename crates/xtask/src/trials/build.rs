//! The source packages, built by the suite's own tools.

use std::fs;
use std::process::Stdio;

use debcrate::{Paragraph, parse_paragraphs};
use hapkg::chroot::{Network, Trial};

use crate::bases;
use crate::case::Case;
use crate::compare;
use crate::host::{files_below, fresh_dir};
use crate::stop::{During, Stop};

const NODE: &str = "ubuntu-ha-node";

/// Every source but the node's builds without network, and what comes out is
/// the package that hapkg made.
pub fn roles(case: &Case) -> Result<(), Stop> {
    build(case, |source| source != NODE)
}

/// The node program's source, which compiles Rust.
pub fn node(case: &Case) -> Result<(), Stop> {
    build(case, |source| source == NODE)
}

fn build(case: &Case, wanted: impl Fn(&str) -> bool) -> Result<(), Stop> {
    let dir = case.world.new.join("source").join(case.suite.name);
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in files_below(&dir)? {
        if file.extension().is_none_or(|extension| extension != "dsc") {
            continue;
        }
        let path = dir.join(&file);
        let dsc =
            signed(&fs::read_to_string(&path).during(format_args!("reading {}", path.display()))?)?;
        let source = dsc.get("Source").unwrap_or_default().to_owned();
        if !wanted(&source) {
            continue;
        }
        count += 1;
        wrong.extend(one(case, &file.to_string_lossy(), &source, &dsc)?);
    }
    match (count, wrong.is_empty()) {
        (0, _) => Err(Stop::failed(format!(
            "no source package in {}",
            dir.display()
        ))),
        (_, true) => Ok(()),
        _ => Err(Stop::failed(wrong.join("\n"))),
    }
}

/// The paragraph within an OpenPGP clear-text signature, or the only one.
fn signed(text: &str) -> Result<Paragraph, Stop> {
    let body = match text.split_once("\n\n") {
        Some((head, rest)) if head.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") => rest
            .split("-----BEGIN PGP SIGNATURE-----")
            .next()
            .unwrap_or_default(),
        _ => text,
    };
    parse_paragraphs(body)
        .ok()
        .and_then(|mut all| (!all.is_empty()).then(|| all.remove(0)))
        .ok_or_else(|| Stop::failed("a .dsc is not readable"))
}

fn one(case: &Case, dsc: &str, source: &str, fields: &Paragraph) -> Result<Vec<String>, Stop> {
    let depends = fields.get("Build-Depends").unwrap_or_default();
    let base = bases::build(case.suite, depends, &|_| ())?;
    let trial = Trial::new(&base)?;
    let uploads = case.world.new.join("source").join(case.suite.name);
    trial.bind(&uploads, "/srv/source")?;
    let script = format!(
        "exec 2>&1\nmkdir /build\ncd /build\ndpkg-source --no-check -x /srv/source/{dsc} tree\ncd tree\ndpkg-buildpackage -us -uc -b\nmkdir /out\nmv ../*.deb /out"
    );
    let output = trial
        .command(Network::Off, &["sh", "-euc", &script])
        .stdin(Stdio::null())
        .output()
        .during("running dpkg-buildpackage")?;
    let log = String::from_utf8_lossy(&output.stdout);
    case.note(&log);
    if !output.status.success() {
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(25)..].join("\n");
        return Ok(vec![format!("{source} does not build:\n{last}")]);
    }
    let scratch = case
        .world
        .scratch
        .join(format!("compare-{}-{source}", case.suite.name));
    fresh_dir(&scratch)?;
    let built = scratch.join("built.deb");
    let bytes = trial.feed(&["sh", "-euc", "cat /out/*.deb"], b"")?;
    fs::write(&built, bytes.stdout).during("keeping a built package")?;
    let ours = bases::packages(&case.world.new, case.suite)?
        .iter()
        .find(|package| package.get("Package") == Some(source))
        .and_then(|package| package.get("Filename").map(str::to_owned))
        .ok_or_else(|| Stop::failed(format!("{source} is not in the repository")))?;
    let left = compare::read_deb(&case.world.new.join("apt").join(ours), &scratch.join("l"))?;
    let right = compare::read_deb(&built, &scratch.join("r"))?;
    let found = compare::debs(&left, &right);
    if found.is_empty() {
        let _ = fs::remove_dir_all(&scratch);
    }
    Ok(found
        .into_iter()
        .map(|line| format!("{source}, hapkg's against dpkg-buildpackage's: {line}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::signed;

    #[test]
    fn a_signed_dsc_is_read_like_a_plain_one() {
        let plain = "Format: 3.0 (native)\nSource: x\n";
        let clear = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{plain}\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
        );
        assert_eq!(signed(plain).unwrap().get("Source"), Some("x"));
        assert_eq!(signed(&clear).unwrap().get("Source"), Some("x"));
        assert!(signed("").is_err());
    }
}
