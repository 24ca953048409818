//! The gzip writer against GNU gzip and a decoder.

use std::fs;
use std::io::Read;
use std::process::Command;

use debcrate::gzip;
use proptest::prelude::*;

fn gnu_gzip(data: &[u8]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), data).unwrap();
    let output = Command::new("gzip")
        .arg("-9nc")
        .arg(file.path())
        .output()
        .unwrap_or_else(|error| panic!("environment: cannot run gzip: {error}"));
    assert!(output.status.success());
    output.stdout
}

fn check(data: &[u8]) {
    let ours = gzip(data);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(ours.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == data, "unpacks to something else");
    assert!(ours == gnu_gzip(data), "differs from GNU gzip");
}

/// A sequence that looks random and is the same every time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Words in no order: many matches of many lengths.
fn words(length: usize) -> Vec<u8> {
    let list = [
        "quorum ",
        "fence\n",
        "corosync-",
        "pacemaker ",
        "a",
        "1.2",
        "  ",
    ];
    let noise = noise(length);
    let mut text: Vec<u8> = noise
        .iter()
        .flat_map(|byte| list[usize::from(*byte) % list.len()].bytes())
        .collect();
    text.truncate(length);
    text
}

#[test]
fn equals_gnu_gzip_at_every_size_of_interest() {
    for length in [
        0, 1, 2, 3, 4, 100, 257, 258, 259, 4095, 32506, 32768, 65535, 65536, 65537,
    ] {
        check(&words(length));
        check(&noise(length));
        check(&vec![b'x'; length]);
    }
}

#[test]
fn equals_gnu_gzip_beyond_its_window() {
    let mut mixed = words(150_000);
    mixed.extend(noise(150_000));
    mixed.extend(vec![0; 100_000]);
    mixed.extend(words(200_000));
    check(&mixed);
    let noise: Vec<u8> = noise(300_000).iter().map(|byte| byte % 7).collect();
    check(&noise);
}

#[test]
fn equals_gnu_gzip_on_skewed_counts() {
    // Counts that grow like Fibonacci numbers make codes longer than 15 bits.
    let (mut a, mut b) = (1, 1);
    let mut data = Vec::new();
    for symbol in 0..22_u8 {
        data.extend(std::iter::repeat_n(symbol * 11, a));
        (a, b) = (b, a + b);
    }
    let order = noise(data.len() * 4);
    for index in (1..data.len()).rev() {
        let pick = u32::from_le_bytes(order[4 * index..4 * index + 4].try_into().unwrap());
        data.swap(index, pick as usize % (index + 1));
    }
    check(&data);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn equals_gnu_gzip_on_any_text(text in "[a-f \\n]{0,600}|\\PC{0,300}") {
        check(text.as_bytes());
    }

    #[test]
    fn equals_gnu_gzip_on_any_bytes(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        check(&data);
    }
}
