//! Translations: PO files read into maps.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The catalogs that come with the program: the strings of the error
/// messages, by language.
const EMBEDDED: &[(&str, &str)] = &[("es", include_str!("../../../debian-templates/po/es.po"))];

/// Translations by language.
#[derive(Debug, Clone, Default)]
pub struct Catalogs {
    languages: BTreeMap<String, Catalog>,
}

/// One language: who translates, and what.
#[derive(Debug, Clone, Default)]
struct Catalog {
    header: BTreeMap<String, String>,
    messages: BTreeMap<String, String>,
}

/// A PO file that cannot be used.
#[derive(Debug)]
pub struct CatalogError {
    path: PathBuf,
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    message: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.line {
            0 => write!(f, "{path}: {}", self.message),
            line => write!(f, "{path}:{line}: {}", self.message),
        }
    }
}

impl std::error::Error for CatalogError {}

impl Catalogs {
    /// The embedded catalogs and every `LANGUAGE.po` of a directory, which
    /// may be absent. A string translated twice keeps the directory's text.
    ///
    /// # Errors
    /// The directory or a file cannot be read, or is no PO file in UTF-8.
    pub fn load(directory: &Path) -> Result<Catalogs, CatalogError> {
        let mut catalogs = Catalogs::embedded();
        let failed = |path: &Path, action: &str, error: std::io::Error| CatalogError {
            path: path.to_owned(),
            line: 0,
            message: format!("{action}: {error}"),
        };
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(catalogs),
            Err(error) => return Err(failed(directory, "listing it", error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(
                entry
                    .map_err(|error| failed(directory, "listing it", error))?
                    .path(),
            );
        }
        paths.sort();
        for path in paths {
            if path.extension().is_some_and(|extension| extension == "po") {
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| failed(&path, "reading it", error))?;
                catalogs.add(&path, &text)?;
            }
        }
        Ok(catalogs)
    }

    /// The catalogs that come with the program.
    pub fn embedded() -> Catalogs {
        let mut catalogs = Catalogs::default();
        for (language, text) in EMBEDDED {
            catalogs
                .add(Path::new(&format!("{language}.po")), text)
                .expect("the embedded catalogs parse");
        }
        catalogs
    }

    /// Adds the text of a PO file, whose name says the language.
    ///
    /// # Errors
    /// The name is no language, or the text no PO file.
    pub fn add(&mut self, path: &Path, text: &str) -> Result<(), CatalogError> {
        let error = |line, message| CatalogError {
            path: path.to_owned(),
            line,
            message,
        };
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let Some(language) = stem.filter(|stem| is_language(stem)) else {
            let message = "is not named after a language; name it like es.po or pt_BR.po";
            return Err(error(0, message.into()));
        };
        let entries = parse(text).map_err(|(line, message)| error(line, message))?;
        let catalog = self.languages.entry(language.to_owned()).or_default();
        for (msgid, msgstr) in entries {
            if msgid.is_empty() {
                catalog.header.extend(header(&msgstr));
            } else if !msgstr.is_empty() {
                catalog.messages.insert(msgid, msgstr);
            }
        }
        Ok(())
    }

    /// The languages, sorted.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// The translation of a string, where there is one.
    pub fn translation(&self, language: &str, msgid: &str) -> Option<&str> {
        let catalog = self.languages.get(language)?;
        catalog.messages.get(msgid).map(String::as_str)
    }

    /// A field of a catalog's header, such as `Last-Translator`.
    pub(super) fn header(&self, language: &str, field: &str) -> Option<&str> {
        let catalog = self.languages.get(language)?;
        catalog.header.get(field).map(String::as_str)
    }
}

/// ISO 639 code, country, modifier: `es`, `pt_BR`, `sr@latin`.
fn is_language(name: &str) -> bool {
    let (name, modifier) = name.split_once('@').unwrap_or((name, "x"));
    let (language, country) = name.split_once('_').unwrap_or((name, "XX"));
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && !modifier.is_empty()
        && modifier.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn header(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// An entry while it is read.
#[derive(Default)]
struct Entry {
    context: bool,
    plural: bool,
    fuzzy: bool,
    msgid: Option<String>,
    msgstr: Option<String>,
}

/// Which string a quoted line continues.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    None,
    Msgid,
    Msgstr,
    Other,
}

/// The entries of a PO file (gettext manual, 3.1), as msgid and msgstr.
/// Fuzzy entries, plurals and entries with a context are left out.
fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut entries = Vec::new();
    let mut entry = Entry::default();
    let mut part = Part::None;
    for (index, line) in text.lines().enumerate() {
        let at = |message: &str| (index + 1, message.to_owned());
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            if part == Part::Msgstr {
                entries.extend(finish(std::mem::take(&mut entry)));
                part = Part::None;
            }
            if let Some(flags) = line.strip_prefix("#,") {
                entry.fuzzy |= flags.split(',').any(|flag| flag.trim() == "fuzzy");
            }
            continue;
        }
        let (keyword, rest) = line.split_at(line.find('"').unwrap_or(line.len()));
        let value = unquote(rest).ok_or_else(|| at("is not a keyword and a quoted string"))?;
        let keyword = keyword.trim_end();
        if matches!(keyword, "msgctxt" | "msgid") && part == Part::Msgstr {
            entries.extend(finish(std::mem::take(&mut entry)));
        }
        match keyword {
            "" => match part {
                Part::Msgid => entry.msgid.get_or_insert_default().push_str(&value),
                Part::Msgstr => entry.msgstr.get_or_insert_default().push_str(&value),
                Part::Other => {}
                Part::None => return Err(at("continues no string; write msgid or msgstr")),
            },
            "msgid" => {
                entry.msgid = Some(value);
                part = Part::Msgid;
            }
            "msgstr" if entry.msgid.is_some() => {
                entry.msgstr = Some(value);
                part = Part::Msgstr;
            }
            "msgstr" => return Err(at("stands before its msgid")),
            "msgctxt" => {
                entry.context = true;
                part = Part::Other;
            }
            "msgid_plural" => {
                entry.plural = true;
                part = Part::Other;
            }
            _ if keyword.starts_with("msgstr[") => {
                entry.msgstr.get_or_insert_default();
                part = Part::Msgstr;
            }
            _ => return Err(at("starts with no keyword of a PO file")),
        }
    }
    if part == Part::Msgid {
        return Err((text.lines().count(), "ends before the msgstr".into()));
    }
    entries.extend(finish(entry));
    Ok(entries)
}

fn finish(entry: Entry) -> Option<(String, String)> {
    match entry {
        Entry {
            context: false,
            plural: false,
            fuzzy: false,
            msgid: Some(msgid),
            msgstr: Some(msgstr),
        } => Some((msgid, msgstr)),
        _ => None,
    }
}

/// The text of one string in quotes, its escapes resolved.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PO: &str = r#"# A comment.
msgid ""
msgstr ""
"Language-Team: Spanish <es@example.org>\n"
"Content-Type: text/plain; charset=UTF-8\n"

#: ../templates:1001
msgid "one"
msgstr "uno"
msgid ""
"two "
"\"halves\"\n"
msgstr "dos "
"\\ \"mitades\"\n"

#, fuzzy
msgid "guess"
msgstr "no"

#, c-format, fuzzy
msgid "guess two"
msgstr "no"

msgid "file"
msgid_plural "files"
msgstr[0] "fichero"
msgstr[1] "ficheros"

msgctxt "menu"
msgid "open"
msgstr "abrir"

msgid "empty"
msgstr ""
#~ msgid "old"
#~ msgstr "viejo"
"#;

    #[test]
    fn plain_entries_are_read() {
        let mut catalogs = Catalogs::default();
        catalogs.add(Path::new("po/es.po"), PO).unwrap();
        let of = |msgid| catalogs.translation("es", msgid);
        assert_eq!(of("one"), Some("uno"));
        assert_eq!(of("two \"halves\"\n"), Some("dos \\ \"mitades\"\n"));
        for skipped in ["guess", "guess two", "file", "open", "empty", "old", ""] {
            assert_eq!(of(skipped), None, "{skipped}");
        }
        assert_eq!(
            catalogs.header("es", "Language-Team"),
            Some("Spanish <es@example.org>")
        );
    }

    #[test]
    fn errors_name_file_and_line() {
        for (text, wanted) in [
            ("msgid \"a\"\nmsgstr \"b\nmsgid \"c\"", "x/es.po:2: is not"),
            ("\"a\"", "x/es.po:1: continues no string"),
            ("msgstr \"a\"", "x/es.po:1: stands before"),
            ("msgid \"a\"\nmsgstr \"\\q\"", "x/es.po:2: is not"),
            ("msgid \"a\"\n", "x/es.po:1: ends before"),
            ("mgsid \"a\"\n", "x/es.po:1: starts with no keyword"),
        ] {
            let mut catalogs = Catalogs::default();
            let error = catalogs.add(Path::new("x/es.po"), text).unwrap_err();
            assert!(error.to_string().starts_with(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn the_name_is_a_language() {
        let mut catalogs = Catalogs::default();
        for good in ["es.po", "ast.po", "pt_BR.po", "sr@latin.po"] {
            catalogs.add(Path::new(good), "").unwrap();
        }
        for bad in ["spanish.po", "ES.po", "es_es.po", "e.po", "es@.po"] {
            assert!(catalogs.add(Path::new(bad), "").is_err(), "{bad}");
        }
    }
}
