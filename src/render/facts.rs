//! What the templates of a package know: the recipe in one suite, in words.

use serde::Serialize;

use crate::recipe::date::{self, Date};
use crate::recipe::model::{Kind, Question, QuestionType, Recipe, alternatives};
use crate::recipe::relation::Relation;
use crate::recipe::suite::Suite;
use crate::recipe::view::SuiteView;

use super::copyright::{Crate, License};
use super::payload::Payload;
use super::tasks::Task;
use super::{Error, Inputs, installer, relations, sample, text};

/// Variables of the templates in `debian-templates/`.
#[derive(Debug, Serialize)]
pub struct Facts {
    pub kind: Kind,
    pub role: String,
    pub package: String,
    pub source: String,
    pub version: String,
    pub upstream_version: String,
    pub suite: &'static str,
    pub standards_version: &'static str,
    pub rust_bin_dir: Option<&'static str>,
    pub section: &'static str,
    /// Write what newer policies take for granted: `Priority: optional`,
    /// `Rules-Requires-Root: no`.
    pub spell_defaults: bool,
    pub architecture: &'static str,
    pub maintainer: String,
    pub homepage: Option<String>,
    pub summary: String,
    pub description: String,
    pub build_depends: Vec<String>,
    pub relations: Vec<Field>,
    pub changelog: Vec<Entry>,
    pub date: String,
    pub day: String,
    pub years: String,
    pub crates: Vec<Crate>,
    pub licenses: Vec<License>,
    /// The package has debconf questions or templates.
    pub debconf: bool,
    /// The package installs systemd units.
    pub units: bool,
    pub files: Vec<InstallLine>,
    pub questions: Vec<Asked>,
    pub needs_answer: bool,
    pub answers_file: String,
    pub compiled_file: String,
    pub preseed: Vec<String>,
    pub resources: Vec<Resource>,
    pub shown_files: Vec<ShownFile>,
    pub agents: Vec<String>,
    pub tasks: Vec<Task>,
    /// A task to show the use of tasksel with.
    pub example_task: String,
    /// The line below the title of README.Debian.
    pub rule: String,
    pub what: &'static str,
    pub man_title: String,
    pub manual: &'static str,
    pub see_also: Vec<Page>,
}

/// A relation field of debian/control.
#[derive(Debug, Serialize)]
pub struct Field {
    pub name: &'static str,
    pub packages: Vec<String>,
}

/// An entry of the changelog.
#[derive(Debug, Serialize)]
pub struct Entry {
    pub version: String,
    pub changes: Vec<String>,
    pub author: String,
    pub date: String,
}

/// A line of debian/install.
#[derive(Debug, Serialize)]
pub struct InstallLine {
    pub from: String,
    pub to: String,
}

/// A question as a document shows it.
#[derive(Debug, Serialize)]
pub struct Asked {
    name: String,
    prompt: String,
    help: String,
    /// `address/prefix, priority high`.
    rules: String,
    /// The same as a sentence.
    rules_sentence: String,
}

/// A resource as the man page shows it.
#[derive(Debug, Serialize)]
pub struct Resource {
    id: String,
    agent: String,
}

/// A file with what it is.
#[derive(Debug, Serialize)]
pub struct ShownFile {
    pub path: String,
    pub what: String,
}

/// A man page to read next.
#[derive(Debug, Serialize)]
pub struct Page {
    name: &'static str,
    section: u8,
}

impl Facts {
    /// Collects what the templates need.
    ///
    /// # Errors
    /// A date of the changelog or a relation is none.
    pub fn new(
        inputs: &Inputs,
        view: &SuiteView,
        payload: &Payload,
        debconf: bool,
        (crates, licenses): (Vec<Crate>, Vec<License>),
    ) -> Result<Facts, Error> {
        let recipe = view.recipe;
        let role = recipe.role.name.clone();
        let dates = dates(recipe)?;
        let newest = dates[0];
        let preseed = installer::preseed_lines(recipe, &sample::answers(&recipe.question))?;
        let tasks = match recipe.role.kind {
            Kind::Tasks => super::tasks::tasks(inputs.roles),
            _ => Vec::new(),
        };
        Ok(Facts {
            kind: recipe.role.kind,
            version: view.version.clone(),
            upstream_version: recipe.role.version.clone(),
            suite: view.suite.name,
            standards_version: view.suite.standards_version,
            rust_bin_dir: view.suite.rust_bin_dir,
            section: match recipe.role.kind {
                Kind::Role => "metapackages",
                _ => "admin",
            },
            spell_defaults: policy(view.suite) < [4, 7, 3],
            architecture: match recipe.role.kind {
                Kind::Node => "any",
                _ => "all",
            },
            maintainer: recipe.role.maintainer.clone(),
            homepage: recipe.role.homepage.clone(),
            summary: recipe.role.summary.clone(),
            description: recipe.role.description.clone(),
            build_depends: build_depends(recipe.role.kind, view.suite),
            relations: relation_fields(view)?,
            changelog: changelog(view, &dates, inputs.dependency_changes),
            date: newest.rfc2822(),
            day: newest.day(),
            years: years(&dates),
            crates,
            licenses,
            debconf,
            units: payload.has_units(),
            files: payload.install_lines(),
            questions: recipe.question.iter().map(asked).collect(),
            needs_answer: recipe.question.iter().any(|q| {
                !q.optional && q.when.is_empty() && q.default.as_deref().unwrap_or("").is_empty()
            }),
            answers_file: super::debconf::answers_file(recipe),
            compiled_file: payload.compiled.clone().unwrap_or_default(),
            preseed,
            resources: recipe
                .resource
                .iter()
                .map(|resource| Resource {
                    id: resource.id.clone(),
                    agent: resource.agent.clone(),
                })
                .collect(),
            shown_files: payload.shown_files(recipe),
            agents: payload.agents(),
            example_task: tasks
                .last()
                .map(|task| task.name.clone())
                .unwrap_or_default(),
            tasks,
            rule: "-".repeat(view.package.len() + " for Debian".len()),
            what: match recipe.role.kind {
                Kind::Node => "cluster",
                _ => "role",
            },
            man_title: view.package.to_uppercase(),
            manual: "High availability clusters",
            see_also: see_also(recipe.role.kind),
            role,
            package: view.package.clone(),
            source: view.source.clone(),
        })
    }
}

/// The dates of the changelog, newest first; there is at least one.
pub fn dates(recipe: &Recipe) -> Result<Vec<Date>, Error> {
    let dates: Vec<Date> = recipe
        .changelog
        .iter()
        .map(|change| date::parse(&change.date).ok_or_else(|| Error::Date(change.date.clone())))
        .collect::<Result<_, _>>()?;
    if dates.is_empty() {
        return Err(Error::NoChangelog);
    }
    Ok(dates)
}

fn years(dates: &[Date]) -> String {
    let newest = dates.iter().map(Date::year).max().unwrap_or_default();
    let oldest = dates.iter().map(Date::year).min().unwrap_or_default();
    if newest == oldest {
        newest.to_string()
    } else {
        format!("{oldest}-{newest}")
    }
}

/// The policy version as numbers.
fn policy(suite: &Suite) -> [u32; 3] {
    let mut parts = suite
        .standards_version
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// What a package's source needs to build, as in Build-Depends.
pub fn build_depends(kind: Kind, suite: &Suite) -> Vec<String> {
    let mut list = vec!["debhelper-compat (= 13)".to_owned()];
    if kind == Kind::Node {
        list.extend(
            suite
                .rust_build_depends
                .iter()
                .map(|package| package.to_string()),
        );
    }
    list.sort();
    list
}

fn relation_fields(view: &SuiteView) -> Result<Vec<Field>, Error> {
    let packages = &view.packages;
    let mut fields = Vec::new();
    for (name, list) in [
        ("Depends", &packages.depends),
        ("Recommends", &packages.recommends),
        ("Suggests", &packages.suggests),
        ("Conflicts", &packages.conflicts),
        ("Breaks", &packages.breaks),
        ("Replaces", &packages.replaces),
        ("Provides", &packages.provides),
    ] {
        let list = relations::read(list).map_err(Error::Relation)?;
        let mut packages: Vec<String> = list.iter().map(Relation::to_string).collect();
        if name == "Depends" {
            packages.push("${misc:Depends}".into());
            if view.recipe.role.kind == Kind::Node {
                packages.push("${shlibs:Depends}".into());
            }
        }
        if !packages.is_empty() {
            fields.push(Field { name, packages });
        }
    }
    Ok(fields)
}

/// Every entry with the suite's suffix; what changed in the dependencies
/// since the package was last built belongs to the newest one.
fn changelog(view: &SuiteView, dates: &[Date], dependency_changes: &[String]) -> Vec<Entry> {
    let recipe = view.recipe;
    recipe
        .changelog
        .iter()
        .zip(dates)
        .enumerate()
        .map(|(index, (change, date))| {
            let version = match index {
                0 => view.version.clone(),
                _ => format!("{}{}", change.version, view.suite.version_suffix),
            };
            let mut changes: Vec<String> = change
                .changes
                .iter()
                .filter(|item| !text::line(item).is_empty())
                .cloned()
                .collect();
            if index == 0 {
                changes.extend(dependency_changes.iter().cloned());
            }
            if changes.is_empty() {
                changes.push("Release without a note.".into());
            }
            Entry {
                version,
                changes,
                author: change
                    .author
                    .clone()
                    .unwrap_or_else(|| recipe.role.maintainer.clone()),
                date: date.rfc2822(),
            }
        })
        .collect()
}

fn asked(question: &Question) -> Asked {
    let kind = question.kind.name().replace('-', " ");
    let priority = question.priority.as_str();
    let mut rules = format!("{kind}, priority {priority}");
    let mut sentence = format!("Type {kind}, priority {priority}");
    let default = question.default.as_ref().filter(|text| !text.is_empty());
    if let (Some(default), false) = (default, question.kind == QuestionType::Password) {
        rules += &format!(", default {default}");
        sentence += &format!(", default {default}");
    }
    if question.optional {
        rules += ", may be left empty";
        sentence += ", may be left empty";
    }
    if !question.when.is_empty() {
        let when: Vec<String> = question
            .when
            .iter()
            .map(|(name, value)| {
                let values: Vec<&str> = alternatives(value).collect();
                format!("{name} is {}", values.join(" or "))
            })
            .collect();
        let when = when.join(" and ");
        rules += &format!(", only if {when}");
        sentence += &format!("; asked only if {when}");
    }
    if !question.choices.is_empty() {
        sentence += &format!("; one of {}", question.choices.join(", "));
    }
    Asked {
        name: question.name.clone(),
        prompt: question.prompt.clone(),
        help: question.help.clone(),
        rules,
        rules_sentence: format!("{sentence}."),
    }
}

fn see_also(kind: Kind) -> Vec<Page> {
    let pages: &[(&'static str, u8)] = match kind {
        Kind::Role => &[
            ("debconf-set-selections", 1),
            ("crm_mon", 8),
            ("dpkg-reconfigure", 8),
            ("ubuntu-ha", 8),
        ],
        Kind::Agents => &[("crm_resource", 8), ("ubuntu-ha", 8)],
        Kind::Node | Kind::Tasks => &[
            ("debconf-set-selections", 1),
            ("tasksel", 8),
            ("ubuntu-ha", 8),
        ],
    };
    pages
        .iter()
        .map(|&(name, section)| Page { name, section })
        .collect()
}
