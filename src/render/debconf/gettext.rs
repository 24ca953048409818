//! `templates.pot` and the PO files, as debconf-updatepo(1) makes them.

use std::fmt::Write;

use super::catalog::Catalogs;
use super::template::Template;

/// What the headers say.
pub struct Head<'a> {
    pub package: &'a str,
    /// RFC 3339 date of the newest change.
    pub date: &'a str,
}

/// One string and where it occurs.
pub struct Entry<'a> {
    pub text: &'a str,
    /// Types of the templates it occurs in.
    kinds: Vec<&'a str>,
    /// What intltool gives for line numbers.
    places: Vec<usize>,
}

/// The strings of the templates in order, each once.
pub fn entries(templates: &[Template]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, template) in templates.iter().enumerate() {
        let place = (index + 1) * 1000 + 1;
        for text in template.strings() {
            match entries.iter_mut().find(|entry| entry.text == text) {
                Some(entry) => {
                    entry.kinds.push(template.kind);
                    if !entry.places.contains(&place) {
                        entry.places.push(place);
                    }
                }
                None => entries.push(Entry {
                    text,
                    kinds: vec![template.kind],
                    places: vec![place],
                }),
            }
        }
    }
    entries
}

/// `debian/po/POTFILES.in`. intltool must be told of an encoding beyond ASCII.
pub fn potfiles(templates: &[Template]) -> String {
    let encoding = if is_ascii(templates) {
        ""
    } else {
        "[encoding: UTF-8]\n"
    };
    format!("{encoding}[type: gettext/rfc822deb] templates\n")
}

/// `debian/po/templates.pot`.
pub fn pot(head: &Head, templates: &[Template]) -> String {
    let charset = if is_ascii(templates) {
        "CHARSET"
    } else {
        "UTF-8"
    };
    let package = head.package;
    let mut out = format!(
        "# SOME DESCRIPTIVE TITLE.\n\
         # Copyright (C) YEAR THE PACKAGE'S COPYRIGHT HOLDER\n\
         # This file is distributed under the same license as the {package} package.\n\
         # FIRST AUTHOR <EMAIL@ADDRESS>, YEAR.\n\
         #\n\
         #, fuzzy\n"
    );
    header(
        &mut out,
        &[
            ("Project-Id-Version", package),
            ("Report-Msgid-Bugs-To", &bugs_to(package)),
            ("POT-Creation-Date", &minutes(head.date)),
            ("PO-Revision-Date", "YEAR-MO-DA HO:MI+ZONE"),
            ("Last-Translator", "FULL NAME <EMAIL@ADDRESS>"),
            ("Language-Team", "LANGUAGE <LL@li.org>"),
            ("Language", ""),
            ("MIME-Version", "1.0"),
            ("Content-Type", &format!("text/plain; charset={charset}")),
            ("Content-Transfer-Encoding", "8bit"),
        ],
    );
    for entry in entries(templates) {
        message(&mut out, &entry, "");
    }
    out
}

/// `debian/po/LANGUAGE.po`; strings without a translation stay empty.
pub fn po(head: &Head, language: &str, catalogs: &Catalogs, templates: &[Template]) -> String {
    let of = |field, absent| catalogs.header(language, field).unwrap_or(absent);
    let package = head.package;
    let date = minutes(head.date);
    let mut out = format!(
        "# Debconf templates of {package}.\n\
         # This file is distributed under the same license as the {package} package.\n\
         #\n"
    );
    header(
        &mut out,
        &[
            ("Project-Id-Version", package),
            ("Report-Msgid-Bugs-To", &bugs_to(package)),
            ("POT-Creation-Date", &date),
            ("PO-Revision-Date", of("PO-Revision-Date", &date)),
            ("Last-Translator", of("Last-Translator", "none")),
            ("Language-Team", of("Language-Team", "none")),
            ("Language", language),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=UTF-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ],
    );
    for entry in entries(templates) {
        let translation = catalogs.translation(language, entry.text);
        message(&mut out, &entry, translation.unwrap_or_default());
    }
    out
}

fn is_ascii(templates: &[Template]) -> bool {
    templates
        .iter()
        .flat_map(Template::strings)
        .all(|text| text.is_ascii())
}

fn bugs_to(package: &str) -> String {
    format!("{package}@packages.debian.org")
}

/// `2026-11-01T12:00:00Z` as gettext writes it: `2026-11-01 12:00+0000`.
fn minutes(date: &str) -> String {
    let zone = match date.get(19..) {
        Some(zone @ ("Z" | "z" | "")) | Some(zone) if zone.len() < 6 => "+0000".to_owned(),
        Some(zone) => zone[zone.len() - 6..].replace(':', ""),
        None => return "2026-01-01 00:00+0000".to_owned(),
    };
    format!("{} {}{zone}", &date[..10], &date[11..16])
}

fn header(out: &mut String, fields: &[(&str, &str)]) {
    out.push_str("msgid \"\"\nmsgstr \"\"\n");
    for (name, value) in fields {
        let field = format!("{name}: {value}\n");
        _ = writeln!(out, "\"{}\"", quoted(&field));
    }
}

fn message(out: &mut String, entry: &Entry, translation: &str) {
    out.push('\n');
    for kind in &entry.kinds {
        _ = write!(out, "#. Type: {kind}\n#. Description\n");
    }
    let places: Vec<String> = entry
        .places
        .iter()
        .map(|place| format!("../templates:{place}"))
        .collect();
    for row in filled(&places.join(" "), 76) {
        _ = writeln!(out, "#: {}", row.trim_end());
    }
    if entry.text.contains('%') {
        out.push_str("#, no-c-format\n");
    }
    string(out, "msgid", entry.text);
    string(out, "msgstr", translation);
}

/// A keyword and its string, on several lines when it is long.
fn string(out: &mut String, keyword: &str, text: &str) {
    let escaped = quoted(text);
    if keyword.len() + 3 + escaped.chars().count() <= 79 && !text.contains('\n') {
        _ = writeln!(out, "{keyword} \"{escaped}\"");
        return;
    }
    _ = writeln!(out, "{keyword} \"\"");
    for line in text.split_inclusive('\n') {
        for row in filled(&quoted(line), 77) {
            _ = writeln!(out, "\"{row}\"");
        }
    }
}

/// Rows of at most `width` characters, broken behind blanks, which stay.
fn filled(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let Some(row) = rows.last_mut() else {
            continue;
        };
        if row.is_empty() || row.chars().count() + word.chars().count() <= width {
            row.push_str(word);
        } else {
            rows.push(word.to_owned());
        }
    }
    rows
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
        .replace('\r', "\\r")
}
