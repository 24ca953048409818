//! One recipe for one suite: rendered, packed, and its digest taken.

use std::collections::BTreeMap;
use std::path::PathBuf;

use debcrate::{Checksums, Entry, Paragraph, SourceFiles, Tree};

use super::gather::Loaded;
use super::node::Program;
use super::{BuiltFile, least, previous};
use crate::failure::Failure;
use crate::recipe::model::{Kind, Recipe};
use crate::recipe::suite::{Packing, Suite};
use crate::recipe::{date, view};
use crate::render::debconf::Catalogs;
use crate::render::{self, Inputs, NodeBuild, Rendered};

/// What every package of a build is made with.
#[derive(Debug)]
pub struct Workshop {
    /// All roles, for the tasks package.
    pub roles: Vec<Recipe>,
    /// Versions of the node package and the agents, by package.
    pub versions: BTreeMap<String, String>,
    pub catalogs: Catalogs,
    pub program: Program,
    pub cache: PathBuf,
    /// Whether source packages are wanted.
    pub source: bool,
}

/// A package ready to be put into the repository.
#[derive(Debug)]
pub struct Product {
    pub suite: &'static Suite,
    pub kind: Kind,
    pub package: String,
    pub version: String,
    pub maintainer: String,
    /// The .deb's control paragraph.
    pub control: Paragraph,
    /// Its task, for the index: no suite's lintian takes the field in a .deb.
    pub task: Option<String>,
    pub deb: Vec<u8>,
    pub checksums: Checksums,
    /// The source package, when wanted.
    pub source: Option<Source>,
    /// Seconds since 1970 of the newest changelog entry.
    pub mtime: u64,
    /// Where the recipe was read.
    pub recipe: PathBuf,
}

/// A source package and its changelog.
#[derive(Debug)]
pub struct Source {
    pub files: SourceFiles,
    pub changelog: String,
}

/// What differs in how the packages of a recipe come about.
pub struct Parts {
    pub deb: Vec<u8>,
    /// What the apt index says in its field Task.
    pub task: Option<String>,
    pub source: Option<Source>,
}

impl Product {
    /// `NAME_VERSION_ARCH.deb`.
    pub fn deb_name(&self) -> String {
        let architecture = self.control.get("Architecture").unwrap_or("all");
        format!("{}_{}_{architecture}.deb", self.package, self.version)
    }

    /// A file of this package as the build's result names it.
    pub fn built(&self, path: String, sha256: &str) -> BuiltFile {
        BuiltFile {
            package: self.package.clone(),
            version: self.version.clone(),
            suite: self.suite.name.to_string(),
            path,
            sha256: sha256.to_string(),
        }
    }
}

impl Workshop {
    /// Makes one package. `known` are the control paragraphs that the suite's
    /// repository already has.
    ///
    /// # Errors
    /// Rendering failed, or the node program could not be built.
    pub fn make(
        &self,
        suite: &'static Suite,
        one: &Loaded,
        known: &[Paragraph],
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Product, Failure> {
        let parts = if one.recipe.role.kind == Kind::Node {
            self.make_node(suite, one, known, say)?
        } else {
            self.make_plain(suite, one, known)?
        };
        finish(suite, one, parts)
    }

    fn make_plain(
        &self,
        suite: &'static Suite,
        one: &Loaded,
        known: &[Paragraph],
    ) -> Result<Parts, Failure> {
        let view = view::for_suite(&one.recipe, suite);
        let mut recipe = one.recipe.clone();
        let own = (view.package.as_str(), view.version.as_str());
        least::ask_for(&mut recipe, &self.versions, known, own);
        let one = &Loaded {
            path: one.path.clone(),
            recipe,
            sources: one.sources.clone(),
        };
        let first = self.render(suite, one, None, None, &[])?;
        let changes = match &first.binary {
            Some(binary) => dependency_changes(known, &binary.control),
            None => Vec::new(),
        };
        let rendered = if changes.is_empty() {
            first
        } else {
            self.render(suite, one, None, None, &changes)?
        };
        Ok(Parts {
            deb: pack(suite, &rendered)?,
            task: rendered.task.clone(),
            source: if self.source {
                Some(source(&rendered)?)
            } else {
                None
            },
        })
    }

    /// Renders the package; the node package needs its source tree, and its
    /// program for a binary package to come out.
    ///
    /// # Errors
    /// See [`render::render`].
    pub fn render(
        &self,
        suite: &'static Suite,
        one: &Loaded,
        node_tree: Option<&Tree>,
        node_build: Option<&NodeBuild>,
        dependency_changes: &[String],
    ) -> Result<Rendered, Failure> {
        render::render(&Inputs {
            recipe: &one.recipe,
            suite,
            sources: &one.sources,
            catalogs: &self.catalogs,
            roles: &self.roles,
            node_tree,
            node_build,
            dependency_changes,
        })
        .map_err(|e| Failure::no(format!("{}: {e}", one.path.display())))
    }
}

fn finish(suite: &'static Suite, one: &Loaded, parts: Parts) -> Result<Product, Failure> {
    let view = view::for_suite(&one.recipe, suite);
    let control = control(&parts.deb)?;
    let newest = one
        .recipe
        .changelog
        .first()
        .and_then(|entry| date::parse(&entry.date));
    Ok(Product {
        suite,
        kind: one.recipe.role.kind,
        maintainer: one.recipe.role.maintainer.clone(),
        task: parts.task,
        package: view.package,
        version: view.version,
        checksums: Checksums::of(&parts.deb),
        control,
        deb: parts.deb,
        source: parts.source,
        mtime: newest
            .and_then(|date| u64::try_from(date.seconds).ok())
            .unwrap_or_default(),
        recipe: one.path.clone(),
    })
}

/// Writes the .deb of a rendered package.
///
/// # Errors
/// The package has no binary part, or a field of it is no legal one.
pub fn pack(suite: &Suite, rendered: &Rendered) -> Result<Vec<u8>, Failure> {
    let binary = rendered
        .binary
        .as_ref()
        .ok_or_else(|| Failure::no(format!("{} renders no binary package", rendered.package)))?;
    let compression = match suite.packing {
        Packing::Xz => debcrate::Compression::Xz,
        Packing::Zstd => debcrate::Compression::Zstd,
    };
    let mut deb = Vec::new();
    debcrate::write_deb(&mut deb, binary, rendered.mtime, compression)
        .map_err(|e| Failure::no(format!("{}: {e}", rendered.package)))?;
    Ok(deb)
}

/// Writes the source package of a rendered package.
///
/// # Errors
/// A field of it is no legal one.
pub fn source(rendered: &Rendered) -> Result<Source, Failure> {
    let files = debcrate::write_source(
        &rendered.dsc_fields,
        &rendered.package,
        &rendered.version,
        &rendered.source_tree,
        rendered.mtime,
    )
    .map_err(|e| Failure::no(format!("{}: {e}", rendered.package)))?;
    let changelog = match rendered.source_tree.get("debian/changelog") {
        Some(Entry::File { data, .. }) => String::from_utf8_lossy(data).into_owned(),
        _ => {
            return Err(Failure::no(format!(
                "{} renders no changelog",
                rendered.package
            )));
        }
    };
    Ok(Source { files, changelog })
}

/// What changed in the relations since the newest older version that is known.
pub fn dependency_changes(known: &[Paragraph], control: &Paragraph) -> Vec<String> {
    let field = |name| control.get(name).unwrap_or_default();
    previous::find(known, field("Package"), field("Version"))
        .map(|old| previous::dependency_changes(old, control))
        .unwrap_or_default()
}

/// The control paragraph of a .deb.
///
/// # Errors
/// It is none: a damaged cache.
pub fn control(deb: &[u8]) -> Result<Paragraph, Failure> {
    debcrate::read_control(deb)
        .map_err(|e| Failure::environment(format!("reading a package back: {e}")))
}
