//! Free text of a recipe, made safe for each place it is put in.
//!
//! Every function here is total: whatever the text holds, the result can not
//! end the field, the macro or the word it stands in.

/// A piece of a longer text.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// Filled text.
    Paragraph(String),
    /// One entry of a list, without its bullet.
    Item(String),
    /// Lines shown as they are, without their indentation.
    Verbatim(Vec<String>),
}

/// One line: control characters and runs of white space become one blank.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if !word.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
    out
}

/// The paragraphs of a text. A blank line ends a paragraph, `- ` or `* `
/// starts a list entry, two blanks or a tab start a line kept as it is.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    let mut open = false;
    for raw in text.split([
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ]) {
        let content = line(raw);
        if content.is_empty() {
            open = false;
            continue;
        }
        let bullet = content
            .strip_prefix("- ")
            .or_else(|| content.strip_prefix("* "));
        let continues_item = open && matches!(out.last(), Some(Block::Item(_)));
        if let Some(item) = bullet {
            out.push(Block::Item(item.to_owned()));
        } else if (raw.starts_with("  ") || raw.starts_with('\t')) && !continues_item {
            match out.last_mut() {
                Some(Block::Verbatim(lines)) if open => lines.push(content),
                _ => out.push(Block::Verbatim(vec![content])),
            }
        } else {
            match out.last_mut() {
                Some(Block::Paragraph(text) | Block::Item(text)) if open => {
                    text.push(' ');
                    text.push_str(&content);
                }
                _ => out.push(Block::Paragraph(content)),
            }
        }
        open = true;
    }
    out
}

/// Fills words into lines of at most `width` characters, the first one
/// behind `first`, the others behind `rest`. A longer word stands alone.
pub fn fill(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = first.to_owned();
    let mut length = first.chars().count();
    let mut empty = true;
    for word in text.split_whitespace() {
        let size = word.chars().count();
        if !empty && length + 1 + size > width {
            lines.push(std::mem::replace(&mut current, rest.to_owned()));
            length = rest.chars().count();
            empty = true;
        }
        if !empty {
            current.push(' ');
            length += 1;
        }
        current.push_str(word);
        length += size;
        empty = false;
    }
    if !empty {
        lines.push(current);
    }
    lines
}

/// Plain text filled to `width`, every line behind `indent`, a blank line
/// between blocks (but not between the entries of a list).
pub fn plain(text: &str, width: usize, indent: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut after_item = false;
    for block in blocks(text) {
        let is_item = matches!(block, Block::Item(_));
        let joined = after_item && is_item;
        if !out.is_empty() && !joined {
            out.push(String::new());
        }
        after_item = is_item;
        match block {
            Block::Paragraph(text) => out.extend(fill(&text, width, indent, indent)),
            Block::Item(text) => {
                let (first, rest) = (format!("{indent}* "), format!("{indent}  "));
                out.extend(fill(&text, width, &first, &rest));
            }
            Block::Verbatim(lines) => {
                out.extend(lines.into_iter().map(|line| format!("{indent}  {line}")));
            }
        }
    }
    out.join("\n")
}

/// The extended part of a Description or of a copyright field (policy
/// 5.6.13): each line behind a blank, ` .` between blocks. Without the
/// newline at the end; empty for an empty text.
pub fn extended(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut after_item = false;
    for block in blocks(text) {
        let is_item = matches!(block, Block::Item(_));
        let joined = after_item && is_item;
        if !out.is_empty() && !joined {
            out.push(" .".into());
        }
        after_item = is_item;
        match block {
            // A line that starts with a full stop is reserved: show it as is.
            Block::Paragraph(text) => {
                out.extend(fill(&text, 76, " ", " ").into_iter().map(|line| {
                    if line.starts_with(" .") {
                        format!(" {line}")
                    } else {
                        line
                    }
                }))
            }
            Block::Item(text) => out.extend(fill(&text, 76, "  * ", "    ")),
            Block::Verbatim(lines) => out.extend(lines.into_iter().map(|l| format!("  {l}"))),
        }
    }
    out.join("\n")
}

/// An item of a changelog entry (deb-changelog(5)).
pub fn item(text: &str) -> String {
    fill(&line(text), 78, "  * ", "    ").join("\n")
}

/// The extended Description of a task: lines behind a blank. tasksel joins
/// them with blanks, so there is no list, and shows ` .` as it is, so that a
/// lone full stop stays beside its neighbour. Empty for a text of a full stop alone.
pub fn task(text: &str) -> String {
    let text: Vec<String> = blocks(text)
        .into_iter()
        .map(|block| match block {
            Block::Paragraph(text) | Block::Item(text) => text,
            Block::Verbatim(lines) => lines.join(" "),
        })
        .collect();
    let mut lines: Vec<String> = Vec::new();
    for line in fill(&text.join(" "), 76, " ", " ") {
        match lines.last_mut() {
            Some(last) if line == " ." || last == " ." => last.push_str(&line),
            _ => lines.push(line),
        }
    }
    lines.retain(|line| line != " .");
    lines.join("\n")
}

/// One line of roff text (groff_char(7), groff(7)): no character of it is a
/// control line, an escape, or the end of a quoted macro argument.
pub fn roff(text: &str) -> String {
    let text = line(text);
    let mut out = String::with_capacity(text.len() + 8);
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\(rs"),
            '"' => out.push_str("\\(dq"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '-' => out.push_str("\\-"),
            c => out.push(c),
        }
    }
    out
}

/// A text as the body of a man page section: paragraphs, lists, examples.
/// The first paragraph has no `.PP` before it, so it may follow `.SH`, `.TP`.
/// In a tagged paragraph (`tagged`) the later ones are `.IP`.
pub fn man(text: &str, tagged: bool) -> String {
    let mut out: Vec<String> = Vec::new();
    for block in blocks(text) {
        let first = out.is_empty();
        match block {
            Block::Paragraph(text) => {
                if !first {
                    out.push(if tagged { ".IP" } else { ".PP" }.into());
                }
                let filled = fill(&text, 76, "", "");
                out.extend(filled.iter().map(|line| roff(line)));
            }
            Block::Item(text) => {
                out.push(".IP \\(bu 2".into());
                let filled = fill(&text, 76, "", "");
                out.extend(filled.iter().map(|line| roff(line)));
            }
            Block::Verbatim(lines) => {
                out.push(if tagged { ".IP" } else { ".PP" }.into());
                out.push(".nf".into());
                out.extend(lines.iter().map(|line| roff(line)));
                out.push(".fi".into());
            }
        }
    }
    out.join("\n")
}

/// A word of POSIX shell in single quotes; bare where it needs none.
pub fn shell(text: &str) -> String {
    let text = text.replace('\0', "");
    let bare = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !text.is_empty() && text.chars().all(bare) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_tell_paragraphs_lists_and_examples_apart() {
        let found = blocks("one\ntwo\n\n- a\n  b\n- c\n\n  $ cmd\n  $ cmd2\n");
        assert_eq!(
            found,
            [
                Block::Paragraph("one two".into()),
                Block::Item("a b".into()),
                Block::Item("c".into()),
                Block::Verbatim(vec!["$ cmd".into(), "$ cmd2".into()]),
            ]
        );
    }

    #[test]
    fn a_list_stays_together_in_a_description() {
        assert_eq!(
            extended("x\n\n- a\n- b\n\ny"),
            " x\n .\n  * a\n  * b\n .\n y"
        );
    }

    #[test]
    fn a_reserved_line_is_indented() {
        assert_eq!(extended(".hidden"), "  .hidden");
        assert_eq!(extended("."), "  .");
    }

    #[test]
    fn roff_hides_control_lines() {
        assert_eq!(roff(".so /etc/passwd"), "\\&.so /etc/passwd");
        assert_eq!(roff("'br \\fB\""), "\\&\\(aqbr \\(rsfB\\(dq");
    }

    #[test]
    fn a_task_has_no_line_of_a_full_stop() {
        let word = "x".repeat(75);
        assert_eq!(task("."), "");
        assert_eq!(task(&format!("{word} .")), format!(" {word} ."));
        assert_eq!(task(&format!(". {word}")), format!(" . {word}"));
        assert_eq!(task(&format!("{word}\n\n.\n\ny")), format!(" {word}\n . y"));
    }

    proptest! {
        #[test]
        fn a_task_line_is_more_than_a_full_stop(text in "[. \nx]{0,300}") {
            for line in task(&text).lines() {
                prop_assert!(line.starts_with(' ') && !["", "."].contains(&line.trim()), "{line:?}");
            }
        }

        #[test]
        fn a_line_is_one_line(text in any::<String>()) {
            let line = line(&text);
            prop_assert!(!line.chars().any(|c| c.is_control()));
            prop_assert_eq!(line.trim(), line.as_str());
            prop_assert!(!line.contains("  "));
        }

        #[test]
        fn an_extended_text_adds_no_field(text in "(?s).{0,200}") {
            for line in extended(&text).split_terminator('\n') {
                prop_assert!(line.starts_with(' '), "{line:?}");
                prop_assert!(line.trim() != "", "{line:?}");
                prop_assert!(!line.contains(['\r', '\0', '\t']));
            }
        }

        #[test]
        fn roff_text_runs_no_request(text in "(?s)[.'\\\\\n a-z\"-]{0,80}") {
            for line in man(&text, false).lines() {
                let request = line.starts_with(['.', '\'']);
                prop_assert!(
                    !request || [".PP", ".IP \\(bu 2", ".nf", ".fi"].contains(&line),
                    "{line:?}"
                );
            }
            let one = roff(&text);
            prop_assert!(!one.contains(['\n', '"']));
            let mut rest = one.as_str();
            while let Some(at) = rest.find('\\') {
                rest = &rest[at + 1..];
                prop_assert!(rest.starts_with('-') || rest.starts_with('&') || rest.starts_with('('));
            }
        }

        #[test]
        fn filled_lines_keep_their_width(words in prop::collection::vec("[a-z]{1,20}", 0..40)) {
            let text = words.join(" ");
            let lines = fill(&text, 30, "  ", "    ");
            for line in &lines {
                prop_assert!(line.chars().count() <= 30);
            }
            let back: Vec<&str> = lines.iter().flat_map(|l| l.split_whitespace()).collect();
            prop_assert_eq!(back, words);
        }
    }

    #[test]
    fn a_quoted_word_stays_one_word() {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
        runner
            .run(&"[ -~\n\t]{0,40}", |text| {
                let script = format!("printf %s {}", shell(&text));
                let output = std::process::Command::new("sh")
                    .args(["-c", &script])
                    .output()
                    .expect("run sh");
                prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
                Ok(())
            })
            .unwrap();
    }
}
