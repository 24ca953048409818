//! Blocks of the DEFLATE format (RFC 1951), with the choices of GNU gzip.

use crate::huffman::{Code, Lengths, fixed_distance_code, fixed_literal_code};

const END_OF_BLOCK: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
/// Most tokens of a block.
const BLOCK_TOKENS: usize = 0x8000;
/// Order in which a block's header lists the code lengths' code lengths.
const LENGTH_ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// What a block is made of. Distances count from 1.
#[derive(Clone, Copy)]
pub(crate) enum Token {
    Literal(u8),
    Match { length: usize, distance: usize },
}

/// Collects tokens into blocks and writes them as bits.
pub(crate) struct BlockWriter {
    tokens: Vec<Token>,
    matches: usize,
    literal_counts: [u32; LITERALS],
    distance_counts: [u32; DISTANCES],
    bits: BitWriter,
}

impl BlockWriter {
    pub(crate) fn new() -> Self {
        let mut writer = Self {
            tokens: Vec::new(),
            matches: 0,
            literal_counts: [0; LITERALS],
            distance_counts: [0; DISTANCES],
            bits: BitWriter::default(),
        };
        writer.start_block();
        writer
    }

    fn start_block(&mut self) {
        self.tokens.clear();
        self.matches = 0;
        self.literal_counts = [0; LITERALS];
        self.literal_counts[END_OF_BLOCK] = 1;
        self.distance_counts = [0; DISTANCES];
    }

    /// Adds a token; true when the block should end behind it. `input` is the
    /// number of bytes since the block began, up to the compressor's position.
    pub(crate) fn tally(&mut self, token: Token, input: usize) -> bool {
        match token {
            Token::Literal(byte) => self.literal_counts[usize::from(byte)] += 1,
            Token::Match { length, distance } => {
                self.literal_counts[length_symbol(length).symbol] += 1;
                self.distance_counts[distance_symbol(distance).symbol] += 1;
                self.matches += 1;
            }
        }
        self.tokens.push(token);
        let count = self.tokens.len();
        if count % 0x1000 == 0 {
            // An upper bound of what the block will take: when few matches do
            // so well, other codes may suit what follows.
            let distances = self.distance_counts.iter().enumerate();
            let bits: usize = distances
                .map(|(symbol, &count)| count as usize * (5 + distance_extra(symbol) as usize))
                .sum();
            let output = (8 * count + bits) / 8;
            if self.matches < count / 2 && output < input / 2 {
                return true;
            }
        }
        count == BLOCK_TOKENS - 1 || self.matches == BLOCK_TOKENS
    }

    /// Writes the block in its shortest form. `stored` is its input, if that
    /// is still in the window, and `length` the input's length.
    pub(crate) fn end_block(&mut self, stored: Option<&[u8]>, length: usize, last: bool) {
        let literal = Lengths::of(&self.literal_counts, 15);
        let distance = Lengths::of(&self.distance_counts, 15);
        let header = Header::of(&literal, &distance);
        let extra = self.extra_bits();
        let dynamic = literal.cost + distance.cost + extra + header.cost();
        let fixed_literal = fixed_literal_code();
        let fixed_distance = fixed_distance_code();
        let fixed = fixed_literal.cost(&self.literal_counts)
            + fixed_distance.cost(&self.distance_counts)
            + extra;
        let bytes = |bits: usize| (bits + 3).div_ceil(8);
        let best = bytes(dynamic).min(bytes(fixed));
        let final_bit = u32::from(last);
        match stored {
            Some(data) if length + 4 <= best => {
                self.bits.put(final_bit, 3);
                self.bits.align();
                let size = data.len() as u16;
                self.bits.bytes.extend_from_slice(&size.to_le_bytes());
                self.bits.bytes.extend_from_slice(&(!size).to_le_bytes());
                self.bits.bytes.extend_from_slice(data);
            }
            _ if bytes(fixed) == best => {
                self.bits.put(1 << 1 | final_bit, 3);
                self.put_tokens(&fixed_literal, &fixed_distance);
            }
            _ => {
                self.bits.put(2 << 1 | final_bit, 3);
                header.put(&mut self.bits);
                self.put_tokens(&literal.code(), &distance.code());
            }
        }
        self.start_block();
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bits.align();
        self.bits.bytes
    }

    fn extra_bits(&self) -> usize {
        let lengths = (257..LITERALS).map(|symbol| {
            self.literal_counts[symbol] as usize * length_extra(symbol - 257) as usize
        });
        let distances = (0..DISTANCES)
            .map(|symbol| self.distance_counts[symbol] as usize * distance_extra(symbol) as usize);
        lengths.chain(distances).sum()
    }

    fn put_tokens(&mut self, literal: &Code, distance: &Code) {
        for token in &self.tokens {
            match *token {
                Token::Literal(byte) => self.bits.put_code(literal, usize::from(byte)),
                Token::Match {
                    length,
                    distance: far,
                } => {
                    let symbol = length_symbol(length);
                    self.bits.put_code(literal, symbol.symbol);
                    self.bits.put(symbol.value, symbol.bits);
                    let symbol = distance_symbol(far);
                    self.bits.put_code(distance, symbol.symbol);
                    self.bits.put(symbol.value, symbol.bits);
                }
            }
        }
        self.bits.put_code(literal, END_OF_BLOCK);
    }
}

/// The codes' lengths at the head of a block, run-length coded.
struct Header {
    literals: usize,
    distances: usize,
    /// Symbol, number of extra bits and their value.
    runs: Vec<(usize, u32, u32)>,
    lengths: Lengths,
    /// How many code lengths of `LENGTH_ORDER` are written.
    listed: usize,
}

impl Header {
    fn of(literal: &Lengths, distance: &Lengths) -> Self {
        let mut runs = Vec::new();
        for lengths in [literal, distance] {
            run_lengths(&lengths.bits[..=lengths.max_symbol], &mut runs);
        }
        let mut counts = [0; 19];
        for (symbol, _, _) in &runs {
            counts[*symbol] += 1;
        }
        let lengths = Lengths::of(&counts, 7);
        let used = |index: &usize| lengths.bits[LENGTH_ORDER[*index]] != 0;
        let listed = (3..19).rev().find(used).unwrap_or(2) + 1;
        Self {
            literals: literal.max_symbol + 1,
            distances: distance.max_symbol + 1,
            runs,
            lengths,
            listed,
        }
    }

    /// In bits, without the block's three first.
    fn cost(&self) -> usize {
        let extra: usize = self.runs.iter().map(|(_, bits, _)| *bits as usize).sum();
        self.lengths.cost + extra + 3 * self.listed + 5 + 5 + 4
    }

    fn put(&self, bits: &mut BitWriter) {
        bits.put(self.literals as u32 - 257, 5);
        bits.put(self.distances as u32 - 1, 5);
        bits.put(self.listed as u32 - 4, 4);
        for symbol in &LENGTH_ORDER[..self.listed] {
            bits.put(u32::from(self.lengths.bits[*symbol]), 3);
        }
        let code = self.lengths.code();
        for (symbol, count, value) in &self.runs {
            bits.put_code(&code, *symbol);
            bits.put(*value, *count);
        }
    }
}

/// Runs of at most 6 equal lengths, behind one that is written out, and of at
/// most 138 zeros.
fn run_lengths(lengths: &[u8], runs: &mut Vec<(usize, u32, u32)>) {
    let mut index = 0;
    while index < lengths.len() {
        let length = lengths[index];
        let repeats = |most: usize| {
            let rest = lengths[index..].iter().take(most);
            rest.take_while(|&&other| other == length).count()
        };
        let symbol = usize::from(length);
        let follows = index > 0 && lengths[index - 1] == length;
        let count = match (length, follows) {
            (0, _) => repeats(138),
            (_, true) => repeats(6),
            (_, false) => repeats(7),
        };
        match (length, follows, count) {
            (0, _, 3..=10) => runs.push((17, 3, count as u32 - 3)),
            (0, _, 11..) => runs.push((18, 7, count as u32 - 11)),
            (1.., true, 3..) => runs.push((16, 2, count as u32 - 3)),
            (1.., false, 4..) => {
                runs.push((symbol, 0, 0));
                runs.push((16, 2, count as u32 - 4));
            }
            _ => runs.extend(std::iter::repeat_n((symbol, 0, 0), count)),
        }
        index += count;
    }
}

/// A symbol with its extra bits.
struct Symbol {
    symbol: usize,
    bits: u32,
    value: u32,
}

fn length_extra(code: usize) -> u32 {
    match code {
        0..8 | 28 => 0,
        _ => code as u32 / 4 - 1,
    }
}

fn length_symbol(length: usize) -> Symbol {
    if length == 258 {
        return Symbol {
            symbol: 285,
            bits: 0,
            value: 0,
        };
    }
    let offset = (length - 3) as u32;
    let bits = (offset.max(4).ilog2() - 2).min(5);
    Symbol {
        symbol: 257 + (4 * bits + (offset >> bits)) as usize,
        bits,
        value: offset & ((1 << bits) - 1),
    }
}

fn distance_extra(symbol: usize) -> u32 {
    (symbol as u32 / 2).saturating_sub(1)
}

fn distance_symbol(distance: usize) -> Symbol {
    let offset = (distance - 1) as u32;
    let bits = offset.max(2).ilog2() - 1;
    Symbol {
        symbol: (2 * bits + (offset >> bits)) as usize,
        bits,
        value: offset & ((1 << bits) - 1),
    }
}

#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter {
    fn put(&mut self, value: u32, bits: u32) {
        self.pending |= u64::from(value) << self.count;
        self.count += bits;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn put_code(&mut self, code: &Code, symbol: usize) {
        let (value, bits) = code.symbols[symbol];
        self.put(u32::from(value), u32::from(bits));
    }

    fn align(&mut self) {
        let rest = self.count.next_multiple_of(8) - self.count;
        self.put(0, rest);
    }
}
