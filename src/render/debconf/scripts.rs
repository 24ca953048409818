//! The maintainer scripts.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Serialize;
use tera::{Context, Delimiters, Tera};

use super::Error;
use crate::recipe::model::{Kind, Question, QuestionType, Recipe, alternatives};
use crate::recipe::view::SuiteView;
use crate::render::text;

macro_rules! templates {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../debian-templates/", $name, ".tera")))),*]
    };
}

/// The unit of the node package that forms and joins clusters.
pub const SETUP_UNIT: &str = "ubuntu-ha-setup.service";

static TERA: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::new();
    // The usual `{#` is part of the shell's `${#name}`.
    tera.set_delimiters(Delimiters {
        comment_start: "{*".into(),
        comment_end: "*}".into(),
        ..Delimiters::default()
    })
    .expect("the delimiters differ");
    tera.add_raw_templates(templates![
        "templates",
        "config",
        "postinst",
        "prerm",
        "postrm"
    ])
    .expect("the embedded templates parse");
    tera
});

pub fn render<T: Serialize>(name: &str, facts: &T) -> Result<String, Error> {
    Ok(TERA.render(name, &Context::from_serialize(facts)?)?)
}

pub fn postinst(view: &SuiteView) -> Result<String, Error> {
    let needed = !view.recipe.question.is_empty() || is_of_cluster(view);
    script("postinst", view, needed, &view.recipe.hooks.configure)
}

pub fn prerm(view: &SuiteView) -> Result<String, Error> {
    let needed = is_of_cluster(view);
    script("prerm", view, needed, &view.recipe.hooks.remove)
}

/// Whether a running cluster may depend on the package.
fn is_of_cluster(view: &SuiteView) -> bool {
    matches!(view.recipe.role.kind, Kind::Role | Kind::Node)
}

pub fn postrm(view: &SuiteView) -> Result<String, Error> {
    let asks = !view.recipe.question.is_empty();
    script("postrm", view, asks, &view.recipe.hooks.purge)
}

/// A script of dpkg, empty when it has nothing to do.
fn script(
    name: &str,
    view: &SuiteView,
    needed: bool,
    hook: &Option<String>,
) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Facts<'a> {
        #[serde(flatten)]
        place: Place,
        questions: Vec<&'a str>,
        /// The questions that the administrator's file answers.
        stored: Vec<&'a str>,
        passwords: Vec<&'a str>,
        hook: String,
        /// A running cluster may depend on the package.
        cluster: bool,
        /// The package has the service that forms and joins clusters.
        node: bool,
        unit: &'static str,
    }
    let hook = body(name, hook)?;
    if !needed && hook.is_empty() {
        return Ok(String::new());
    }
    let facts = Facts {
        place: place(view)?,
        questions: names(view.recipe, |_| true),
        stored: names(view.recipe, |q| q.kind != QuestionType::Password),
        passwords: names(view.recipe, |q| q.kind == QuestionType::Password),
        hook,
        cluster: is_of_cluster(view),
        node: view.recipe.role.kind == Kind::Node,
        unit: SETUP_UNIT,
    };
    render(name, &facts)
}

pub fn config(view: &SuiteView) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Condition<'a> {
        name: &'a str,
        test: String,
    }
    #[derive(Serialize)]
    struct State<'a> {
        name: &'a str,
        condition: bool,
        command: String,
    }
    #[derive(Serialize)]
    struct Facts<'a> {
        #[serde(flatten)]
        place: Place,
        /// The questions that the administrator's file answers.
        stored: Vec<&'a str>,
        passwords: Vec<&'a str>,
        types: BTreeSet<&'static str>,
        /// A question bounds its answers.
        limits: bool,
        /// A condition is content with several answers.
        alternatives: bool,
        errors: Vec<String>,
        conditions: Vec<Condition<'a>>,
        states: Vec<State<'a>>,
    }
    let recipe = view.recipe;
    let mut conditions = Vec::new();
    let mut states = Vec::new();
    for question in &recipe.question {
        if !question.when.is_empty() {
            conditions.push(Condition {
                name: &question.name,
                test: condition(recipe, question)?,
            });
        }
        states.push(State {
            name: &question.name,
            condition: !question.when.is_empty(),
            command: command(question),
        });
    }
    let facts = Facts {
        place: place(view)?,
        stored: names(recipe, |q| q.kind != QuestionType::Password),
        passwords: names(recipe, |q| q.kind == QuestionType::Password),
        types: recipe.question.iter().filter_map(judged).collect(),
        limits: recipe.question.iter().any(|q| !limits(q).is_empty()),
        alternatives: recipe
            .question
            .iter()
            .flat_map(|q| q.when.values())
            .any(|wanted| alternatives(wanted).count() > 1),
        errors: error_names(recipe),
        conditions,
        states,
    };
    render("config", &facts)
}

/// The names of the error templates that the recipe's questions can raise.
pub fn error_names(recipe: &Recipe) -> Vec<String> {
    let mut names = Vec::new();
    for question in &recipe.question {
        let Some(kind) = judged(question) else {
            continue;
        };
        let invalid = format!("invalid_{kind}");
        if !names.contains(&invalid) {
            names.push(invalid);
        }
    }
    let required = |question: &Question| judged(question).is_some() && !question.optional;
    if recipe.question.iter().any(required) {
        names.push("missing".into());
    }
    names
}

/// What the scripts call a type whose answers they check. Debconf itself
/// admits nothing but its choices, and `true` and `false`.
fn judged(question: &Question) -> Option<&'static str> {
    Some(match question.kind {
        QuestionType::Address => "address",
        QuestionType::AddressPrefix => "address_prefix",
        QuestionType::HostName => "host_name",
        QuestionType::Host => "host",
        QuestionType::NodeList => "node_list",
        QuestionType::BlockDevice => "block_device",
        QuestionType::Path => "path",
        QuestionType::Integer => "integer",
        QuestionType::Password => "password",
        QuestionType::Text => "string",
        QuestionType::Choice | QuestionType::Boolean => return None,
    })
}

/// Names and paths that every script uses.
#[derive(Serialize)]
struct Place {
    package: String,
    /// What `ubuntu-ha configure` calls the role.
    target: String,
    /// The administrator's file.
    file: String,
    /// The directory of the role's secrets.
    secrets: String,
    /// What a purge removes once it is empty.
    directories: [&'static str; 3],
}

fn place(view: &SuiteView) -> Result<Place, Error> {
    let role = &view.recipe.role;
    word("role", &role.name, "-+.")?;
    word("package", &view.package, "-+.")?;
    for question in &view.recipe.question {
        word("question", &question.name, "_")?;
    }
    let target = match role.kind {
        Kind::Node => "cluster".to_owned(),
        _ => role.name.clone(),
    };
    Ok(Place {
        package: view.package.clone(),
        secrets: format!("/etc/ubuntu-ha/secrets/{target}"),
        target,
        file: answers_file(view.recipe),
        directories: [
            "/etc/ubuntu-ha/roles",
            "/etc/ubuntu-ha/secrets",
            "/etc/ubuntu-ha",
        ],
    })
}

/// The file in which the administrator finds the answers.
pub fn answers_file(recipe: &Recipe) -> String {
    match recipe.role.kind {
        Kind::Node => "/etc/ubuntu-ha/cluster.toml".into(),
        _ => format!("/etc/ubuntu-ha/roles/{}.toml", recipe.role.name),
    }
}

/// Refuses a name that is not one bare word in shell and in debconf.
fn word(what: &str, name: &str, more: &str) -> Result<(), Error> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c);
    if starts && name.chars().all(rest) {
        return Ok(());
    }
    Err(Error::Text {
        place: format!("{what} `{}`:", name.escape_debug()),
        message: format!("write a name of a-z, 0-9 and any of `{more}`, a letter first"),
    })
}

fn names(recipe: &Recipe, wanted: impl Fn(&Question) -> bool) -> Vec<&str> {
    let questions = recipe.question.iter().filter(|question| wanted(question));
    questions.map(|question| question.name.as_str()).collect()
}

/// The command that puts a question.
fn command(question: &Question) -> String {
    let priority = question.priority.as_str();
    let name = &question.name;
    let need = if question.optional {
        "optional"
    } else {
        "required"
    };
    let Some(kind) = judged(question) else {
        return format!("put {priority} {name} || true");
    };
    format!("ask {need} {priority} {name} {kind}{}", limits(question))
}

/// The limits of an answer as words behind the command, the smaller first.
fn limits(question: &Question) -> String {
    match (question.min, question.max) {
        _ if question.kind != QuestionType::Integer && !question.kind.has_length() => String::new(),
        (None, None) => String::new(),
        (Some(min), None) => format!(" {min}"),
        (None, Some(max)) => format!(" '' {max}"),
        (Some(min), Some(max)) => format!(" {min} {max}"),
    }
}

/// A shell list that holds when the question is to be asked. A question that
/// is not asked itself has the empty answer (`recipe::answer::validate`).
fn condition(recipe: &Recipe, question: &Question) -> Result<String, Error> {
    let mut tests = Vec::new();
    for (name, wanted) in &question.when {
        let earlier = recipe
            .question
            .iter()
            .take_while(|other| other.name != question.name)
            .find(|other| other.name == *name);
        let place = || format!("question {}: when", question.name);
        let Some(earlier) = earlier else {
            return Err(Error::Text {
                place: place(),
                message: format!("names `{}`; write an earlier question", name.escape_debug()),
            });
        };
        if wanted.contains(char::is_control) {
            return Err(Error::Text {
                place: place(),
                message: "holds a control character; write one line of plain text".into(),
            });
        }
        refuse_token(&place(), wanted)?;
        let words: Vec<String> = alternatives(wanted).map(text::shell).collect();
        let is = format!("is {name} {}", words.join(" "));
        let empty = alternatives(wanted).any(str::is_empty);
        tests.push(match (earlier.when.is_empty(), empty) {
            (true, _) => is,
            (false, false) => format!("wants_{name} && {is}"),
            (false, true) => format!("{{ ! wants_{name} || {is}; }}"),
        });
    }
    Ok(tests.join(" && "))
}

/// The text of a hook, empty when nothing of it would run.
fn body(script: &str, hook: &Option<String>) -> Result<String, Error> {
    let hook = hook.as_deref().unwrap_or_default();
    let hook = hook.trim_matches('\n').trim_end();
    let runs = |row: &str| !row.trim().is_empty() && !row.trim().starts_with('#');
    if !hook.lines().any(runs) {
        return Ok(String::new());
    }
    refuse_token(&format!("hook of {script}"), hook)?;
    // Inside a here-document or a quoted string, blanks would be data.
    let even = |row: &str, quote: char| row.matches(quote).count() % 2 == 0;
    let plain = |row: &str| even(row, '"') && even(row, '\'') && !row.ends_with('\\');
    if hook.contains("<<") || hook.contains('`') || !hook.lines().all(plain) {
        return Ok(hook.to_owned());
    }
    let indent = |row: &str| match row.trim().is_empty() {
        true => String::new(),
        false => format!("    {row}"),
    };
    Ok(hook.lines().map(indent).collect::<Vec<_>>().join("\n"))
}

/// debhelper replaces these tokens wherever they stand (dh_installdeb(1)).
fn refuse_token(place: &str, text: &str) -> Result<(), Error> {
    let tokens = ["#DEBHELPER#", "#PACKAGE#", "#DEB_", "#ENV."];
    match tokens.iter().find(|token| text.contains(**token)) {
        None => Ok(()),
        Some(token) => Err(Error::Text {
            place: place.to_owned(),
            message: format!("holds `{token}`, which debhelper replaces; write it another way"),
        }),
    }
}
