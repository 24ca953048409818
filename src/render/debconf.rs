//! The debconf side of a package: templates, their translations, and the
//! maintainer scripts that ask, hand over, and purge.

mod catalog;
mod gettext;
mod merge;
mod scripts;
mod template;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use crate::recipe::model::Recipe;
use crate::recipe::view::SuiteView;

pub use catalog::{CatalogError, Catalogs};
pub use scripts::{SETUP_UNIT, answers_file};

/// What debconf and dpkg need of a package, as text. What the recipe does not
/// call for is empty: without questions only the scripts of hooks are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebconfFiles {
    /// `debian/templates`, the source of po-debconf(7).
    pub templates_source: String,
    /// `debian/po/templates.pot`.
    pub templates_pot: String,
    /// `debian/po/LANGUAGE.po` by language.
    pub po: BTreeMap<String, String>,
    /// `debian/po/POTFILES.in`.
    pub potfiles: String,
    /// The control file `templates`, as po2debconf(1) merges it.
    pub templates_binary: String,
    /// `debian/config`, and the control file of that name.
    pub config: String,
    /// The scripts of `debian/`, each with its `#DEBHELPER#` line.
    pub postinst: String,
    pub prerm: String,
    pub postrm: String,
}

/// Why a recipe has no debconf side.
#[derive(Debug)]
pub enum Error {
    /// Text that no escaping can put there.
    Text {
        /// Where the text stands: `question vip: default`.
        place: String,
        /// What is wrong with it and what to write instead.
        message: String,
    },
    /// A template of `debian-templates/` failed.
    Template(tera::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Text { place, message } => write!(f, "{place} {message}"),
            Error::Template(error) => write!(f, "rendering the debconf files: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Text { .. } => None,
            Error::Template(error) => Some(error),
        }
    }
}

impl From<tera::Error> for Error {
    fn from(error: tera::Error) -> Error {
        Error::Template(error)
    }
}

/// Renders the debconf side of a package. `None` for a recipe with neither
/// question nor hook.
///
/// # Errors
/// A name, default, choice or hook holds what cannot stand where it belongs.
pub fn debconf(view: &SuiteView, catalogs: &Catalogs) -> Result<Option<DebconfFiles>, Error> {
    let recipe = view.recipe;
    let mut files = DebconfFiles {
        postinst: scripts::postinst(view)?,
        prerm: scripts::prerm(view)?,
        postrm: scripts::postrm(view)?,
        templates_source: String::new(),
        templates_pot: String::new(),
        po: BTreeMap::new(),
        potfiles: String::new(),
        templates_binary: String::new(),
        config: String::new(),
    };
    if recipe.question.is_empty() {
        let hooks = [&files.postinst, &files.prerm, &files.postrm];
        let idle = hooks.iter().all(|script| script.is_empty());
        return Ok((!idle).then_some(files));
    }
    let templates = template::templates(recipe)?;
    let head = gettext::Head {
        package: &view.package,
        date: recipe.changelog.first().map_or("", |entry| &entry.date),
    };
    files.templates_source = template::source(&templates)?;
    files.templates_pot = gettext::pot(&head, &templates);
    files.po = catalogs
        .languages()
        .map(|language| {
            let po = gettext::po(&head, language, catalogs, &templates);
            (language.to_owned(), po)
        })
        .collect();
    files.potfiles = gettext::potfiles(&templates);
    files.templates_binary = merge::merge(&files.templates_source, &templates, catalogs);
    files.config = scripts::config(view)?;
    Ok(Some(files))
}

/// Every string of a recipe's templates that translators see, in the order
/// of `templates.pot`: the recipe's own and those of the error messages.
///
/// # Errors
/// As [`debconf`].
pub fn messages(recipe: &Recipe) -> Result<Vec<String>, Error> {
    if recipe.question.is_empty() {
        return Ok(Vec::new());
    }
    let templates = template::templates(recipe)?;
    let entries = gettext::entries(&templates);
    Ok(entries
        .into_iter()
        .map(|entry| entry.text.to_owned())
        .collect())
}
