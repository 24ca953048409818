//! apt's sources, both notations (sources.list(5)).

use std::fs;
use std::path::Path;

use crate::stop::{During, Stop};

/// One binary source of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub address: String,
    pub suite: String,
    /// Path of the keyring, where one is named.
    pub signed_by: Option<String>,
}

impl Source {
    /// A deb822 stanza for another suite of the same archive.
    pub fn stanza(&self, suite: &str) -> String {
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n",
            self.address
        );
        if let Some(keyring) = &self.signed_by {
            text.push_str(&format!("Signed-By: {keyring}\n"));
        }
        text
    }
}

/// All sources below `/etc/apt`.
///
/// # Errors
/// A file cannot be read.
pub fn read(etc_apt: &Path) -> Result<Vec<Source>, Stop> {
    let mut paths = vec![etc_apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(etc_apt.join("sources.list.d")) {
        paths.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
    }
    paths.sort();
    let mut found = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(path).during(format_args!("reading {}", path.display()))?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => found.extend(deb822(&text)),
            Some("list") => found.extend(text.lines().filter_map(one_line)),
            _ => {}
        }
    }
    Ok(found)
}

/// `deb [options] address suite component…`
fn one_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let mut rest = line
        .strip_prefix("deb")?
        .strip_prefix([' ', '\t'])?
        .trim_start();
    let mut signed_by = None;
    if let Some(inner) = rest.strip_prefix('[') {
        let (options, after) = inner.split_once(']')?;
        signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(|value| value.trim_matches('"').to_owned());
        rest = after;
    }
    let mut words = rest.split_whitespace();
    Some(Source {
        address: words.next()?.to_owned(),
        suite: words.next()?.to_owned(),
        signed_by,
    })
}

fn deb822(text: &str) -> Vec<Source> {
    let kept: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n");
    let mut found = Vec::new();
    for stanza in kept.split("\n\n") {
        let value = |wanted: &str| {
            stanza.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim())
            })
        };
        let words = |name| value(name).unwrap_or_default().split_whitespace();
        if !words("Types").any(|kind| kind == "deb") || value("Enabled") == Some("no") {
            continue;
        }
        // An inline key is no path that another stanza could name.
        let signed_by = value("Signed-By").filter(|path| path.starts_with('/'));
        for address in words("URIs") {
            for suite in words("Suites") {
                found.push(Source {
                    address: address.to_owned(),
                    suite: suite.to_owned(),
                    signed_by: signed_by.map(str::to_owned),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Source, deb822, one_line};

    fn source(address: &str, suite: &str, signed_by: Option<&str>) -> Source {
        Source {
            address: address.into(),
            suite: suite.into(),
            signed_by: signed_by.map(str::to_owned),
        }
    }

    #[test]
    fn one_line_sources() {
        assert_eq!(
            one_line("deb [arch=amd64 signed-by=/k.gpg] file:/srv/d bookworm main contrib"),
            Some(source("file:/srv/d", "bookworm", Some("/k.gpg")))
        );
        assert_eq!(
            one_line("deb\tfile:/srv/d bookworm main # the release"),
            Some(source("file:/srv/d", "bookworm", None))
        );
        assert_eq!(one_line("deb-src file:/srv/d bookworm main"), None);
        assert_eq!(one_line("# deb file:/srv/d bookworm main"), None);
    }

    #[test]
    fn stanzas() {
        let text = "# by hand\nTypes: deb deb-src\n# a note\nURIs: file:/a file:/b\nSuites: x x-updates\nComponents: main\nSigned-By: /k.gpg\n\nEnabled: no\nTypes: deb\nURIs: file:/c\nSuites: y\n\nTypes: deb-src\nURIs: file:/d\nSuites: z\n";
        assert_eq!(
            deb822(text),
            [
                source("file:/a", "x", Some("/k.gpg")),
                source("file:/a", "x-updates", Some("/k.gpg")),
                source("file:/b", "x", Some("/k.gpg")),
                source("file:/b", "x-updates", Some("/k.gpg")),
            ]
        );
    }

    #[test]
    fn a_stanza_for_backports_reads_back() {
        let own = source("file:/srv/d", "bookworm", Some("/k.gpg"));
        assert_eq!(
            deb822(&own.stanza("bookworm-backports")),
            [source("file:/srv/d", "bookworm-backports", Some("/k.gpg"))]
        );
    }
}
