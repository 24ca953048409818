//! The merged `templates` of the binary package, as po2debconf(1) writes it.

use super::catalog::Catalogs;
use super::template::Template;

/// Puts translations into the source of the templates: a field in another
/// language stands behind the one it translates, and only when every string
/// of that field is translated.
pub fn merge(source: &str, templates: &[Template], catalogs: &Catalogs) -> String {
    let mut merged = String::new();
    for (stanza, template) in source.split("\n\n").zip(templates) {
        if !merged.is_empty() {
            merged.push('\n');
        }
        let (fields, description) = stanza
            .trim_end_matches('\n')
            .split_once("\n_Description: ")
            .unwrap_or((stanza, ""));
        merged.push_str(fields);
        merged.push_str("\nDescription: ");
        merged.push_str(without_note(description));
        merged.push('\n');
        for language in catalogs.languages() {
            if let Some(text) = translated(template, catalogs, language) {
                merged.push_str(&format!("Description-{language}.UTF-8: {text}\n"));
            }
        }
    }
    merged
}

fn translated(template: &Template, catalogs: &Catalogs, language: &str) -> Option<String> {
    let mut text = String::new();
    for (index, string) in template.strings().enumerate() {
        // The tool takes the string "0" for no translation.
        let translation = catalogs
            .translation(language, string)
            .filter(|translation| *translation != "0" && string != "0")?;
        let translation = without_note(translation);
        match index {
            0 => text.push_str(&translation.replace('\n', " ")),
            _ => {
                text.push_str(if index == 1 { "\n " } else { "\n .\n " });
                text.push_str(&translation.replace('\n', "\n "));
            }
        }
    }
    text.truncate(
        text.trim_end_matches(|c: char| c.is_ascii_whitespace())
            .len(),
    );
    Some(text)
}

/// Drops a note to translators, `[ like this]`, at the end of a text.
fn without_note(text: &str) -> &str {
    let Some(inner) = text.strip_suffix(']') else {
        return text;
    };
    match inner.rfind(['[', ']']) {
        Some(start) if is_note(&inner[start..]) => &text[..start],
        _ => text,
    }
}

fn is_note(text: &str) -> bool {
    text.strip_prefix('[')
        .is_some_and(|note| note.starts_with(|c: char| c.is_ascii_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_note_at_the_end_is_dropped() {
        assert_eq!(without_note("a [ note]"), "a ");
        assert_eq!(without_note("a [note]"), "a [note]");
        assert_eq!(without_note("a [ note] b"), "a [ note] b");
        assert_eq!(without_note("a [ b ] c]"), "a [ b ] c]");
    }
}
