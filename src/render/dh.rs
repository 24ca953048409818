//! What debhelper (compat 13) and dpkg-gencontrol make of a source tree with
//! our `debian/`. Checked against the real ones by `tests/render_equals_dpkg`.

use std::collections::BTreeMap;

use debcrate::{BinaryPackage, Paragraph, Tree};

use crate::recipe::model::Kind;
use crate::recipe::relation::{Relation, parse};
use crate::recipe::view::SuiteView;

use super::debconf::DebconfFiles;
use super::facts::Facts;
use super::payload::Payload;
use super::{Error, relations, text};

/// What dh_installdebconf adds to `${misc:Depends}`.
const DEBCONF: &str = "debconf (>= 0.5) | debconf-2.0";

/// Documents that dh installs by their own helpers.
pub struct Documents<'a> {
    pub changelog: &'a str,
    pub copyright: &'a str,
    pub readme: &'a str,
    /// Name with its section, `ubuntu-ha.8`, and the page itself.
    pub manpage: Option<(&'a str, &'a [u8])>,
}

/// The package that dpkg-buildpackage would make; none while a file of it is
/// still to be built. md5sums and Installed-Size are left to the writer.
///
/// # Errors
/// A relation that is none, a path that the package refuses.
pub fn binary(
    view: &SuiteView,
    facts: &Facts,
    payload: &Payload,
    documents: &Documents,
    debconf: Option<&DebconfFiles>,
    shlibs_depends: Option<&str>,
) -> Result<Option<BinaryPackage>, Error> {
    let mut files: BTreeMap<String, (Vec<u8>, u32)> = BTreeMap::new();
    for file in &payload.files {
        let Some(data) = &file.data else {
            return Ok(None);
        };
        files.insert(file.path.clone(), (data.clone(), file.mode));
    }
    let doc = format!("usr/share/doc/{}", view.package);
    for (name, text) in [
        ("changelog", documents.changelog),
        ("copyright", documents.copyright),
        ("README.Debian", documents.readme),
    ] {
        files.insert(format!("{doc}/{name}"), (text.as_bytes().to_vec(), 0o644));
    }
    if let Some((name, page)) = documents.manpage {
        let section = name.rsplit_once('.').map_or("7", |(_, section)| section);
        files.insert(
            format!("usr/share/man/man{section}/{name}"),
            (page.to_vec(), 0o644),
        );
    }

    let mut data = Tree::new();
    let mut conffiles = String::new();
    for (path, (content, mode)) in files {
        if path.starts_with("etc/") {
            conffiles += &format!("/{path}\n");
        }
        if is_compressed(&path, content.len()) {
            let mode = fixed_mode(&path, mode & !0o111);
            data.file(&format!("{path}.gz"), debcrate::gzip(&content), mode)?;
        } else {
            let mode = fixed_mode(&path, mode);
            data.file(&path, content, mode)?;
        }
    }

    let mut control_files = BTreeMap::new();
    if !conffiles.is_empty() {
        control_files.insert("conffiles".to_owned(), (conffiles.into_bytes(), 0o644));
    }
    if let Some(debconf) = debconf {
        if !debconf.templates_binary.is_empty() {
            let text = debconf.templates_binary.clone().into_bytes();
            control_files.insert("templates".to_owned(), (text, 0o644));
        }
        for (name, script) in debconf_scripts(debconf) {
            let text = script.replace("#DEBHELPER#", "").into_bytes();
            control_files.insert(name.to_owned(), (text, 0o755));
        }
    }
    Ok(Some(BinaryPackage {
        control: control(view, facts, debconf, shlibs_depends)?,
        control_files,
        data,
    }))
}

/// The maintainer scripts that the package has.
pub fn debconf_scripts(files: &DebconfFiles) -> impl Iterator<Item = (&'static str, &str)> {
    [
        ("config", files.config.as_str()),
        ("postinst", files.postinst.as_str()),
        ("prerm", files.prerm.as_str()),
        ("postrm", files.postrm.as_str()),
    ]
    .into_iter()
    .filter(|(_, script)| !script.is_empty())
}

/// DEBIAN/control in dpkg's order of fields.
fn control(
    view: &SuiteView,
    facts: &Facts,
    debconf: Option<&DebconfFiles>,
    shlibs_depends: Option<&str>,
) -> Result<Paragraph, Error> {
    let mut control = Paragraph::new();
    control.set("Package", &view.package)?;
    control.set("Version", &view.version)?;
    let architecture = match facts.kind {
        Kind::Node => "amd64",
        _ => "all",
    };
    control.set("Architecture", architecture)?;
    control.set("Maintainer", &text::line(&facts.maintainer))?;

    let read = |list: &[String]| relations::read(list).map_err(Error::Relation);
    let mut depends = read(&view.packages.depends)?;
    if debconf.is_some_and(|files| !files.templates_binary.is_empty() || !files.config.is_empty()) {
        depends.push(parse(DEBCONF).map_err(Error::Relation)?);
    }
    for relation in shlibs_depends.iter().flat_map(|list| list.split(',')) {
        depends.push(parse(relation.trim()).map_err(Error::Relation)?);
    }
    let mut stronger = Vec::new();
    for (name, list) in [
        ("Depends", depends),
        ("Recommends", read(&view.packages.recommends)?),
        ("Suggests", read(&view.packages.suggests)?),
    ] {
        let list = relations::simplify(&view.package, &list, &stronger);
        set_relations(&mut control, name, &list)?;
        stronger.extend(list);
    }
    for (name, list) in [
        ("Conflicts", &view.packages.conflicts),
        ("Breaks", &view.packages.breaks),
        ("Replaces", &view.packages.replaces),
        ("Provides", &view.packages.provides),
    ] {
        set_relations(&mut control, name, &relations::union(&read(list)?))?;
    }
    control.set("Section", facts.section)?;
    control.set("Priority", "optional")?;
    if let Some(homepage) = &facts.homepage {
        control.set("Homepage", &text::line(homepage))?;
    }
    control.set(
        "Description",
        &description(&facts.summary, &facts.description),
    )?;
    Ok(control)
}

fn set_relations(control: &mut Paragraph, name: &str, list: &[Relation]) -> Result<(), Error> {
    if !list.is_empty() {
        let list: Vec<String> = list.iter().map(Relation::to_string).collect();
        control.set(name, &list.join(", "))?;
    }
    Ok(())
}

/// The field as a [`Paragraph`] holds it: lines without their first blank,
/// a full stop as an empty line.
fn description(summary: &str, description: &str) -> String {
    let mut value = text::line(summary);
    for line in text::extended(description).lines() {
        value.push('\n');
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line != "." {
            value.push_str(line);
        }
    }
    value
}

/// Whether dh_compress gzips a file: changelogs and manual pages always,
/// other documents from 4097 bytes on.
fn is_compressed(path: &str, size: usize) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|end| lower.ends_with(end));
    if path.starts_with("usr/share/man/") || path.starts_with("usr/share/info/") {
        return !ends(&[".gz", ".gif", ".png", ".jpg", ".jpeg"]);
    }
    let Some(rest) = path.strip_prefix("usr/share/doc/") else {
        return false;
    };
    let in_examples = rest.split('/').nth(1) == Some("examples") && rest.matches('/').count() > 1;
    let kept = ends(&[
        ".xhtml",
        ".gif",
        ".png",
        ".jpg",
        ".jpeg",
        ".gz",
        ".taz",
        ".tgz",
        ".z",
        ".bz2",
        "-gz",
        "-z",
        "_z",
        ".epub",
        ".jar",
        ".zip",
        ".odg",
        ".odp",
        ".odt",
        ".htaccess",
        ".css",
        ".xz",
        ".lz",
        ".lzma",
        ".haddock",
        ".hs",
        ".woff",
        ".woff2",
        ".svg",
        ".svgz",
        ".js",
        ".map",
        ".devhelp2",
    ]) || [
        "index.sgml",
        "objects.inv",
        "search_index.json",
        "copyright",
    ]
    .contains(&name)
        || (lower.contains(".htm") && name != "changelog.html");
    let always = name.starts_with("changelog") || name.starts_with("NEWS");
    !in_examples && !kept && (always || size > 4096)
}

/// The mode that dh_fixperms leaves.
fn fixed_mode(path: &str, mode: u32) -> u32 {
    let name = path.rsplit('/').next().unwrap_or(path);
    let below = |dirs: &[&str]| {
        dirs.iter().any(|dir| {
            path.strip_prefix(dir)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let mut fixed = (mode & 0o100) | 0o644;
    if mode & 0o111 != 0 {
        fixed |= 0o011;
    }
    let mut parts = path
        .strip_prefix("usr/share/doc/")
        .unwrap_or_default()
        .split('/');
    let example = parts.nth(1) == Some("examples") && parts.next().is_some();
    let plain_ending = [
        ".so", ".la", ".a", ".js", ".css", ".scss", ".sass", ".jpeg", ".jpg", ".png", ".gif",
        ".cmxs", ".node",
    ]
    .iter()
    .any(|ending| name.ends_with(ending));
    if (below(&["usr/share/doc"]) && !example)
        || below(&[
            "usr/share/man",
            "usr/include",
            "usr/share/applications",
            "usr/share/lintian/overrides",
        ])
        || plain_ending
        || name.contains(".so.")
    {
        fixed = 0o644;
    }
    if below(&[
        "usr/bin",
        "bin",
        "usr/sbin",
        "sbin",
        "usr/games",
        "usr/libexec",
        "etc/init.d",
    ]) {
        fixed |= 0o111;
    }
    if below(&["etc/sudoers.d"]) {
        fixed = 0o440;
    }
    fixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_compressed_as_dh_compress_does() {
        for (path, size, wanted) in [
            ("usr/share/doc/a/changelog", 1, true),
            ("usr/share/doc/a/README.Debian", 4096, false),
            ("usr/share/doc/a/README.Debian", 4097, true),
            ("usr/share/doc/a/copyright", 9999, false),
            ("usr/share/doc/a/examples/long", 9999, false),
            ("usr/share/doc/a/page.html", 9999, false),
            ("usr/share/doc/a/x.svg", 9999, false),
            ("usr/share/man/man7/a.7", 1, true),
            ("usr/share/man/man7/a.7.gz", 1, false),
            ("usr/share/a/long", 9999, false),
        ] {
            assert_eq!(is_compressed(path, size), wanted, "{path} {size}");
        }
    }

    #[test]
    fn modes_are_fixed_as_dh_fixperms_does() {
        for (path, mode, wanted) in [
            ("usr/share/a/x", 0o600, 0o644),
            ("usr/share/a/x", 0o755, 0o755),
            ("usr/share/a/x", 0o744, 0o755),
            ("usr/share/a/x.js", 0o755, 0o644),
            ("usr/share/doc/a/x", 0o755, 0o644),
            ("usr/share/doc/a/examples/x", 0o755, 0o755),
            ("usr/sbin/x", 0o644, 0o755),
            ("usr/lib/ocf/resource.d/ubuntu/x", 0o755, 0o755),
            ("etc/sudoers.d/x", 0o644, 0o440),
        ] {
            assert_eq!(fixed_mode(path, mode), wanted, "{path} {mode:o}");
        }
    }
}
