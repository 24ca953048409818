//! Control data: no value may become more than the value it is.

mod common;

use common::paragraph;
use debcrate::{Paragraph, parse_paragraphs};
use proptest::prelude::*;

#[test]
fn fields_keep_their_order_and_first_spelling() {
    let mut fields = paragraph(&[("Package", "a"), ("Version", "1"), ("Depends", "b")]);
    fields.set("package", "z").unwrap();
    fields.set("Depends", "").unwrap();
    assert_eq!(fields.to_string(), "Package: z\nVersion: 1\n");
    assert_eq!(fields.get("VERSION"), Some("1"));
    assert_eq!(fields.remove("version").as_deref(), Some("1"));
    assert_eq!(fields.get("Version"), None);
}

#[test]
fn text_that_is_no_control_data_is_refused_with_its_line() {
    for (text, expected) in [
        (
            " continued\n",
            "line 1: a continuation line without a field",
        ),
        ("A: 1\n\n b\n", "line 3: a continuation"),
        ("A: 1\nnothing\n", "line 2: neither"),
        ("A: 1\na: 2\n", "line 2: field \"a\" occurs twice"),
        ("A: 1\n-b: 2\n", "line 2: field \"-b\""),
        ("A b: 1\n", "line 1: field \"A b\""),
        ("A: 1\u{7}\n", "control character"),
    ] {
        let error = parse_paragraphs(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn comments_and_superfluous_empty_lines_are_skipped() {
    let text = "\n\n# one\nA: 1\n# two\n  x\n .\n ..\n\t\nB:\nC: 3\r\n\n\n";
    let read = parse_paragraphs(text).unwrap();
    let expected = [paragraph(&[("A", "1\n x\n\n.")]), paragraph(&[("C", "3")])];
    assert_eq!(read, expected);
}

#[test]
fn a_line_of_unicode_blanks_is_an_empty_line() {
    let mut fields = Paragraph::new();
    fields.set("A", "one\n\u{2000}\t\n\u{a0}two").unwrap();
    assert_eq!(fields.to_string(), "A: one\n .\n \u{a0}two\n");
}

proptest! {
    #[test]
    fn no_value_adds_a_field_or_a_paragraph(
        values in prop::collection::vec("(\\PC|[\n\r\t :.#A-Z\u{85}\u{2028}\u{0}-]){0,40}", 1..4)
    ) {
        let mut fields = Paragraph::new();
        for (index, value) in values.iter().enumerate() {
            // A refused value is as good as one that stays in its field.
            let _ = fields.set(&format!("Field-{index}"), value);
        }
        let text = fields.to_string();
        let read = parse_paragraphs(&text).unwrap();
        if fields.is_empty() {
            prop_assert!(read.is_empty());
        } else {
            prop_assert_eq!(&read, &[fields.clone()], "{:?}", text);
        }
        // The same by the letter of deb822, without our reader.
        let starts = text.split('\n').filter(|line| !line.is_empty() && !line.starts_with(' '));
        prop_assert_eq!(starts.count(), fields.iter().count());
        prop_assert!(!text.contains("\n\n") && !text.contains('\r'));
        prop_assert!(!text.lines().any(|line| line.trim().is_empty()));
    }

    #[test]
    fn harmless_text_is_kept_line_by_line(
        lines in prop::collection::vec("[!-~]{1,10}( [!-~]{1,10}){0,3}|", 1..6)
    ) {
        let value = lines.join("\n");
        let value = value.trim_end_matches('\n');
        let mut fields = Paragraph::new();
        fields.set("Text", value).unwrap();
        prop_assert_eq!(fields.get("Text").unwrap_or_default(), value);
        let mut read = parse_paragraphs(&fields.to_string()).unwrap();
        let read = read.pop().unwrap_or_default();
        prop_assert_eq!(read.get("Text").unwrap_or_default(), value);
    }

    #[test]
    fn names_that_could_be_read_as_something_else_are_refused(name in "\\PC{0,6}|[A-Z:# -]{0,4}") {
        let mut fields = Paragraph::new();
        if fields.set(&name, "1").is_ok() {
            let read = parse_paragraphs(&fields.to_string()).unwrap();
            prop_assert_eq!(read, [fields]);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(\\PC|[\n :.#-]){0,200}") {
        if let Ok(paragraphs) = parse_paragraphs(&text) {
            let written: String = paragraphs.iter().map(|one| format!("{one}\n")).collect();
            prop_assert_eq!(parse_paragraphs(&written).unwrap(), paragraphs);
        }
    }
}
