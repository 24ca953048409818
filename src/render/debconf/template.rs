//! The stanzas of `debian/templates`.

use serde::Serialize;

use super::{Error, scripts, text};
use crate::recipe::model::{Question, QuestionType, Recipe};
use crate::recipe::view::package_name;

/// One template of debconf-devel(7).
#[derive(Debug, Serialize)]
pub struct Template {
    pub name: String,
    /// Its `Type`.
    pub kind: &'static str,
    pub choices: String,
    pub default: String,
    /// The short description.
    pub short: String,
    /// The extended description, a line each.
    #[serde(skip)]
    pub paragraphs: Vec<String>,
    /// The same, filled.
    pub extended: Vec<String>,
}

impl Template {
    fn new(name: String, kind: &'static str, short: String, paragraphs: Vec<String>) -> Template {
        Template {
            name,
            kind,
            choices: String::new(),
            default: String::new(),
            short,
            extended: text::extended(&paragraphs),
            paragraphs,
        }
    }

    /// What translators see of it: the short description, the paragraphs.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.short.as_str()).chain(self.paragraphs.iter().map(String::as_str))
    }
}

/// The templates of a recipe: its questions, then the errors they may need.
pub fn templates(recipe: &Recipe) -> Result<Vec<Template>, Error> {
    let package = package_name(&recipe.role.name);
    let mut templates = Vec::new();
    for question in &recipe.question {
        let place = |what: &str| format!("question {}: {what}", question.name);
        let short = text::line(&question.prompt);
        if short.is_empty() {
            return Err(Error::Text {
                place: place("prompt"),
                message: "is empty; write the question".into(),
            });
        }
        let mut template = Template::new(
            format!("{package}/{}", question.name),
            question.kind.debconf(),
            short,
            text::paragraphs(&question.help),
        );
        if question.kind == QuestionType::Choice {
            template.choices = choices(question).map_err(|message| Error::Text {
                place: place("choices"),
                message,
            })?;
        }
        if question.kind != QuestionType::Password {
            let default = question.default.as_deref().unwrap_or_default().trim();
            if default.contains(char::is_control) {
                return Err(Error::Text {
                    place: place("default"),
                    message: "holds a control character; write one line of plain text".into(),
                });
            }
            template.default = default.to_owned();
        }
        templates.push(template);
    }
    for (name, short, paragraphs) in errors(recipe) {
        let paragraphs = paragraphs.into_iter().map(str::to_owned).collect();
        let name = format!("{package}/{name}");
        templates.push(Template::new(name, "error", short.to_owned(), paragraphs));
    }
    Ok(templates)
}

/// `debian/templates` itself.
pub fn source(templates: &[Template]) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Facts<'a> {
        templates: &'a [Template],
    }
    scripts::render("templates", &Facts { templates })
}

/// The `Choices` field: commas are escaped, nothing else can be.
fn choices(question: &Question) -> Result<String, String> {
    let mut escaped = Vec::new();
    for choice in &question.choices {
        if choice.is_empty() || choice.trim() != choice || choice.contains(['\\', '\n', '\r']) {
            return Err(format!(
                "hold `{}`; write a word without backslash, line break or outer blanks",
                choice.escape_debug()
            ));
        }
        escaped.push(text::literal(choice).replace(',', "\\,"));
    }
    if escaped.is_empty() {
        return Err("are missing; write at least one".into());
    }
    Ok(escaped.join(", "))
}

/// Name, short description and paragraphs of the errors that the recipe's
/// questions can raise, each once.
fn errors(recipe: &Recipe) -> Vec<(String, &'static str, Vec<&'static str>)> {
    let mut errors: Vec<(String, &str, Vec<&str>)> = Vec::new();
    for name in scripts::error_names(recipe) {
        let (short, message) = error(&name);
        let answer_to = "The question was: ${question}";
        errors.push((name, short, vec![message, answer_to]));
    }
    errors
}

/// What an error says. The strings are translated in `debian-templates/po`.
fn error(name: &str) -> (&'static str, &'static str) {
    match name {
        "missing" => (
            "Answer required",
            "This question cannot be left empty: without an answer the role stays unconfigured.",
        ),
        "invalid_address" => (
            "Invalid IP address",
            "\"${value}\" is not the address of a host. Please enter an IPv4 or IPv6 address \
             such as 192.0.2.10 or 2001:db8::10, without a prefix length.",
        ),
        "invalid_address_prefix" => (
            "Invalid IP address and prefix length",
            "\"${value}\" is not the address of a host in its network. Please enter an address \
             that other hosts can reach and the length of its network's prefix, such as \
             192.0.2.10/24 or 2001:db8::10/64.",
        ),
        "invalid_host_name" => (
            "Invalid host name",
            "\"${value}\" is not a host name. Please enter letters, digits and hyphens, in parts \
             separated by full stops, such as alpha or alpha.example.org.",
        ),
        "invalid_host" => (
            "Invalid host",
            "\"${value}\" is neither the name of a host nor an address at which others reach it. \
             Please enter one such as alpha.example.org, 192.0.2.20 or 2001:db8::20.",
        ),
        "invalid_node_list" => (
            "Invalid list of nodes",
            "\"${value}\" is not a list of nodes. Please enter 1 to 32 nodes separated by spaces, \
             each with its own address, such as alpha=192.0.2.11 beta=192.0.2.12. A second \
             address of every node goes behind a comma.",
        ),
        "invalid_block_device" => (
            "Invalid block device",
            "\"${value}\" is not a device. Please enter an absolute path below /dev, such as \
             /dev/disk/by-id/virtio-data.",
        ),
        "invalid_path" => (
            "Invalid path",
            "\"${value}\" is not an absolute path. Please enter one such as /srv/data, made of \
             letters, digits and the characters / . _ - + : @ , = % ~ #",
        ),
        "invalid_integer" => (
            "Invalid number",
            "\"${value}\" is not a whole number n within the limits ${range}, written in digits.",
        ),
        "invalid_password" => (
            "Unsuitable password",
            "Please enter ${shortest} to ${longest} printable ASCII characters, the first and the \
             last of them not a space.",
        ),
        _ => (
            "Invalid text",
            "\"${value}\" cannot be used. Please enter at most ${longest} characters on one \
             line, without quotation marks, grave accents and backslashes.",
        ),
    }
}
