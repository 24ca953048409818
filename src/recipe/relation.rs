//! Package relations (policy 7.1): parsing, printing.

use std::fmt;

/// Operators of policy 7.1; `<` and `>` alone are obsolete.
const OPERATORS: [&str; 5] = ["<<", "<=", "=", ">=", ">>"];

/// One package with an optional version: `drbd-utils (>= 9.15)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alternative {
    pub name: String,
    /// Operator and version.
    pub version: Option<(String, String)>,
}

/// Packages of which any one will do: `csync2 | unison`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation(pub Vec<Alternative>);

/// Reads one relation of a recipe; the error says what to write instead.
pub fn parse(text: &str) -> Result<Relation, String> {
    if text.trim().is_empty() {
        return Err("it is empty; write a package name".into());
    }
    if text.contains(',') {
        return Err("it holds a comma; write each relation as an entry of its own".into());
    }
    text.split('|')
        .map(alternative)
        .collect::<Result<_, _>>()
        .map(Relation)
}

fn alternative(text: &str) -> Result<Alternative, String> {
    let text = text.trim();
    if text.contains(['[', '<']) && !text.contains('(') || text.contains('[') {
        return Err(format!(
            "`{text}` is restricted to an architecture or a profile; write it without, \
             the packages are the same everywhere"
        ));
    }
    let (name, rest) = match text.find(|c: char| c == '(' || c.is_whitespace()) {
        Some(at) => (&text[..at], text[at..].trim()),
        None => (text, ""),
    };
    package_name(name)?;
    if rest.is_empty() {
        return Ok(Alternative {
            name: name.into(),
            version: None,
        });
    }
    let Some(inner) = rest.strip_prefix('(').and_then(|r| r.strip_suffix(')')) else {
        return Err(format!(
            "`{rest}` behind `{name}` is no version; write `{name} (>= 1.0)`"
        ));
    };
    let inner = inner.trim();
    let split = inner
        .find(|c: char| !"<>=".contains(c))
        .unwrap_or(inner.len());
    let (operator, version) = (inner[..split].trim(), inner[split..].trim());
    if !OPERATORS.contains(&operator) {
        return Err(format!(
            "`{operator}` is no operator; write one of `<<`, `<=`, `=`, `>=`, `>>`"
        ));
    }
    let sound = version.parse::<debversion::Version>().is_ok()
        && version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".+-~:".contains(&b));
    if !sound {
        return Err(format!(
            "`{version}` is no version; write one such as `{name} (>= 1.0)`"
        ));
    }
    Ok(Alternative {
        name: name.into(),
        version: Some((operator.into(), version.into())),
    })
}

/// Policy 5.6.7: at least two of `a-z0-9+-.`, the first a letter or a digit.
pub fn package_name(name: &str) -> Result<(), String> {
    let sound = name.len() >= 2
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    if sound {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no package name; write at least two lower-case letters, digits or `+-.`"
    ))
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some((operator, version)) => write!(f, "{} ({operator} {version})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, alternative) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{alternative}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_read_and_written_in_one_form() {
        for (text, wanted) in [
            ("pacemaker", "pacemaker"),
            (" drbd-utils(>=9.15) ", "drbd-utils (>= 9.15)"),
            ("csync2|unison", "csync2 | unison"),
            ("a1 ( = 1:2.0-3~x+y ) | b2", "a1 (= 1:2.0-3~x+y) | b2"),
            ("lib+x.y (<< 2)", "lib+x.y (<< 2)"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for (text, part) in [
            ("", "is empty"),
            ("a1, b1", "entry of its own"),
            ("a1 |", "no package name"),
            ("A1", "no package name"),
            ("a", "no package name"),
            ("a1 [amd64]", "without"),
            ("a1 <!nocheck>", "without"),
            ("a1:any", "no package name"),
            ("a1 (> 1)", "no operator"),
            ("a1 (1)", "no operator"),
            ("a1 (>= )", "no version"),
            ("a1 (>= 1 2)", "no version"),
            ("a1 (>= 1", "no version"),
            ("a1 >= 1", "no version"),
            ("a1\nDepends: x", "no version"),
            ("a1 (>= ${x})", "no version"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
