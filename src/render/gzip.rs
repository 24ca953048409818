//! What `gzip -9n` writes, byte for byte.
//!
//! dh_compress calls gzip, and the md5sums of a package cover what it wrote,
//! so a compressor that is only as good is not enough. The matcher and the
//! block splitting follow RFC 1951 and GNU gzip's choices at level 9: lazy
//! matching, chains of 4096, and a block that may end at every 4096th symbol.

mod tree;

use tree::{Block, Writer};

const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 258;
const WINDOW: usize = 0x8000;
const MIN_LOOKAHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
const MAX_DISTANCE: usize = WINDOW - MIN_LOOKAHEAD;
const TOO_FAR: usize = 4096;
const HASH_BITS: u32 = 15;
const HASH_SHIFT: u32 = HASH_BITS.div_ceil(MIN_MATCH as u32);
const HASH_MASK: usize = (1 << HASH_BITS) - 1;
const GOOD_MATCH: usize = 32;
const MAX_LAZY: usize = 258;
const NICE_MATCH: usize = 258;
const MAX_CHAIN: usize = 4096;

/// Compresses as `gzip -9n` does: no name, no time, operating system Unix.
pub fn gzip_9n(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
    let mut writer = Writer::new(&mut out);
    Matcher::new(data).run(&mut writer);
    writer.finish();
    let mut crc = flate2::Crc::new();
    crc.update(data);
    out.extend(crc.sum().to_le_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out
}

/// The sliding window with its hash chains; position 0 is never a match.
struct Matcher<'a> {
    input: &'a [u8],
    window: Vec<u8>,
    head: Vec<u16>,
    previous: Vec<u16>,
    hash: usize,
    start: usize,
    lookahead: usize,
    /// Start of the current block in the window; negative once it slid out.
    block_start: isize,
    match_start: usize,
    ended: bool,
}

impl<'a> Matcher<'a> {
    fn new(data: &'a [u8]) -> Self {
        let mut matcher = Matcher {
            input: data,
            window: vec![0; 2 * WINDOW],
            head: vec![0; 1 << HASH_BITS],
            previous: vec![0; WINDOW],
            hash: 0,
            start: 0,
            lookahead: 0,
            block_start: 0,
            match_start: 0,
            ended: false,
        };
        matcher.lookahead = matcher.read(0, 2 * WINDOW);
        matcher.ended = matcher.lookahead == 0;
        matcher.refill();
        for at in 0..MIN_MATCH - 1 {
            matcher.roll(matcher.window[at]);
        }
        matcher
    }

    fn read(&mut self, at: usize, most: usize) -> usize {
        let size = most.min(self.input.len());
        let (now, later) = self.input.split_at(size);
        self.window[at..at + size].copy_from_slice(now);
        self.input = later;
        size
    }

    fn refill(&mut self) {
        while self.lookahead < MIN_LOOKAHEAD && !self.ended {
            let mut room = 2 * WINDOW - self.lookahead - self.start;
            if self.start >= WINDOW + MAX_DISTANCE {
                self.window.copy_within(WINDOW.., 0);
                self.match_start = self.match_start.wrapping_sub(WINDOW);
                self.start -= WINDOW;
                self.block_start -= WINDOW as isize;
                for link in self.head.iter_mut().chain(&mut self.previous) {
                    *link = link.saturating_sub(WINDOW as u16);
                }
                room += WINDOW;
            }
            let end = self.start + self.lookahead;
            let read = self.read(end, room);
            if read == 0 {
                self.ended = true;
                let tail = (end + MIN_MATCH - 1).min(2 * WINDOW);
                self.window[end..tail].fill(0);
            }
            self.lookahead += read;
        }
    }

    fn roll(&mut self, byte: u8) {
        self.hash = ((self.hash << HASH_SHIFT) ^ usize::from(byte)) & HASH_MASK;
    }

    /// Enters the string at `start`; the latest earlier one of its hash.
    fn insert(&mut self) -> usize {
        let next = self.window.get(self.start + MIN_MATCH - 1).copied();
        self.roll(next.unwrap_or(0));
        let latest = self.head[self.hash];
        self.previous[self.start & (WINDOW - 1)] = latest;
        self.head[self.hash] = self.start as u16;
        usize::from(latest)
    }

    fn longest(&mut self, mut candidate: usize, previous_length: usize) -> usize {
        let scan = &self.window[self.start..self.start + MAX_MATCH];
        let limit = self.start.saturating_sub(MAX_DISTANCE);
        let mut best = previous_length;
        let mut chain = MAX_CHAIN;
        if previous_length >= GOOD_MATCH {
            chain >>= 2;
        }
        loop {
            let found = &self.window[candidate..candidate + MAX_MATCH];
            if found[best] == scan[best]
                && found[best - 1] == scan[best - 1]
                && found[..2] == scan[..2]
            {
                let length = found.iter().zip(scan).take_while(|(a, b)| a == b).count();
                if length > best {
                    self.match_start = candidate;
                    best = length;
                    if length >= NICE_MATCH {
                        break;
                    }
                }
            }
            candidate = usize::from(self.previous[candidate & (WINDOW - 1)]);
            chain -= 1;
            if candidate <= limit || chain == 0 {
                break;
            }
        }
        best
    }

    fn run(mut self, writer: &mut Writer) {
        let mut block = Block::new();
        let mut length = MIN_MATCH - 1;
        let mut pending = false;
        while self.lookahead != 0 {
            let candidate = self.insert();
            let (previous_length, previous_match) = (length, self.match_start);
            length = MIN_MATCH - 1;
            if candidate != 0
                && previous_length < MAX_LAZY
                && self.start - candidate <= MAX_DISTANCE
                && self.start <= 2 * WINDOW - MIN_LOOKAHEAD
            {
                length = self.longest(candidate, previous_length).min(self.lookahead);
                if length == MIN_MATCH && self.start.wrapping_sub(self.match_start) > TOO_FAR {
                    length -= 1;
                }
            }
            if previous_length >= MIN_MATCH && length <= previous_length {
                let distance = (self.start - 1).wrapping_sub(previous_match);
                let full = block.matched(distance, previous_length - MIN_MATCH, self.in_block());
                self.lookahead -= previous_length - 1;
                for _ in 0..previous_length - 2 {
                    self.start += 1;
                    self.insert();
                }
                pending = false;
                length = MIN_MATCH - 1;
                self.start += 1;
                if full {
                    self.flush(&mut block, writer, false);
                }
            } else {
                if pending {
                    let byte = self.window[self.start - 1];
                    if block.literal(byte, self.in_block()) {
                        self.flush(&mut block, writer, false);
                    }
                }
                pending = true;
                self.start += 1;
                self.lookahead -= 1;
            }
            self.refill();
        }
        if pending {
            block.literal(self.window[self.start - 1], self.in_block());
        }
        self.flush(&mut block, writer, true);
    }

    fn in_block(&self) -> usize {
        (self.start as isize - self.block_start) as usize
    }

    fn flush(&mut self, block: &mut Block, writer: &mut Writer, last: bool) {
        let size = self.in_block();
        let stored = usize::try_from(self.block_start)
            .ok()
            .map(|from| &self.window[from..self.start]);
        std::mem::replace(block, Block::new()).write(writer, stored, size, last);
        self.block_start = self.start as isize;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    fn system_gzip(data: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gzip")
            .args(["-9nc"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run gzip");
        let mut stdin = child.stdin.take().unwrap();
        let owned = data.to_vec();
        let feeder = std::thread::spawn(move || stdin.write_all(&owned));
        let mut out = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        feeder.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success());
        out
    }

    /// Text with the repetitions that documents have, from a small generator.
    fn prose(seed: u32, words: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut text = String::new();
        for number in 0..words {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = (state >> 16) % 700;
            text.push_str(&format!(
                "w{word:x}{}",
                if number % 9 == 8 { "\n" } else { " " }
            ));
        }
        text.into_bytes()
    }

    #[test]
    fn edges_equal_gzip() {
        let mut cases = vec![
            Vec::new(),
            b"a".to_vec(),
            b"abc".to_vec(),
            b"abcabcabcabc".to_vec(),
            vec![0; 1000],
            vec![b'x'; 258],
            vec![b'x'; 70_000],
            (0..=255).collect(),
        ];
        let mut state = 1u32;
        cases.push(
            (0..100_000)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect(),
        );
        for data in cases {
            assert!(gzip_9n(&data) == system_gzip(&data), "{} bytes", data.len());
        }
    }

    #[test]
    fn long_texts_equal_gzip() {
        for (seed, words) in [(1, 3000), (2, 20_000), (3, 60_000), (4, 200_000)] {
            let data = prose(seed, words);
            assert!(gzip_9n(&data) == system_gzip(&data), "{} bytes", data.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn short_texts_equal_gzip(seed in any::<u32>(), words in 0usize..900, tail in "[ -~]{0,40}") {
            let mut data = prose(seed, words);
            data.extend(tail.bytes());
            prop_assert!(gzip_9n(&data) == system_gzip(&data));
        }
    }
}
