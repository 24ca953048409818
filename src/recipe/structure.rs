//! Structural check: keys and types, against the shape of the model.
//!
//! What is wrong is reported and mended in the tree where the meaning is
//! plain (a misspelt key, a number in quotes), so that the rest of the recipe
//! can still be checked for what it says.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::Problems;
use super::schema::Shape;
use super::suggest;

/// Checks a whole file, which messages call `name`; returns whether the tree
/// can be read as one after the mending. `limit` ends the part of the text that is worth checking:
/// what follows a syntax error may be read wrongly.
pub(super) fn check(
    root: &mut Spanned<DeTable>,
    name: &str,
    shape: &Shape,
    limit: Option<usize>,
    problems: &mut Problems,
) -> bool {
    let mut checker = Checker {
        limit,
        problems,
        readable: true,
    };
    checker.table(root.get_mut(), 0..0, name, shape);
    checker.readable
}

struct Checker<'p> {
    limit: Option<usize>,
    problems: &'p mut Problems,
    readable: bool,
}

impl Checker<'_> {
    fn add(&mut self, span: Range<usize>, message: String, remedy: String) {
        if self.limit.is_none_or(|limit| span.end <= limit) {
            self.problems.add(span, message, remedy);
        }
    }

    /// Checks every key of a table; `name` is how messages call the table.
    fn table(&mut self, table: &mut DeTable, span: Range<usize>, name: &str, shape: &Shape) {
        match shape {
            Shape::Map(item) => {
                let keys: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
                for key in keys {
                    let readable = table
                        .get_mut(key.as_str())
                        .is_none_or(|value| self.value(value, &key, item));
                    if !readable {
                        table.remove(key.as_str());
                    }
                }
            }
            Shape::Table { fields, required } => {
                let known = |key: &str| fields.contains_key(key);
                if !table.keys().all(|key| known(key.get_ref())) {
                    self.mend_keys(table, name, fields);
                }
                let mut unreadable = Vec::new();
                for (key, value) in table.iter_mut() {
                    let key = key.get_ref();
                    if !self.value(value, key, &fields[key.as_ref()]) {
                        unreadable.push(key.to_string());
                    }
                }
                for key in &unreadable {
                    table.remove(key.as_str());
                }
                for key in required {
                    if table.contains_key(key.as_str()) {
                        continue;
                    }
                    self.readable = false;
                    if !unreadable.contains(key) && self.limit.is_none() {
                        let message = format!("{} has no `{key}`", called(name));
                        self.add(span.clone(), message, example(key, &fields[key]));
                    }
                }
            }
            _ => {}
        }
    }

    /// Leaves only known keys: a misspelt one is renamed, any other dropped.
    fn mend_keys(&mut self, table: &mut DeTable, name: &str, fields: &BTreeMap<String, Shape>) {
        let mut taken: BTreeSet<String> =
            table.keys().map(|key| key.get_ref().to_string()).collect();
        for (key, value) in std::mem::take(table) {
            if fields.contains_key(key.get_ref().as_ref()) {
                table.insert(key, value);
            } else if let Some(meant) = self.unknown_key(&key, name, &mut taken, fields) {
                table.insert(meant, value);
            }
        }
    }

    /// Reports a key that is not known; returns the one that was meant, if
    /// that is plain and not taken.
    fn unknown_key<'i>(
        &mut self,
        key: &Spanned<Cow<'i, str>>,
        table: &str,
        taken: &mut BTreeSet<String>,
        fields: &BTreeMap<String, Shape>,
    ) -> Option<Spanned<Cow<'i, str>>> {
        let word = key.get_ref().as_ref();
        let known = fields.keys().map(String::as_str);
        let near = suggest::nearest(word, known.clone());
        let free = near.filter(|near| !taken.contains(*near));
        let remedy = match (free, near) {
            (None, Some(near)) => format!("`{near}` is here already; take this one out"),
            _ => suggest::remedy(word, known),
        };
        let message = format!("unknown key `{word}` in {}", called(table));
        self.add(key.span(), message, remedy);
        let meant = free?.to_string();
        taken.insert(meant.clone());
        Some(Spanned::new(key.span(), Cow::Owned(meant)))
    }

    /// Returns whether the value can be read, perhaps after mending.
    fn value(&mut self, value: &mut Spanned<DeValue>, key: &str, shape: &Shape) -> bool {
        let span = value.span();
        match (shape, value.get_mut()) {
            (Shape::Table { .. } | Shape::Map(_), DeValue::Table(table)) => {
                self.table(table, span, key, shape);
                true
            }
            (Shape::List(item), DeValue::Table(_)) if matches!(**item, Shape::Table { .. }) => {
                let message = format!("`{key}` must be a list, but this is a table");
                self.add(span.clone(), message, example(key, shape));
                self.value(value, key, item);
                *value.get_mut() = list_of(Spanned::new(span, value.get_ref().clone()));
                true
            }
            (Shape::List(item), DeValue::Array(array)) => {
                for element in array.iter_mut() {
                    if !self.value(element, key, item) {
                        self.readable = false;
                    }
                }
                true
            }
            (Shape::Text, DeValue::String(_)) | (Shape::Boolean, DeValue::Boolean(_)) => true,
            (Shape::Words(words), DeValue::String(text)) => {
                if words.iter().any(|word| word == text) {
                    return true;
                }
                let words = words.iter().map(String::as_str);
                let message = format!("`{key}` cannot be {text:?}");
                self.add(span, message, suggest::remedy(text, words.clone()));
                match suggest::nearest(text, words) {
                    Some(near) => {
                        *text = Cow::Owned(near.to_string());
                        true
                    }
                    None => false,
                }
            }
            (Shape::Integer { min, max }, DeValue::Integer(number)) => {
                let number = i128::from_str_radix(number.as_str(), number.radix());
                if number.is_ok_and(|number| (*min..=*max).contains(&number)) {
                    return true;
                }
                let message = format!("`{key}` is out of range");
                self.add(
                    span,
                    message,
                    format!("write a whole number from {min} to {max}"),
                );
                false
            }
            (_, found) => {
                let message = format!(
                    "`{key}` must be {}, but this is {}",
                    shape.kind(),
                    kind(found)
                );
                let remedy = self.remedy(&span, found, key, shape);
                self.add(span, message, remedy);
                let mended = mend(value, shape);
                // Without a whole section most of what follows would be noise.
                self.readable &= mended || shape.is_scalar();
                mended
            }
        }
    }

    fn remedy(&self, span: &Range<usize>, found: &DeValue, key: &str, shape: &Shape) -> String {
        match (shape, found) {
            (Shape::Text, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_))
            | (Shape::Text, DeValue::Datetime(_)) => {
                format!(
                    "put it in quotes: {key} = \"{}\"",
                    self.problems.excerpt(span)
                )
            }
            (Shape::Integer { .. }, DeValue::String(text)) if text.parse::<i64>().is_ok() => {
                format!("write it without quotes: {key} = {text}")
            }
            (Shape::Boolean, DeValue::String(text)) if text == "true" || text == "false" => {
                format!("write it without quotes: {key} = {text}")
            }
            (Shape::List(item), DeValue::String(_)) if matches!(**item, Shape::Text) => {
                format!(
                    "put it in brackets: {key} = [{}]",
                    self.problems.excerpt(span)
                )
            }
            _ => example(key, shape),
        }
    }
}

impl Shape {
    fn is_scalar(&self) -> bool {
        !matches!(self, Shape::Table { .. } | Shape::Map(_) | Shape::List(_))
    }

    fn kind(&self) -> &'static str {
        match self {
            Shape::Table { .. } | Shape::Map(_) => "a table",
            Shape::List(_) => "a list",
            Shape::Text | Shape::Words(_) => "a string",
            Shape::Integer { .. } => "a whole number",
            Shape::Boolean => "true or false",
        }
    }
}

fn kind(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn called(name: &str) -> String {
    match name.contains(' ') {
        true => name.into(),
        false => format!("`{name}`"),
    }
}

/// What a key with such a value looks like.
fn example(key: &str, shape: &Shape) -> String {
    match shape {
        Shape::Table { .. } => format!("write a section: [{key}]"),
        Shape::Map(_) => format!("write a table: {key} = {{ name = \"value\" }}"),
        Shape::List(item) => match **item {
            Shape::Table { .. } => format!("begin each entry with a line of its own: [[{key}]]"),
            _ => format!("write a list: {key} = [\"…\"]"),
        },
        Shape::Text => format!("write a string: {key} = \"…\""),
        Shape::Words(words) => format!("write one of {}", quoted(words)),
        Shape::Integer { min: 0, max } => {
            format!("write a whole number from 0 to {max}: {key} = 1")
        }
        Shape::Integer { .. } => format!("write a whole number: {key} = 1"),
        Shape::Boolean => format!("write {key} = true or {key} = false"),
    }
}

fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn list_of<'i>(entry: Spanned<DeValue<'i>>) -> DeValue<'i> {
    let mut array = DeArray::new();
    array.push(entry);
    DeValue::Array(array)
}

/// Gives the value the type it was meant to have; returns whether it could.
fn mend(value: &mut Spanned<DeValue>, shape: &Shape) -> bool {
    let span = value.span();
    let mended = match (shape, value.get_ref()) {
        (Shape::Text, DeValue::Integer(number)) => DeValue::String(number.to_string().into()),
        (Shape::Text, DeValue::Float(number)) => DeValue::String(number.to_string().into()),
        (Shape::Text, DeValue::Datetime(date)) => DeValue::String(date.to_string().into()),
        (Shape::Text, DeValue::Boolean(truth)) => DeValue::String(truth.to_string().into()),
        (Shape::Boolean, DeValue::String(text)) => match text.parse() {
            Ok(truth) => DeValue::Boolean(truth),
            Err(_) => return false,
        },
        (Shape::List(item), found @ DeValue::String(_)) if matches!(**item, Shape::Text) => {
            list_of(Spanned::new(span, found.clone()))
        }
        _ => return false,
    };
    *value.get_mut() = mended;
    true
}
