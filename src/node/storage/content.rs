//! What a device holds.

use std::time::Duration;

use serde_json::Value;

use super::super::host::Host;
use super::super::problem::Failure;
use super::device::{Device, MARGIN};

const LIMIT: Duration = Duration::from_secs(60);

/// The first bytes of a disk of sbd(8), which wipefs does not know.
const SBD: &[u8] = b"SBD_SBD_";

/// A mark that wipefs(8) knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signature {
    /// In libblkid's words: `ext4`, `LVM2_member`, `crypto_LUKS`, `gpt`.
    pub kind: String,
    pub label: String,
    pub uuid: String,
}

/// What a device holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing known, and nothing but zeros in its first and last MiB.
    Blank,
    Signatures(Vec<Signature>),
    /// A disk of sbd(8).
    Sbd,
    /// Something unknown, first met at this offset.
    Unknown(u64),
}

impl Content {
    /// # Errors
    /// wipefs is missing, or the device cannot be read.
    pub fn read(host: &Host, device: &Device) -> Result<Self, Failure> {
        let found = signatures(host, device)?;
        if !found.is_empty() {
            return Ok(Self::Signatures(found));
        }
        if device.starts_with(SBD) {
            return Ok(Self::Sbd);
        }
        match device.first_data() {
            Ok(None) => Ok(Self::Blank),
            Ok(Some(at)) => Ok(Self::Unknown(at)),
            Err(error) => Err(Failure::environment(
                format!("reading {}: {error}", device.asked),
                "look at the kernel's log for errors of the device".into(),
            )),
        }
    }

    /// The signature, where there is just one kind.
    pub fn only(&self) -> Option<&Signature> {
        match self {
            Self::Signatures(all) => all
                .first()
                .filter(|first| all.iter().all(|other| other.kind == first.kind)),
            _ => None,
        }
    }

    pub fn find(&self, kind: &str) -> Option<&Signature> {
        match self {
            Self::Signatures(all) => all.iter().find(|signature| signature.kind == kind),
            _ => None,
        }
    }

    /// What it holds, after "holds".
    pub fn words(&self) -> String {
        match self {
            Self::Blank => "nothing".into(),
            Self::Sbd => "the messages of sbd".into(),
            Self::Unknown(at) => format!("unknown data at byte {at}"),
            Self::Signatures(all) => {
                let mut words: Vec<String> = all.iter().map(Signature::words).collect();
                words.dedup();
                words.join(" and ")
            }
        }
    }

    /// The command that empties the device, for somebody who wants that.
    pub fn emptied_by(&self, device: &Device) -> String {
        let path = &device.asked;
        match self {
            Self::Unknown(at) => {
                let seek = if *at < MARGIN {
                    0
                } else {
                    device.size.saturating_sub(MARGIN)
                };
                format!("dd if=/dev/zero of={path} bs=1M count=1 oflag=seek_bytes seek={seek}")
            }
            Self::Sbd => format!("dd if=/dev/zero of={path} bs=1M count=1"),
            _ => format!("wipefs --all {path}"),
        }
    }
}

impl Signature {
    fn words(&self) -> String {
        let what = match self.kind.as_str() {
            "LVM2_member" | "LVM1_member" => "a physical volume of LVM".into(),
            "crypto_LUKS" => "a LUKS-encrypted volume".into(),
            "linux_raid_member" => "a member of an mdraid array".into(),
            "zfs_member" => "a member of a ZFS pool".into(),
            "drbd" => "metadata of DRBD".into(),
            "swap" => "swap space".into(),
            "bcache" => "a bcache device".into(),
            "ceph_bluestore" => "a Ceph OSD".into(),
            "dos" | "gpt" | "PMBR" | "sun" | "mac" | "bsd" | "sgi" | "atari" => {
                format!("a partition table ({})", self.kind)
            }
            kind if kind.ends_with("_member") => format!("a member of a set ({kind})"),
            kind => {
                let article = if kind.starts_with(['a', 'e', 'i', 'o', 'x']) {
                    "an"
                } else {
                    "a"
                };
                format!("{article} {kind} filesystem")
            }
        };
        match self.label.as_str() {
            "" => what,
            label => format!("{what} labelled {label}"),
        }
    }
}

/// # Errors
/// wipefs is missing, or gives no answer.
pub fn signatures(host: &Host, device: &Device) -> Result<Vec<Signature>, Failure> {
    let path = device.argument();
    let text = host.must("wipefs", &["--no-act", "--json", &path], LIMIT)?;
    parse(&text).ok_or_else(|| {
        Failure::environment(
            format!("wipefs --json {path} printed no JSON"),
            "look at what it prints; util-linux 2.36 or newer is needed".into(),
        )
    })
}

/// Older ones print nothing at all for a blank device.
fn parse(text: &str) -> Option<Vec<Signature>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let list = value.get("signatures")?.as_array()?;
    let signatures = list.iter().map(|one| {
        let word = |name: &str| {
            let text = one.get(name).and_then(Value::as_str);
            text.unwrap_or_default().trim().to_owned()
        };
        Signature {
            kind: word("type"),
            label: word("label"),
            uuid: word("uuid"),
        }
    });
    Some(signatures.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wipefs_says_nothing_or_an_empty_list_of_a_blank_device() {
        assert_eq!(parse(""), Some(vec![]));
        assert_eq!(parse("{\n   \"signatures\": [\n\n   ]\n}\n"), Some(vec![]));
        assert_eq!(parse("wipefs: error"), None);
        assert_eq!(parse("{}"), None);
    }

    #[test]
    fn a_signature_may_lack_label_and_uuid() {
        let text = r#"{"signatures": [
            {"device": "vdb", "offset": "0x438", "type": "ext4", "uuid": "9253", "label": "data"},
            {"device": "vdb", "offset": "0x1fe", "type": "dos", "uuid": null, "label": null}]}"#;
        let found = parse(text).unwrap();
        assert_eq!(found[0].words(), "an ext4 filesystem labelled data");
        assert_eq!(found[1].words(), "a partition table (dos)");
        let content = Content::Signatures(found);
        assert_eq!(
            content.words(),
            "an ext4 filesystem labelled data and a partition table (dos)"
        );
        assert_eq!(content.only(), None);
        assert_eq!(content.find("ext4").unwrap().uuid, "9253");
    }

    #[test]
    fn layers_have_their_names() {
        let words = |kind: &str| {
            Signature {
                kind: kind.into(),
                ..Signature::default()
            }
            .words()
        };
        assert_eq!(words("crypto_LUKS"), "a LUKS-encrypted volume");
        assert_eq!(words("LVM2_member"), "a physical volume of LVM");
        assert_eq!(words("linux_raid_member"), "a member of an mdraid array");
        assert_eq!(words("zfs_member"), "a member of a ZFS pool");
        assert_eq!(
            words("isw_raid_member"),
            "a member of a set (isw_raid_member)"
        );
        assert_eq!(words("xfs"), "an xfs filesystem");
    }
}
