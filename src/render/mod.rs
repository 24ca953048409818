//! A recipe as a debian/ tree and as the binary package that dh would build.

mod copyright;
pub mod debconf;
mod dh;
mod facts;
pub mod installer;
mod payload;
mod relations;
mod sample;
mod source;
pub mod tasks;
mod templates;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use debcrate::{BinaryPackage, Paragraph, Tree};

use crate::recipe::model::{Kind, Recipe};
use crate::recipe::suite::Suite;
use crate::recipe::view;

use debconf::Catalogs;
use facts::Facts;
use payload::Payload;

pub use facts::build_depends;

/// What a package is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    pub recipe: &'a Recipe,
    pub suite: &'static Suite,
    /// Content of the files that `[[file]] source` names, by that name.
    pub sources: &'a BTreeMap<String, Vec<u8>>,
    pub catalogs: &'a Catalogs,
    /// Every role, for the tasks package.
    pub roles: &'a [Recipe],
    /// The node program's Cargo source with its vendored crates and its
    /// manual page `ubuntu-ha.8`.
    pub node_tree: Option<&'a Tree>,
    /// The node program as the suite's own toolchain built it.
    pub node_build: Option<&'a NodeBuild>,
    /// Items for the newest changelog entry.
    pub dependency_changes: &'a [String],
}

/// The node program, stripped as dh_strip leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBuild {
    pub binary: Vec<u8>,
    /// What dpkg-shlibdeps found: `libc6 (>= 2.39), libgcc-s1 (>= 4.2)`.
    pub shlibs_depends: String,
}

/// A source package, and the binary package built from it.
#[derive(Debug)]
pub struct Rendered {
    pub package: String,
    pub version: String,
    pub source_tree: Tree,
    /// Fields of the .dsc up to Package-List; the writer adds the checksums.
    pub dsc_fields: Paragraph,
    /// None while the node program is not built.
    pub binary: Option<BinaryPackage>,
    /// What the apt index says in its field Task, so that `apt install NAME^`
    /// works. As in the distributions' own archives the field is the index's
    /// alone: lintian knows none of that name in a package.
    pub task: Option<String>,
    /// Seconds since 1970 of the newest changelog entry.
    pub mtime: u64,
}

/// Renders the package of a recipe for a suite.
///
/// # Errors
/// See [`Error`]; a recipe that passed the check gives none of them.
pub fn render(inputs: &Inputs) -> Result<Rendered, Error> {
    let recipe = inputs.recipe;
    refuse_blanks(recipe)?;
    let view = view::for_suite(recipe, inputs.suite);
    let is_node = recipe.role.kind == Kind::Node;
    let node_tree = inputs.node_tree.filter(|_| is_node);
    if is_node && node_tree.is_none() {
        return Err(Error::NoNodeSource);
    }
    let debconf =
        debconf::debconf(&view, inputs.catalogs).map_err(|e| Error::Debconf(e.to_string()))?;
    let payload = Payload::new(inputs)?;
    let licenses = copyright::stanzas(node_tree)?;
    let asks = debconf
        .as_ref()
        .is_some_and(|files| !files.templates_source.is_empty());
    let facts = Facts::new(inputs, &view, &payload, asks, licenses)?;
    let texts = source::Texts::render(&facts)?;
    let source_tree = source::tree(&facts, &texts, &payload, debconf.as_ref(), node_tree)?;
    let node_page = node_tree.and_then(|tree| tree.data(source::NODE_PAGE));
    let own_page = facts.manpage_name();
    let documents = dh::Documents {
        changelog: &texts.changelog,
        copyright: &texts.copyright,
        readme: &texts.readme,
        manpage: match (is_node, node_page) {
            (true, page) => page.map(|page| (source::NODE_PAGE, page)),
            (false, _) => Some((own_page.as_str(), texts.manpage.as_bytes())),
        },
    };
    let shlibs = inputs.node_build.map(|build| build.shlibs_depends.as_str());
    let binary = dh::binary(
        &view,
        &facts,
        &payload,
        &documents,
        debconf.as_ref(),
        shlibs.filter(|_| is_node),
    )?;
    Ok(Rendered {
        task: recipe.tasksel.as_ref().map(|_| view.package.clone()),
        dsc_fields: source::dsc(&facts)?,
        source_tree,
        binary,
        mtime: facts::dates(recipe)?[0].seconds as u64,
        package: view.package,
        version: view.version,
    })
}

/// Fields must say something: an empty one is not written at all.
fn refuse_blanks(recipe: &Recipe) -> Result<(), Error> {
    let role = &recipe.role;
    let fields = [
        ("role.summary", Some(&role.summary)),
        ("role.description", Some(&role.description)),
        ("role.maintainer", Some(&role.maintainer)),
        ("role.homepage", role.homepage.as_ref()),
    ];
    let authors = recipe
        .changelog
        .iter()
        .map(|change| ("changelog.author", change.author.as_ref()));
    for (name, value) in fields.into_iter().chain(authors) {
        if value.is_some_and(|value| text::line(value).is_empty()) {
            return Err(Error::Blank(name));
        }
    }
    Ok(())
}

/// Why a recipe could not be rendered.
#[derive(Debug)]
pub enum Error {
    /// A field of the recipe that holds nothing but blanks.
    Blank(&'static str),
    /// A template and what it is given do not fit.
    Template(String),
    /// The debconf side could not be rendered.
    Debconf(String),
    /// tasksel would misread the description.
    Desc(Vec<String>),
    /// A date of the changelog is no RFC 3339 date and time.
    Date(String),
    NoChangelog,
    /// What is wrong with a package relation.
    Relation(String),
    /// A `[[file]]` path that dh_install could not handle.
    Path(String),
    /// Path and mode of a `[[file]]`.
    Mode(String, String),
    /// A `[[file]]` whose content was not given.
    MissingSource(String),
    /// A vendored crate, and what is wrong with its license.
    License(String, String),
    NoNodeSource,
    /// `PACKAGE/QUESTION` whose answer ends with a backslash.
    Preseed(String),
    /// The package format refuses a value or a path.
    Format(String),
}

impl From<tera::Error> for Error {
    fn from(error: tera::Error) -> Self {
        Error::Template(error.to_string())
    }
}

impl From<debcrate::Error> for Error {
    fn from(error: debcrate::Error) -> Self {
        Error::Format(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Blank(name) => write!(f, "{name} is blank; fill it or leave it out"),
            Error::Template(text) | Error::Debconf(text) | Error::Format(text) => f.write_str(text),
            Error::Desc(problems) => write!(f, "the task description: {}", problems.join("; ")),
            Error::Date(text) => write!(
                f,
                "the changelog date {text:?} is none; write one such as 2026-11-01T12:00:00Z"
            ),
            Error::NoChangelog => f.write_str("there is no [[changelog]] entry; add one"),
            Error::Relation(text) => write!(f, "a package relation {text}"),
            Error::Path(path) => write!(
                f,
                "the file path {path:?} is not plain; write an absolute path of letters, digits and `._-+@:`"
            ),
            Error::Mode(path, mode) => {
                write!(f, "the mode {mode:?} of {path} is none; write 0644 or 0755")
            }
            Error::MissingSource(path) => {
                write!(f, "{path} has no content; give it `content` or `source`")
            }
            Error::License(name, what) => write!(f, "the vendored crate {name} {what}"),
            Error::Preseed(question) => write!(
                f,
                "the answer to {question} ends with a backslash, and a preseed file would take the \
                 next line for its end; choose another one"
            ),
            Error::NoNodeSource => f.write_str(
                "the node program's source is not at hand; build it from hapkg's own source",
            ),
        }
    }
}

impl std::error::Error for Error {}
