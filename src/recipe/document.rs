//! The recipe's text with the place of every value.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One step of a path into the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(key: &'a str) -> Self {
        Step::Key(key)
    }
}

impl<'a> From<&'a String> for Step<'a> {
    fn from(key: &'a String) -> Self {
        Step::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Step::Index(index)
    }
}

/// A path from keys and indexes: `at!["question", 2, "name"]`.
macro_rules! at {
    ($($step:expr),* $(,)?) => {
        &[$($crate::recipe::document::Step::from($step)),*]
    };
}
pub(crate) use at;

/// A parsed recipe and its text.
pub(crate) struct Document<'t> {
    pub text: &'t str,
    pub root: Spanned<DeTable<'t>>,
}

impl Document<'_> {
    /// Bytes of the value at the path, or of the nearest thing around it.
    pub fn value(&self, path: &[Step]) -> Range<usize> {
        self.find(path).1
    }

    /// Bytes of the last key of the path, or of the nearest thing around it.
    pub fn key(&self, path: &[Step]) -> Range<usize> {
        self.find(path).0
    }

    /// Bytes of a part of the string at the path, given as bytes of its value.
    pub fn within(&self, path: &[Step], part: Range<usize>) -> Range<usize> {
        let span = self.value(path);
        let starts = |at| raw_offset(&self.text[span.clone()], at).map(|raw| span.start + raw);
        match (starts(part.start), starts(part.end)) {
            (Some(start), Some(end)) => start..end,
            _ => span,
        }
    }

    fn find(&self, path: &[Step]) -> (Range<usize>, Range<usize>) {
        let whole = 0..self.text.lines().next().map_or(0, str::len);
        let mut found = (whole.clone(), whole);
        let Some((Step::Key(first), rest)) = path.split_first() else {
            return found;
        };
        let Some((key, mut value)) = self.root.get_ref().get_key_value(*first) else {
            return found;
        };
        found = (key.span(), value.span());
        for step in rest {
            let next = match (step, value.get_ref()) {
                (Step::Key(key), DeValue::Table(table)) => table
                    .get_key_value(*key)
                    .map(|(key, value)| (key.span(), value)),
                (Step::Index(index), DeValue::Array(array)) => {
                    array.get(*index).map(|value| (value.span(), value))
                }
                _ => None,
            };
            let Some((key, next)) = next else { break };
            found = (key, next.span());
            value = next;
        }
        found
    }
}

/// Where byte `at` of a string's value lies in its TOML spelling; the end of
/// the value counts too.
fn raw_offset(raw: &str, at: usize) -> Option<usize> {
    let (quote, escapes) = match raw.as_bytes() {
        [b'"', b'"', b'"', ..] => (3, true),
        [b'\'', b'\'', b'\'', ..] => (3, false),
        [b'"', ..] => (1, true),
        [b'\'', ..] => (1, false),
        _ => return None,
    };
    let body = &raw[quote..raw.len().checked_sub(quote)?];
    let newline = match quote {
        3 if body.starts_with("\r\n") => 2,
        3 if body.starts_with('\n') => 1,
        _ => 0,
    };
    let body = &body[newline..];
    let (mut value, mut spelling) = (0, 0);
    while value < at {
        let rest = &body[spelling..];
        let c = rest.chars().next()?;
        let (made, taken) = match (escapes && c == '\\', rest.as_bytes().get(1)) {
            (false, _) => (c.len_utf8(), c.len_utf8()),
            (true, Some(digits @ (b'x' | b'u' | b'U'))) => {
                let taken = 2 + match digits {
                    b'x' => 2,
                    b'u' => 4,
                    _ => 8,
                };
                let code = u32::from_str_radix(rest.get(2..taken)?, 16).ok()?;
                (char::from_u32(code)?.len_utf8(), taken)
            }
            (true, Some(b' ' | b'\t' | b'\r' | b'\n')) => {
                (0, rest.len() - rest[1..].trim_start().len())
            }
            (true, _) => (1, 2),
        };
        value += made;
        spelling += taken;
    }
    Some(quote + newline + spelling)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, part: Range<usize>) -> &str {
        let document = Document {
            text,
            root: DeTable::parse(text).unwrap(),
        };
        &text[document.within(at!["a"], part)]
    }

    #[test]
    fn parts_of_strings_are_found_in_their_spelling() {
        assert_eq!(part("a = 'x{{ y }}z'", 1..8), "{{ y }}");
        assert_eq!(part(r#"a = "\u00e9\t{{ y }}""#, 3..10), "{{ y }}");
        assert_eq!(part("a = \"\"\"\nx\ny {{z}}\"\"\"", 4..9), "{{z}}");
        assert_eq!(part("a = '''\r\nx'''", 0..1), "x");
        assert_eq!(part("a = \"\"\"x \\\n   {{z}}\"\"\"", 2..7), "\\\n   {{z}}");
        assert_eq!(part(r#"a = "\U0001F600b""#, 4..5), "b");
        assert_eq!(part("a = 'x'", 0..99), "'x'");
        assert_eq!(part("a = 12", 0..1), "12");
    }

    #[test]
    fn a_path_that_leads_nowhere_ends_at_what_is_there() {
        let text = "# head\n[[q]]\nname = 'x'\nwhen.y = 'z'\n";
        let document = Document {
            text,
            root: DeTable::parse(text).unwrap(),
        };
        assert_eq!(&text[document.value(at!["q", 0, "name"])], "'x'");
        assert_eq!(&text[document.key(at!["q", 0, "name"])], "name");
        assert_eq!(&text[document.key(at!["q", 0, "when", "y"])], "y");
        assert_eq!(&text[document.value(at!["q", 0, "help"])], "[[q]]");
        assert_eq!(&text[document.value(at!["q", 7])], "[[q]]");
        assert_eq!(&text[document.value(at!["r", 7])], "# head");
    }
}
