//! The journal's log: one line for each record, each with its own checksum.
//!
//! ```text
//! ubuntu-ha journal 1
//! 3f9a6c01<TAB>kept<TAB>0<TAB>/etc/corosync/corosync.conf<TAB>644<TAB>0<TAB>0
//! ```
//!
//! The checksum is the start of the SHA-256 of the rest of the line. A last
//! line that is torn was never acted upon, and counts as absent.

use sha2::{Digest, Sha256};

/// First line of a log; the number is the format's version.
pub const HEAD: &str = "ubuntu-ha journal 1";

/// Hexadecimal digits of a checksum.
const DIGITS: usize = 8;

/// What the log tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Which command's transaction this is.
    Begin {
        command: String,
    },
    /// A file was copied to `kept/NUMBER`, and its mode and owner noted.
    Kept {
        number: u32,
        path: String,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// There was no such file.
    Absent {
        path: String,
    },
    /// There was no such directory, and it is about to be made.
    Made {
        path: String,
    },
    /// A file is about to be written beside its target.
    Staged {
        path: String,
    },
    /// A unit's state before it is changed.
    Unit {
        name: String,
        enabled: bool,
        active: bool,
    },
    /// Something that a later run has to know.
    Note {
        key: String,
        value: String,
    },
    /// All files are in place.
    Commit,
    Done {
        step: String,
    },
    /// The transaction is over.
    End,
}

impl Record {
    /// The line, with its newline.
    pub fn line(&self) -> String {
        let fields: Vec<String> = match self {
            Self::Begin { command } => vec!["begin".into(), command.clone()],
            Self::Kept {
                number,
                path,
                mode,
                uid,
                gid,
            } => vec![
                "kept".into(),
                number.to_string(),
                path.clone(),
                format!("{mode:o}"),
                uid.to_string(),
                gid.to_string(),
            ],
            Self::Absent { path } => vec!["absent".into(), path.clone()],
            Self::Made { path } => vec!["made".into(), path.clone()],
            Self::Staged { path } => vec!["staged".into(), path.clone()],
            Self::Unit {
                name,
                enabled,
                active,
            } => vec![
                "unit".into(),
                name.clone(),
                enabled.to_string(),
                active.to_string(),
            ],
            Self::Note { key, value } => vec!["note".into(), key.clone(), value.clone()],
            Self::Commit => vec!["commit".into()],
            Self::Done { step } => vec!["done".into(), step.clone()],
            Self::End => vec!["end".into()],
        };
        let fields: Vec<String> = fields.iter().map(|field| escaped(field)).collect();
        let rest = fields.join("\t");
        format!("{}\t{rest}\n", checksum(&rest))
    }

    fn parse(line: &str) -> Option<Self> {
        let (sum, rest) = line.split_once('\t')?;
        if sum != checksum(rest) {
            return None;
        }
        let fields: Vec<String> = rest.split('\t').map(unescaped).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        Some(match fields.as_slice() {
            ["begin", command] => Self::Begin {
                command: (*command).into(),
            },
            ["kept", number, path, mode, uid, gid] => Self::Kept {
                number: number.parse().ok()?,
                path: (*path).into(),
                mode: u32::from_str_radix(mode, 8).ok()?,
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            },
            ["absent", path] => Self::Absent {
                path: (*path).into(),
            },
            ["made", path] => Self::Made {
                path: (*path).into(),
            },
            ["staged", path] => Self::Staged {
                path: (*path).into(),
            },
            ["unit", name, enabled, active] => Self::Unit {
                name: (*name).into(),
                enabled: enabled.parse().ok()?,
                active: active.parse().ok()?,
            },
            ["note", key, value] => Self::Note {
                key: (*key).into(),
                value: (*value).into(),
            },
            ["commit"] => Self::Commit,
            ["done", step] => Self::Done {
                step: (*step).into(),
            },
            ["end"] => Self::End,
            _ => return None,
        })
    }
}

/// Reads a whole log, and how many of its bytes are good.
///
/// # Errors
/// Number of the line that is damaged, from 1; the last one may be.
pub fn read(text: &[u8]) -> Result<(Vec<Record>, usize), usize> {
    let mut records = Vec::new();
    let mut good = 0;
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    for (index, raw) in lines.iter().enumerate() {
        let line = raw
            .strip_suffix(b"\n")
            .and_then(|line| std::str::from_utf8(line).ok());
        let last = index + 1 == lines.len();
        match (index, line) {
            (0, Some(HEAD)) => {}
            (0, _) => return if last { Ok((records, 0)) } else { Err(1) },
            (_, line) => match line.and_then(Record::parse) {
                Some(record) => records.push(record),
                None if last => break,
                None => return Err(index + 1),
            },
        }
        good += raw.len();
    }
    Ok((records, good))
}

fn checksum(text: &str) -> String {
    let sum = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    sum[..DIGITS].into()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Record> {
        vec![
            Record::Begin {
                command: "apply".into(),
            },
            Record::Kept {
                number: 3,
                path: "/a b\tc\\n\n".into(),
                mode: 0o4640,
                uid: 0,
                gid: 7,
            },
            Record::Absent { path: "/x".into() },
            Record::Made { path: "/d".into() },
            Record::Staged { path: "/s".into() },
            Record::Unit {
                name: "corosync".into(),
                enabled: true,
                active: false,
            },
            Record::Note {
                key: "k".into(),
                value: String::new(),
            },
            Record::Commit,
            Record::Done {
                step: "a step".into(),
            },
            Record::End,
        ]
    }

    fn text() -> String {
        let lines: String = all().iter().map(Record::line).collect();
        format!("{HEAD}\n{lines}")
    }

    #[test]
    fn every_record_reads_back() {
        let text = text();
        assert_eq!(read(text.as_bytes()), Ok((all(), text.len())));
    }

    #[test]
    fn a_log_torn_anywhere_is_a_shorter_log() {
        let text = text();
        let all = all();
        for end in 0..text.len() {
            let (records, good) = read(&text.as_bytes()[..end]).unwrap();
            assert!(all.starts_with(&records), "{end}");
            assert!(good <= end);
            let whole = text[..end].matches('\n').count().saturating_sub(1);
            assert_eq!(records.len(), whole, "{end}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_with_its_line() {
        let text = text().replacen("apply", "Apply", 1);
        assert_eq!(read(text.as_bytes()), Err(2));
        assert_eq!(read(b"something else\nx\n"), Err(1));
        assert_eq!(read(b"ubuntu-ha journal 2\nx\n"), Err(1));
    }
}
