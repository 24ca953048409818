//! XML elements, written with two blanks for each level.

use std::fmt::Write as _;

/// An element without text, as all of a CIB's are, and what is inside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
}

impl Element {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// With one more attribute.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// With one more attribute, where there is a value.
    pub fn set_some(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// With more children.
    pub fn with(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// Text that ends in a newline.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, text: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        let _ = write!(text, "{indent}<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(text, " {name}=\"{}\"", escaped(value));
        }
        if self.children.is_empty() {
            text.push_str("/>\n");
            return;
        }
        text.push_str(">\n");
        for child in &self.children {
            child.write(text, depth + 1);
        }
        let _ = writeln!(text, "{indent}</{}>", self.name);
    }
}

/// An attribute's value. Blanks other than the space would be normalised away
/// (XML 1.0, 3.3.3), so that they are written by number.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            c if c.is_ascii_control() => {
                let _ = write!(text, "&#{};", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

/// The text of a value in which a tool has escaped more than once (the reason of
/// a failure, by crm_mon of pacemaker 2.1.6).
pub fn unescaped(value: &str) -> String {
    value
        .replace("&apos;", "'")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::{Element, escaped, unescaped};

    #[test]
    fn no_value_breaks_out_of_its_attribute() {
        let value = "a\" b='<&>\n";
        let text = Element::new("x").set("v", value).text();
        assert_eq!(text, "<x v=\"a&quot; b='&lt;&amp;&gt;&#10;\"/>\n");
        let read = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(read.root_element().attribute("v"), Some(value));
    }

    #[test]
    fn a_value_escaped_once_more_reads_back() {
        let value = "Couldn't find <a & \"b\">";
        assert_eq!(unescaped(&escaped(value)), value);
        assert_eq!(unescaped("Couldn&apos;t"), "Couldn't");
        assert_eq!(unescaped("&amp;lt;"), "&lt;");
    }

    #[test]
    fn children_stand_on_lines_of_their_own() {
        let inner = Element::new("b").set_some("k", None::<String>);
        let text = Element::new("a").with([inner.clone(), inner]).text();
        assert_eq!(text, "<a>\n  <b/>\n  <b/>\n</a>\n");
    }
}
