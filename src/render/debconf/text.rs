//! Recipe text on its way into templates.

use crate::render::text;

/// Widest line of a template, its leading blank included.
const WIDTH: usize = 78;

/// One line, single blanks, nothing that debconf would replace.
pub fn line(text: &str) -> String {
    literal(&text::line(text))
}

/// The paragraphs of a text, one line each. A paragraph of a single full stop
/// is the format's own separator, and says nothing: it is left out.
pub fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for row in text.lines() {
        if row.chars().all(|c| c.is_whitespace() || c.is_control()) {
            paragraphs.push(String::new());
        } else if let Some(last) = paragraphs.last_mut() {
            last.push_str(row);
            last.push('\n');
        }
    }
    paragraphs
        .iter()
        .map(|paragraph| line(paragraph))
        .filter(|paragraph| !paragraph.is_empty() && paragraph != ".")
        .collect()
}

/// Hides `${NAME}` from debconf's substitution (Debconf::Question).
pub fn literal(text: &str) -> String {
    text.replace("${", "\\${")
}

/// The rows of an extended description, without their leading blank; `.`
/// between paragraphs (debconf-devel(7)).
pub fn extended(paragraphs: &[String]) -> Vec<String> {
    let mut rows = Vec::new();
    for paragraph in paragraphs {
        if !rows.is_empty() {
            rows.push(".".to_owned());
        }
        fill(paragraph, &mut rows);
    }
    rows
}

fn fill(paragraph: &str, rows: &mut Vec<String>) {
    let mut row = String::new();
    for word in paragraph.split(' ') {
        let fits = row.chars().count() + 1 + word.chars().count() < WIDTH;
        // A full stop alone on its row would end the paragraph.
        if row.is_empty() || fits || row == "." || word == "." {
            if !row.is_empty() {
                row.push(' ');
            }
        } else {
            rows.push(std::mem::take(&mut row));
        }
        row.push_str(word);
    }
    rows.push(row);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paragraphs_are_parted_by_blank_lines() {
        assert_eq!(
            paragraphs("\none\n two  three\n \nfour\n\n.\n\nfive"),
            ["one two three", "four", "five"]
        );
    }

    #[test]
    fn a_variable_is_no_variable() {
        assert_eq!(line("a ${b} $c"), "a \\${b} $c");
    }

    proptest! {
        #[test]
        fn rows_rejoin_to_their_paragraphs(text in "(?s)[a-c. \n${}\t#é-]{0,400}") {
            let wanted = paragraphs(&text);
            let rows = extended(&wanted);
            let found: Vec<String> = rows
                .split(|row| row == ".")
                .map(|rows| rows.join(" "))
                .filter(|paragraph| !paragraph.is_empty())
                .collect();
            prop_assert_eq!(found, wanted);
            for row in &rows {
                prop_assert!(!row.is_empty() && !row.starts_with(' '));
                prop_assert!(!row.contains(char::is_control));
            }
        }
    }
}
