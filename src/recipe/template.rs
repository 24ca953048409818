//! `{{ question.field }}` in a recipe's values.
//!
//! A reference is `{{ NAME }}`, `{{ NAME.FIELD }}`, or, for a question of the
//! node recipe, `{{ cluster.NAME }}` and `{{ cluster.NAME.FIELD }}`. There is
//! nothing else: no filters, no conditions.

use std::ops::Range;

use super::model::QuestionType;

/// The word before the dot that stands for the node recipe's questions.
pub const CLUSTER: &str = "cluster";

/// A value cut into what is copied and what is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Reference(Reference<'a>),
}

/// One `{{ … }}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Whether the question is one of the node recipe.
    pub cluster: bool,
    pub question: &'a str,
    pub field: Option<&'a str>,
    /// Bytes from `{{` to `}}` in the value.
    pub span: Range<usize>,
}

/// A value that is no template, and which bytes of it are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub span: Range<usize>,
    pub message: String,
}

/// What may stand behind a question's name and a dot.
pub fn fields(kind: QuestionType) -> &'static [&'static str] {
    match kind {
        QuestionType::AddressPrefix => &["address", "prefix"],
        QuestionType::NodeList => &["count", "names"],
        _ => &[],
    }
}

/// Cuts a value into pieces. A value without braces is one `Text`.
pub fn parse(value: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = value[at..].find("{{") {
        let start = at + found;
        let Some(length) = value[start..].find("}}") else {
            return Err(TemplateError {
                span: start..value.len(),
                message: "`{{` is never closed by `}}`".into(),
            });
        };
        let end = start + length + 2;
        if start > at {
            pieces.push(text(value, at..start)?);
        }
        pieces.push(Piece::Reference(reference(value, start..end)?));
        at = end;
    }
    if at < value.len() {
        pieces.push(text(value, at..value.len())?);
    }
    Ok(pieces)
}

fn text(value: &str, span: Range<usize>) -> Result<Piece<'_>, TemplateError> {
    let text = &value[span.clone()];
    match text.find("}}") {
        Some(found) => Err(TemplateError {
            span: span.start + found..span.start + found + 2,
            message: "`}}` closes nothing".into(),
        }),
        None => Ok(Piece::Text(text)),
    }
}

fn reference(value: &str, span: Range<usize>) -> Result<Reference<'_>, TemplateError> {
    let inner = value[span.start + 2..span.end - 2].trim();
    let words: Vec<&str> = inner.split('.').collect();
    if !words.iter().all(|word| is_word(word)) {
        return Err(TemplateError {
            message: format!("`{inner}` is no reference to a question"),
            span,
        });
    }
    let (cluster, question, field) = match words.as_slice() {
        [CLUSTER, question] => (true, *question, None),
        [CLUSTER, question, field] => (true, *question, Some(*field)),
        [question] => (false, *question, None),
        [question, field] => (false, *question, Some(*field)),
        _ => {
            return Err(TemplateError {
                message: format!("`{inner}` has too many dots"),
                span,
            });
        }
    };
    Ok(Reference {
        cluster,
        question,
        field,
        span,
    })
}

fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference_in(value: &str) -> (bool, &str, Option<&str>, Range<usize>) {
        match parse(value).unwrap().into_iter().next_back() {
            Some(Piece::Reference(r)) => (r.cluster, r.question, r.field, r.span),
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn references_are_found_with_their_place() {
        assert_eq!(
            reference_in("{{ vip.address }}"),
            (false, "vip", Some("address"), 0..17)
        );
        assert_eq!(reference_in("{{vip}}"), (false, "vip", None, 0..7));
        assert_eq!(
            reference_in("é{{ cluster.nodes.count }}"),
            (true, "nodes", Some("count"), 2..27)
        );
        assert_eq!(
            reference_in("{{ cluster.name }}"),
            (true, "name", None, 0..18)
        );
        assert_eq!(
            reference_in("{{ cluster }}"),
            (false, "cluster", None, 0..13)
        );
    }

    #[test]
    fn text_around_references_is_kept() {
        let pieces = parse("a{{ x }}b{{ y }}").unwrap();
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces[0], Piece::Text("a"));
        assert_eq!(pieces[2], Piece::Text("b"));
        assert_eq!(
            parse("plain { } text").unwrap(),
            [Piece::Text("plain { } text")]
        );
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn what_is_no_reference_is_refused_with_its_place() {
        for (value, span, message) in [
            ("x {{ vip", 2..8, "never closed"),
            ("x }} y", 2..4, "closes nothing"),
            ("{{ x }} }}", 8..10, "closes nothing"),
            ("{{ }}", 0..5, "no reference"),
            ("{{ a | b }}", 0..11, "no reference"),
            ("{{ a. }}", 0..8, "no reference"),
            ("{{ a.b.c }}", 0..11, "too many dots"),
            ("{{ cluster.a.b.c }}", 0..19, "too many dots"),
            ("{{ {{ a }} }}", 0..10, "no reference"),
        ] {
            let error = parse(value).unwrap_err();
            assert_eq!(error.span, span, "{value}");
            assert!(
                error.message.contains(message),
                "{value}: {}",
                error.message
            );
        }
    }
}
