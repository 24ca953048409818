//! Truncated and mangled input gives errors, never a panic and never more
//! memory than the limit allows.
//!
//! `DEBCRATE_FUZZ=100000 cargo test -p debcrate --release --test mangled`
//! tries that many changes of each kind of input instead of a few hundred.

mod common;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{ALL, MTIME, deb, paragraph, sample};
use debcrate::{
    Checksums, Compression, DataMember, Paragraph, Release, Upload, cleartext, compress_data,
    packages_paragraph, parse_paragraphs, read_changes, read_control, read_deb_within, read_dsc,
    read_packages, read_release, read_source_tar, source_changes, suite_files, write_source,
};
use proptest::prelude::*;

const LIMIT: u64 = 4 << 20;

fn rounds() -> u32 {
    match env::var("DEBCRATE_FUZZ") {
        Ok(number) => number.parse().expect("DEBCRATE_FUZZ is a number"),
        Err(_) => 300,
    }
}

/// One change of a file. Places are fractions of its length in 2^-16, so that
/// proptest can shrink them whatever the file.
#[derive(Debug, Clone)]
enum Change {
    Cut(u16),
    Flip(u16, u8),
    Insert(u16, Vec<u8>),
    Remove(u16, u8),
    Copy(u16, u16, u8),
    Digits(u16),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let bytes = prop::collection::vec(any::<u8>(), 1..20);
    let change = prop_oneof![
        any::<u16>().prop_map(Change::Cut),
        (any::<u16>(), 1..=255_u8).prop_map(|(place, mask)| Change::Flip(place, mask)),
        (any::<u16>(), 1..=255_u8).prop_map(|(place, mask)| Change::Flip(place, mask)),
        (any::<u16>(), bytes).prop_map(|(place, bytes)| Change::Insert(place, bytes)),
        (any::<u16>(), any::<u8>()).prop_map(|(place, count)| Change::Remove(place, count)),
        (any::<u16>(), any::<u16>(), any::<u8>())
            .prop_map(|(to, from, n)| Change::Copy(to, from, n)),
        any::<u16>().prop_map(Change::Digits),
    ];
    prop::collection::vec(change, 1..5)
}

fn apply(data: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut data = data.to_vec();
    for change in changes {
        let at = |place: u16| (place as usize * data.len()) >> 16;
        let span = |place: u16, count: u8| at(place)..data.len().min(at(place) + count as usize);
        match change {
            Change::Cut(place) => data.truncate(at(*place)),
            Change::Flip(place, mask) => {
                let at = at(*place);
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= mask;
                }
            }
            Change::Insert(place, bytes) => {
                let at = at(*place);
                data.splice(at..at, bytes.iter().copied());
            }
            Change::Remove(place, count) => {
                data.drain(span(*place, *count));
            }
            Change::Copy(to, from, count) => {
                let bytes = data[span(*from, *count)].to_vec();
                let at = at(*to);
                data.splice(at..at, bytes);
            }
            // Sizes, times and checksums are runs of digits: make one huge.
            Change::Digits(place) => {
                let at = at(*place);
                let rest = data[at..].iter_mut();
                let digits = rest.skip_while(|byte| !byte.is_ascii_digit());
                for byte in digits.take_while(|byte| byte.is_ascii_digit()) {
                    *byte = if *byte < b'8' { b'7' } else { b'9' };
                }
            }
        }
    }
    data
}

/// Everything that reads, on the same bytes: what they are is not our choice.
fn read_everything(data: &[u8]) {
    if let Ok(read) = read_deb_within(data, LIMIT) {
        let again = deb_if_valid(&read.package);
        if let Some(again) = again {
            assert_eq!(
                read_deb_within(&again, u64::MAX).unwrap().package.data,
                read.package.data
            );
        }
    }
    let _ = read_control(data);
    let _ = DataMember::from_cache(data);
    for name in ["a.tar", "a.tar.xz", "a.tar.gz", "a.tar.zst"] {
        let _ = read_source_tar(name, data, LIMIT);
    }
    let text = String::from_utf8_lossy(data);
    let _ = cleartext(&text);
    let _ = parse_paragraphs(&text);
    let _ = read_dsc(&text);
    let _ = read_changes(&text);
    let _ = read_packages(&text);
    let _ = read_release(&text);
    let _ = debcrate::read_buildinfo(&text);
}

fn deb_if_valid(package: &debcrate::BinaryPackage) -> Option<Vec<u8>> {
    let mut package = package.clone();
    package.control_files.remove("md5sums");
    let mut bytes = Vec::new();
    debcrate::write_deb(&mut bytes, &package, MTIME, Compression::None).ok()?;
    Some(bytes)
}

fn survives(valid: &[u8]) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(rounds())
    };
    proptest!(config, |(changes in changes())| {
        read_everything(&apply(valid, &changes));
    });
}

fn text_files() -> Vec<Vec<u8>> {
    let archive = deb(&sample(), Compression::Xz);
    let control = read_control(&archive).unwrap();
    let entry = packages_paragraph(&control, "pool/hello.deb", &Checksums::of(&archive)).unwrap();
    let suite = Release {
        suite: "noble".to_owned(),
        architectures: vec!["all".to_owned()],
        components: vec!["main".to_owned()],
        timestamp: MTIME,
        ..Release::default()
    };
    let key = ("main".to_owned(), "all".to_owned());
    let mut files = suite_files(&suite, &[(key, vec![entry])].into()).unwrap();
    let source = source();
    let upload = Upload {
        source: "hello",
        version: "1.0",
        timestamp: MTIME,
        distribution: "noble",
        urgency: "medium",
        maintainer: "A <a@example.org>",
        changed_by: "A <a@example.org>",
        closes: &[],
        extra: &[],
        changes: "hello (1.0) noble; urgency=medium\n\n  * First.\n",
        section: "metapackages",
        priority: "optional",
    };
    let (_, changes) = source_changes(&upload, &source, None).unwrap();
    let signed = [
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n".as_slice(),
        &changes,
        b"\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n",
    ]
    .concat();
    let index = ["Release", "main/binary-all/Packages"].map(|name| files.remove(name).unwrap());
    [vec![source.dsc.1, changes, signed], index.into()].concat()
}

fn source() -> debcrate::SourceFiles {
    let fields: Paragraph = paragraph(&[
        ("Binary", "hello"),
        ("Architecture", "all"),
        ("Maintainer", "A <a@example.org>"),
    ]);
    write_source(&fields, "hello", "1.0", &sample().data, MTIME).unwrap()
}

#[test]
fn binary_packages() {
    for compression in ALL {
        survives(&deb(&sample(), compression));
    }
}

#[test]
fn source_archives() {
    let tar = source().tar.1;
    survives(&tar);
    survives(&Compression::Xz.decompress("tar", &tar, LIMIT).unwrap());
}

#[test]
fn control_data_of_every_kind() {
    for file in text_files() {
        survives(&file);
    }
}

#[test]
fn cached_data_members() {
    let data = compress_data(&sample().data, MTIME, Compression::Zstd).unwrap();
    survives(&data.to_cache());
}

#[test]
fn archives_cut_short() {
    for compression in ALL {
        let bytes = deb(&sample(), compression);
        // The padding behind the last member may be missing.
        for end in (0..bytes.len() - 1).step_by(7) {
            assert!(
                read_deb_within(&bytes[..end], LIMIT).is_err(),
                "{compression:?} {end}"
            );
        }
    }
}

#[test]
fn headers_that_ask_for_too_much() {
    let valid = deb(&sample(), Compression::None);
    let size = valid
        .windows(8)
        .position(|bytes| bytes == b"data.tar")
        .unwrap()
        + 48;
    let mut large = valid.clone();
    large[size..size + 10].copy_from_slice(b"9999999999");
    let tar = size + 12;
    let mut wide = valid.clone();
    // A tar entry of 8 GiB whose header checks out.
    let entry = tar + 512;
    wide[entry + 124..entry + 136].copy_from_slice(b"77777777777\0");
    wide[entry + 148..entry + 156].fill(b' ');
    let sum: u32 = wide[entry..entry + 512]
        .iter()
        .map(|&byte| u32::from(byte))
        .sum();
    wide[entry + 148..entry + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    for bytes in [large, wide] {
        let result = catch_unwind(AssertUnwindSafe(|| read_deb_within(&bytes, LIMIT)));
        assert!(result.expect("no panic").is_err());
    }
}
