//! The small words of a scenario: lengths of time, sizes, nodes.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The names that nodes get, in order.
pub const NODE_NAMES: [&str; 8] = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta",
];

/// A node as a scenario names it. `holder` and `other` are what they are when
/// a step begins; `first` and `second` were `holder` and `other` when the
/// scenario began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Serves the role's virtual IP address.
    Holder,
    /// The lowest node that is not the holder.
    Other,
    First,
    Second,
    Name(String),
}

/// The words that are no names.
pub const SELECTORS: [&str; 4] = ["holder", "other", "first", "second"];

impl Who {
    /// `None`: neither a selector nor one of `nodes`.
    pub fn parse(word: &str, nodes: &[&str]) -> Option<Self> {
        Some(match word {
            "holder" => Self::Holder,
            "other" => Self::Other,
            "first" => Self::First,
            "second" => Self::Second,
            name if nodes.contains(&name) => Self::Name(name.into()),
            _ => return None,
        })
    }
}

/// In a resource's name, the role that is tried.
const ROLE: &str = "role";

/// The parts of a resource's name: what stands there, and in braces a word.
/// `None`: it is no such name.
fn parts(text: &str) -> Option<Vec<(&str, Option<&str>)>> {
    let plain = |text: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        text.chars().all(known)
    };
    let mut list = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (word, after) = after.split_once('}')?;
        list.push((before, Some(word)));
        rest = after;
    }
    list.push((rest, None));
    let sound = !text.is_empty() && list.iter().all(|(text, _)| plain(text));
    sound.then_some(list)
}

/// The words in braces of a resource's name that are neither `role` nor a node;
/// `None` where it is no name.
pub fn unknown_words<'t>(text: &'t str, nodes: &[&str]) -> Option<Vec<&'t str>> {
    let words = parts(text)?.into_iter().filter_map(|(_, word)| word);
    Some(
        words
            .filter(|word| *word != ROLE && Who::parse(word, nodes).is_none())
            .collect(),
    )
}

/// A resource's name, with the role and the nodes for the words in braces:
/// `{role}-ip`, `fence-{first}`.
///
/// # Errors
/// Why a node has no name now.
pub fn resource(
    text: &str,
    role: &str,
    name: &dyn Fn(&Who) -> Result<String, String>,
) -> Result<String, String> {
    let mut whole = String::new();
    for (text, word) in parts(text).unwrap_or_default() {
        whole.push_str(text);
        match word {
            None => {}
            Some(ROLE) => whole.push_str(role),
            Some(word) => match Who::parse(word, &[]) {
                Some(who) => whole.push_str(&name(&who)?),
                None => whole.push_str(word),
            },
        }
    }
    Ok(whole)
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holder => "holder",
            Self::Other => "other",
            Self::First => "first",
            Self::Second => "second",
            Self::Name(name) => name,
        })
    }
}

/// `250ms`, `12s`, `1.5s`, `3min`, `1h`; with a sign where `signed`.
/// Milliseconds.
pub fn milliseconds(text: &str, signed: bool) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' if signed => (-1, &text[1..]),
        b'+' if signed => (1, &text[1..]),
        _ => (1, text),
    };
    let unit_at = rest.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = rest.split_at(unit_at);
    let factor: f64 = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "min" => 60e3,
        "h" => 3600e3,
        _ => return None,
    };
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    if !number.chars().all(plain) || !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let all = (number * factor).round();
    // A year: longer is a slip, and nothing overflows.
    (all <= 3.2e10).then_some(sign * all as i64)
}

/// As [`milliseconds`], without a sign.
pub fn duration(text: &str) -> Option<Duration> {
    let all = milliseconds(text, false)?;
    Some(Duration::from_millis(all.unsigned_abs()))
}

/// A length of time as people read it: `4.1 s`, `250 ms`, `2 min 5 s`.
pub fn told(time: Duration) -> String {
    match time.as_millis() {
        ms if ms < 1000 => format!("{ms} ms"),
        ms if ms < 60_000 => format!("{:.1} s", time.as_secs_f64()),
        ms => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(milliseconds("250ms", false), Some(250));
        assert_eq!(milliseconds("1.5s", false), Some(1500));
        assert_eq!(milliseconds("-2min", true), Some(-120_000));
        for wrong in [
            "",
            "12",
            "s",
            "1 s",
            "-1s",
            "1e3s",
            "1sec",
            "99999999h",
            ".5s",
            "1..5s",
        ] {
            assert_eq!(milliseconds(wrong, false), None, "{wrong}");
        }
    }

    #[test]
    fn a_node_is_a_selector_or_one_that_exists() {
        let nodes = ["alpha", "beta"];
        assert_eq!(Who::parse("holder", &nodes), Some(Who::Holder));
        assert_eq!(Who::parse("beta", &nodes), Some(Who::Name("beta".into())));
        assert_eq!(Who::parse("gamma", &nodes), None);
        for word in SELECTORS {
            assert_eq!(Who::parse(word, &[]).unwrap().to_string(), word);
        }
    }

    #[test]
    fn a_resource_is_named_by_role_and_node() {
        let name = |who: &Who| match who {
            Who::First => Ok("beta".to_string()),
            who => Err(format!("nobody is {who}")),
        };
        let of = |text: &str| resource(text, "clc", &name);
        assert_eq!(of("{role}-{role}").as_deref(), Ok("clc-clc"));
        assert_eq!(of("fence-{first}").as_deref(), Ok("fence-beta"));
        assert_eq!(of("fence-beta").as_deref(), Ok("fence-beta"));
        assert_eq!(of("fence-{other}"), Err("nobody is other".into()));
        let unknown = |text| unknown_words(text, &["alpha"]);
        assert_eq!(unknown("{role}-{alpha}-{first}"), Some(vec![]));
        assert_eq!(unknown("{rolle}-ip"), Some(vec!["rolle"]));
        for text in ["", "{role", "a b", "a;b"] {
            assert_eq!(unknown(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_told_in_the_unit_that_reads_best() {
        assert_eq!(told(Duration::from_millis(20)), "20 ms");
        assert_eq!(told(Duration::from_millis(4123)), "4.1 s");
        assert_eq!(told(Duration::from_secs(125)), "2 min 5 s");
    }
}
