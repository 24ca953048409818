//! Answers: text in, typed values out.
//!
//! The same rules hold in debconf, in the administrator's file and in a file
//! given to `hapkg plan`. A message says what to write instead, and never
//! repeats a password.

mod network;
mod set;

use std::fmt;
use std::net::IpAddr;

use super::model::{Question, QuestionType};
use super::suggest;

pub use network::node_list;
pub use set::{AnswerProblem, Answers, holds, validate};

/// Longest answer in bytes, where its question sets no other limit.
const LONGEST: usize = 255;

/// Shortest password, in bytes.
pub const SHORTEST_PASSWORD: usize = 8;

/// A valid answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Address(IpAddr),
    AddressPrefix {
        address: IpAddr,
        prefix: u8,
    },
    /// Of a host that is asked for by its name alone, or by name or address.
    HostName(String),
    NodeList(Vec<Node>),
    BlockDevice(String),
    Path(String),
    Integer(i64),
    Choice(String),
    Boolean(bool),
    Password(Secret),
    Text(String),
}

/// A host of the cluster: its name and its address on each link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub addresses: Vec<IpAddr>,
}

/// A password that does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Answer {
    /// The one way to write this answer: addresses in canonical form, single
    /// blanks between nodes. A password gives its text.
    pub fn text(&self) -> String {
        match self {
            Answer::Address(address) => address.to_string(),
            Answer::AddressPrefix { address, prefix } => format!("{address}/{prefix}"),
            Answer::NodeList(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(Node::to_string).collect();
                nodes.join(" ")
            }
            Answer::Integer(number) => number.to_string(),
            Answer::Boolean(value) => value.to_string(),
            Answer::Password(secret) => secret.expose().to_string(),
            Answer::HostName(text)
            | Answer::BlockDevice(text)
            | Answer::Path(text)
            | Answer::Choice(text)
            | Answer::Text(text) => text.clone(),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name)?;
        for (link, address) in self.addresses.iter().enumerate() {
            let comma = if link > 0 { "," } else { "" };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

/// Reads one answer; the error says what is wrong and what to write instead.
///
/// Blanks around an answer are dropped, except around a password. An empty
/// answer is an error here; whether a question may stay unanswered is for
/// [`validate`] to say.
pub fn parse_answer(question: &Question, text: &str) -> Result<Answer, String> {
    if question.kind == QuestionType::Password {
        return password(text, shortest(question), longest(question)).map(Answer::Password);
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character; write one line of plain text".into());
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("is empty; write {}", expected(question)));
    }
    // A node list is bounded by its number of nodes.
    let longest = longest(question);
    if text.len() > longest && question.kind != QuestionType::NodeList {
        return Err(format!(
            "is longer than {longest} bytes; write a shorter one"
        ));
    }
    match question.kind {
        QuestionType::Address => network::address(text).map(Answer::Address),
        QuestionType::AddressPrefix => network::address_prefix(text),
        QuestionType::HostName => network::host_name(text).map(Answer::HostName),
        QuestionType::Host => network::host(text).map(Answer::HostName),
        QuestionType::NodeList => network::node_list(text).map(Answer::NodeList),
        QuestionType::BlockDevice => block_device(text).map(Answer::BlockDevice),
        QuestionType::Path => absolute_path(text).map(Answer::Path),
        QuestionType::Integer => integer(question, text).map(Answer::Integer),
        QuestionType::Choice => choice(question, text).map(Answer::Choice),
        QuestionType::Boolean => match text {
            "true" => Ok(Answer::Boolean(true)),
            "false" => Ok(Answer::Boolean(false)),
            _ => Err(format!("`{text}` is neither; write `true` or `false`")),
        },
        QuestionType::Text => plain_text(text).map(Answer::Text),
        QuestionType::Password => unreachable!("answered above"),
    }
}

/// Longest answer in bytes.
fn longest(question: &Question) -> usize {
    let limit = question.max.filter(|_| question.kind.has_length());
    limit
        .and_then(|max| usize::try_from(max).ok())
        .unwrap_or(LONGEST)
}

/// What a valid answer looks like, to stand behind "write".
fn expected(question: &Question) -> String {
    match question.kind {
        QuestionType::Address => "an address such as `192.0.2.10` or `2001:db8::10`".into(),
        QuestionType::AddressPrefix => {
            "an address and its prefix length, such as `192.0.2.10/24`".into()
        }
        QuestionType::HostName => "a host name such as `alpha` or `alpha.example.org`".into(),
        QuestionType::Host => {
            "a host name such as `alpha.example.org`, or an address such as `192.0.2.20`".into()
        }
        QuestionType::NodeList => {
            "every node with its address, such as `alpha=192.0.2.11 beta=192.0.2.12`".into()
        }
        QuestionType::BlockDevice => {
            "a device below /dev, such as `/dev/disk/by-id/virtio-data`".into()
        }
        QuestionType::Path => "an absolute path such as `/srv/data`".into(),
        QuestionType::Integer => match (question.min, question.max) {
            (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
            (Some(min), None) => format!("a whole number of at least {min}"),
            (None, Some(max)) => format!("a whole number of at most {max}"),
            (None, None) => "a whole number".into(),
        },
        QuestionType::Choice => {
            let choices: Vec<String> = question.choices.iter().map(|c| format!("`{c}`")).collect();
            format!("one of {}", choices.join(", "))
        }
        QuestionType::Boolean => "`true` or `false`".into(),
        QuestionType::Password => printable(shortest(question), longest(question)),
        QuestionType::Text => "one line without quotes and backslashes".into(),
    }
}

/// Shortest password in bytes.
fn shortest(question: &Question) -> usize {
    let limit = question.min.and_then(|min| usize::try_from(min).ok());
    limit.unwrap_or(SHORTEST_PASSWORD)
}

fn printable(shortest: usize, longest: usize) -> String {
    format!("{shortest} to {longest} printable ASCII characters")
}

fn password(text: &str, shortest: usize, longest: usize) -> Result<Secret, String> {
    let instead = format!("write {}", printable(shortest, longest));
    if text.is_empty() {
        return Err(format!("is empty; {instead}"));
    }
    if !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(format!(
            "holds a character that is not printable ASCII; {instead}"
        ));
    }
    if text.len() < shortest {
        return Err(format!("is too short; {instead}"));
    }
    if text.len() > longest {
        return Err(format!("is too long; {instead}"));
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err("starts or ends with a blank; write it without".into());
    }
    Ok(Secret(text.into()))
}

fn absolute_path(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err(format!(
            "`{text}` is not absolute; write a path that starts with `/`"
        ));
    };
    if let Some(bad) = text.chars().find(|&c| !is_path_character(c)) {
        return Err(format!(
            "`{text}` holds {bad:?}; write a path of letters, digits and any of `/._-+:@,=%~#`"
        ));
    }
    for component in rest.split('/') {
        if component == ".." || component == "." {
            return Err(format!(
                "`{text}` holds `{component}`; write the path without it"
            ));
        }
        if component.is_empty() {
            return Err(format!(
                "`{text}` holds an empty name; write one `/` between names and none at the end"
            ));
        }
    }
    Ok(text.into())
}

fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-+:@,=%~#".contains(c)
}

fn block_device(text: &str) -> Result<String, String> {
    let path = absolute_path(text)?;
    if path.starts_with("/dev/") {
        return Ok(path);
    }
    Err(format!(
        "`{text}` is not below /dev; write a device such as `/dev/disk/by-id/virtio-data`"
    ))
}

fn integer(question: &Question, text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical =
        digits == "0" || (!digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()));
    let number = match text.parse::<i64>() {
        Ok(number) if canonical => number,
        _ => {
            return Err(format!(
                "`{text}` is no whole number; write {}",
                expected(question)
            ));
        }
    };
    let above = question.max.is_some_and(|max| number > max);
    let below = question.min.is_some_and(|min| number < min);
    if above || below {
        let word = if above { "large" } else { "small" };
        return Err(format!(
            "{number} is too {word}; write {}",
            expected(question)
        ));
    }
    Ok(number)
}

fn choice(question: &Question, text: &str) -> Result<String, String> {
    if question.choices.iter().any(|choice| choice == text) {
        return Ok(text.into());
    }
    let choices = question.choices.iter().map(String::as_str);
    Err(format!(
        "`{text}` is not offered; {}",
        suggest::remedy(text, choices)
    ))
}

fn plain_text(text: &str) -> Result<String, String> {
    match text.chars().find(|c| "\"'\\`".contains(*c)) {
        Some(bad) => Err(format!(
            "holds {bad}; write it without quotes and backslashes"
        )),
        None => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests;
