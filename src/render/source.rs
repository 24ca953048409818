//! The source package: the package's files and the rendered `debian/`.

use debcrate::{Entry, Paragraph, Tree};

use crate::recipe::model::Kind;

use super::debconf::DebconfFiles;
use super::facts::Facts;
use super::payload::{COMPLETIONS, Payload};
use super::{Error, dh, templates, text};

/// The node program's manual page in its source tree.
pub const NODE_PAGE: &str = "ubuntu-ha.8";

/// The rendered files of `debian/`, without those of debconf.
pub struct Texts {
    pub control: String,
    pub changelog: String,
    pub copyright: String,
    pub rules: String,
    pub install: String,
    pub manpages: String,
    pub clean: Option<String>,
    pub source_format: String,
    pub readme: String,
    pub manpage: String,
    pub tests_control: String,
    pub test: String,
}

impl Texts {
    /// Renders every template once.
    ///
    /// # Errors
    /// A template names what the facts lack.
    pub fn render(facts: &Facts) -> Result<Texts, Error> {
        let context = templates::context(facts)?;
        let render = |name| templates::with(name, &context);
        Ok(Texts {
            control: render("control")?,
            changelog: render("changelog")?,
            copyright: render("copyright")?,
            rules: render("rules")?,
            install: render("install")?,
            manpages: render("manpages")?,
            clean: match facts.kind {
                Kind::Node => Some(render("clean")?),
                _ => None,
            },
            source_format: render("source-format")?,
            readme: render("README.Debian")?,
            manpage: match facts.kind {
                Kind::Node => String::new(),
                _ => render("man.7")?,
            },
            tests_control: render("tests-control")?,
            test: render("tests-install-and-configure")?,
        })
    }
}

impl Facts {
    /// `ubuntu-ha-vip.7`.
    pub fn manpage_name(&self) -> String {
        format!("{}.7", self.package)
    }
}

/// The whole source tree.
///
/// # Errors
/// A path that a source package refuses.
pub fn tree(
    facts: &Facts,
    texts: &Texts,
    payload: &Payload,
    debconf: Option<&DebconfFiles>,
    node_tree: Option<&Tree>,
) -> Result<Tree, Error> {
    let mut tree = Tree::new();
    for (path, entry) in node_tree.iter().flat_map(|tree| tree.iter()) {
        let moved = COMPLETIONS.iter().any(|(from, _)| *from == path);
        if let (Entry::File { data, mode }, false) = (entry, moved) {
            tree.file(path, data.clone(), *mode)?;
        }
    }
    for file in &payload.files {
        // What the build makes has no place in the source.
        if let (Some(data), false) = (&file.data, file.source.starts_with("target/")) {
            tree.file(&file.source, data.clone(), file.mode)?;
        }
    }
    let mut debian = |name: &str, text: &str, mode: u32| {
        tree.file(&format!("debian/{name}"), text.as_bytes().to_vec(), mode)
    };
    debian("control", &texts.control, 0o644)?;
    debian("changelog", &texts.changelog, 0o644)?;
    debian("copyright", &texts.copyright, 0o644)?;
    debian("rules", &texts.rules, 0o755)?;
    debian("install", &texts.install, 0o644)?;
    debian("README.Debian", &texts.readme, 0o644)?;
    debian("source/format", &texts.source_format, 0o644)?;
    debian("manpages", &texts.manpages, 0o644)?;
    debian("tests/control", &texts.tests_control, 0o644)?;
    debian("tests/install-and-configure", &texts.test, 0o755)?;
    if let Some(clean) = &texts.clean {
        debian("clean", clean, 0o644)?;
    }
    if facts.kind != Kind::Node {
        debian(&facts.manpage_name(), &texts.manpage, 0o644)?;
    }
    if let Some(files) = debconf {
        if !files.templates_source.is_empty() {
            debian("templates", &files.templates_source, 0o644)?;
            debian("po/POTFILES.in", &files.potfiles, 0o644)?;
            debian("po/templates.pot", &files.templates_pot, 0o644)?;
            for (language, text) in &files.po {
                debian(&format!("po/{language}.po"), text, 0o644)?;
            }
        }
        for (name, script) in dh::debconf_scripts(files) {
            debian(name, script, 0o644)?;
        }
    }
    Ok(tree)
}

/// Fields of the .dsc in dpkg-source's order, up to Package-List.
///
/// # Errors
/// A value that a field cannot hold.
pub fn dsc(facts: &Facts) -> Result<Paragraph, Error> {
    let mut dsc = Paragraph::new();
    dsc.set("Format", "3.0 (native)")?;
    dsc.set("Source", &facts.source)?;
    dsc.set("Binary", &facts.package)?;
    dsc.set("Architecture", facts.architecture)?;
    dsc.set("Version", &facts.version)?;
    dsc.set("Maintainer", &text::line(&facts.maintainer))?;
    if let Some(homepage) = &facts.homepage {
        dsc.set("Homepage", &text::line(homepage))?;
    }
    dsc.set("Standards-Version", facts.standards_version)?;
    dsc.set("Testsuite", "autopkgtest")?;
    dsc.set("Build-Depends", &facts.build_depends.join(", "))?;
    dsc.set(
        "Package-List",
        &format!(
            "\n{} deb {} optional arch={}",
            facts.package, facts.section, facts.architecture
        ),
    )?;
    Ok(dsc)
}
