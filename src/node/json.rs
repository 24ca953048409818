//! JSON (RFC 8259), as much of it as the program prints.

use std::fmt::Write;

/// `text` as a JSON string, quotes included.
pub fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A JSON string, or `null`.
pub fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".into(), string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_reads_back() {
        let text = "a \"b\" \\ \n\t\u{1} ü\u{7f}";
        let back: String = serde_json::from_str(&string(text)).unwrap();
        assert_eq!(back, text);
        assert_eq!(optional(None), "null");
    }
}
