//! gzip(1): byte for byte what `gzip -9n FILE` of GNU gzip writes.
//!
//! Packages hold gzip files (changelogs, manual pages) whose sizes and
//! checksums other parts of the package repeat. So a package made here can
//! equal one made by debhelper only if the compressor makes every choice as
//! GNU gzip does: the same search for matches over the same sliding window,
//! the same ends of blocks, the same Huffman codes among equally good ones.

use crate::deflate_block::{BlockWriter, Token};

const WINDOW: usize = 0x8000;
const MASK: usize = WINDOW - 1;
const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 258;
const MIN_LOOKAHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
const MAX_DISTANCE: usize = WINDOW - MIN_LOOKAHEAD;
const HASH_SIZE: usize = 1 << 15;
/// A match of three bytes farther away than this costs more than literals.
const TOO_FAR: usize = 4096;
// The settings of level 9.
const GOOD_MATCH: usize = 32;
const MAX_CHAIN: usize = 4096;

/// The data as one gzip member without name and time, at level 9, as
/// `gzip -9n` writes it.
///
/// ```
/// let packed = debcrate::gzip(b"hello hello hello\n");
/// assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3]);
/// ```
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    let mut output = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
    output.extend_from_slice(&Deflate::new(data).run());
    output.extend_from_slice(&crc.sum().to_le_bytes());
    // The size modulo 2^32, as RFC 1952 has it.
    output.extend_from_slice(&(data.len() as u32).to_le_bytes());
    output
}

/// The window holds two times its size; positions count from its start and 0
/// means none, so what lies at 0 is never matched.
struct Deflate<'a> {
    unread: &'a [u8],
    window: Vec<u8>,
    head: Vec<u16>,
    previous: Vec<u16>,
    hash: usize,
    position: usize,
    lookahead: usize,
    end_of_input: bool,
    match_start: usize,
    /// Negative when the block began before the window.
    block_start: isize,
    block: BlockWriter,
}

impl<'a> Deflate<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self {
            unread: data,
            window: vec![0; 2 * WINDOW + MIN_LOOKAHEAD],
            head: vec![0; HASH_SIZE],
            previous: vec![0; WINDOW],
            hash: 0,
            position: 0,
            lookahead: 0,
            end_of_input: false,
            match_start: 0,
            block_start: 0,
            block: BlockWriter::new(),
        }
    }

    fn run(mut self) -> Vec<u8> {
        self.refill();
        for index in 0..MIN_MATCH - 1 {
            self.update_hash(index);
        }
        let mut length = MIN_MATCH - 1;
        let mut literal_pending = false;
        while self.lookahead != 0 {
            let candidate = self.insert(self.position);
            let previous_length = length;
            let previous_start = self.match_start;
            length = MIN_MATCH - 1;
            if candidate != 0
                && previous_length < MAX_MATCH
                && self.position - candidate <= MAX_DISTANCE
                && self.position <= 2 * WINDOW - MIN_LOOKAHEAD
            {
                length = self.longest_match(candidate, previous_length);
                length = length.min(self.lookahead);
                if length == MIN_MATCH && self.position - self.match_start > TOO_FAR {
                    length -= 1;
                }
            }
            if previous_length >= MIN_MATCH && length <= previous_length {
                // The match at the byte before is at least as good: take it.
                let distance = self.position - 1 - previous_start;
                let full = self.tally(Token::Match {
                    length: previous_length,
                    distance,
                });
                self.lookahead -= previous_length - 1;
                for _ in 0..previous_length - 2 {
                    self.position += 1;
                    self.insert(self.position);
                }
                literal_pending = false;
                length = MIN_MATCH - 1;
                self.position += 1;
                if full {
                    self.end_block(false);
                }
            } else {
                if literal_pending && self.tally(Token::Literal(self.window[self.position - 1])) {
                    self.end_block(false);
                }
                literal_pending = true;
                self.position += 1;
                self.lookahead -= 1;
            }
            self.refill();
        }
        if literal_pending {
            self.tally(Token::Literal(self.window[self.position - 1]));
        }
        self.end_block(true);
        self.block.finish()
    }

    fn update_hash(&mut self, index: usize) {
        self.hash = ((self.hash << 5) ^ usize::from(self.window[index])) & (HASH_SIZE - 1);
    }

    /// Enters the three bytes at a position; returns the last position with
    /// the same hash.
    fn insert(&mut self, position: usize) -> usize {
        self.update_hash(position + MIN_MATCH - 1);
        let last = self.head[self.hash];
        self.previous[position & MASK] = last;
        self.head[self.hash] = position as u16;
        usize::from(last)
    }

    /// Length of the longest match that is longer than `best`, or `best`;
    /// `match_start` becomes its position. Bytes behind the input count too,
    /// as they do in gzip; the caller cuts the length.
    fn longest_match(&mut self, mut candidate: usize, mut best: usize) -> usize {
        let limit = self.position.saturating_sub(MAX_DISTANCE);
        let mut chain = MAX_CHAIN;
        if best >= GOOD_MATCH {
            chain >>= 2;
        }
        let scan = &self.window[self.position..self.position + MAX_MATCH];
        loop {
            let found = &self.window[candidate..candidate + MAX_MATCH];
            if found[best] == scan[best] && found[best - 1] == scan[best - 1] {
                let length = scan.iter().zip(found).take_while(|(a, b)| a == b).count();
                if length > best {
                    self.match_start = candidate;
                    best = length;
                    if length == MAX_MATCH {
                        return best;
                    }
                }
            }
            candidate = usize::from(self.previous[candidate & MASK]);
            chain -= 1;
            if candidate <= limit || chain == 0 {
                return best;
            }
        }
    }

    fn tally(&mut self, token: Token) -> bool {
        let input = (self.position as isize - self.block_start) as usize;
        self.block.tally(token, input)
    }

    fn end_block(&mut self, last: bool) {
        let length = (self.position as isize - self.block_start) as usize;
        let stored = usize::try_from(self.block_start)
            .ok()
            .map(|start| &self.window[start..self.position]);
        self.block.end_block(stored, length, last);
        self.block_start = self.position as isize;
    }

    /// Keeps enough bytes ahead; slides the window when its end is near.
    fn refill(&mut self) {
        while self.lookahead < MIN_LOOKAHEAD && !self.end_of_input {
            if self.position >= WINDOW + MAX_DISTANCE {
                self.slide();
            }
            let filled = self.position + self.lookahead;
            let count = (2 * WINDOW - filled).min(self.unread.len());
            let (now, later) = self.unread.split_at(count);
            self.window[filled..filled + count].copy_from_slice(now);
            self.unread = later;
            self.lookahead += count;
            if count == 0 {
                self.end_of_input = true;
                self.window[filled..filled + MIN_MATCH - 1].fill(0);
            }
        }
    }

    fn slide(&mut self) {
        self.window.copy_within(WINDOW..2 * WINDOW, 0);
        self.position -= WINDOW;
        self.match_start = self.match_start.wrapping_sub(WINDOW);
        self.block_start -= WINDOW as isize;
        for entry in self.head.iter_mut().chain(&mut self.previous) {
            *entry = entry.saturating_sub(WINDOW as u16);
        }
    }
}
