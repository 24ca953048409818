//! A block of symbols and its Huffman codes (RFC 1951, 3.2).

const LITERALS: usize = 256;
const LITERAL_CODES: usize = 286;
const DISTANCE_CODES: usize = 30;
const LENGTH_CODES: usize = 19;
const HEAP: usize = 2 * LITERAL_CODES + 1;
/// Symbols after which a block ends at the latest.
const BLOCK: usize = 0x8000;

const LENGTH_EXTRA: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_EXTRA: [u8; DISTANCE_CODES] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];
const BITS_EXTRA: [u8; LENGTH_CODES] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7];
const BITS_ORDER: [usize; LENGTH_CODES] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The code of a length less 3, and its extra bits.
fn length_code(length: usize) -> (usize, usize, u8) {
    if length == 255 {
        return (28, 0, 0);
    }
    if length < 8 {
        return (length, 0, 0);
    }
    let bits = length.ilog2() - 2;
    let code = ((bits as usize) << 2) + (length >> bits);
    (code, length & ((1 << bits) - 1), bits as u8)
}

/// The code of a distance less 1, and its extra bits.
fn distance_code(distance: usize) -> (usize, usize, u8) {
    if distance < 4 {
        return (distance, 0, 0);
    }
    let bits = distance.ilog2() - 1;
    let code = ((bits as usize) << 1) + (distance >> bits);
    (code, distance & ((1 << bits) - 1), bits as u8)
}

/// Bits into bytes, the lowest first.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    bits: u64,
    count: u32,
}

impl<'a> Writer<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Writer {
            out,
            bits: 0,
            count: 0,
        }
    }

    fn put(&mut self, value: usize, count: u8) {
        self.bits |= (value as u64) << self.count;
        self.count += u32::from(count);
        while self.count >= 8 {
            self.out.push(self.bits as u8);
            self.bits >>= 8;
            self.count -= 8;
        }
    }

    fn align(&mut self) {
        if self.count > 0 {
            self.out.push(self.bits as u8);
            self.bits = 0;
            self.count = 0;
        }
    }

    pub fn finish(mut self) {
        self.align();
    }
}

/// A Huffman code: the length in bits and the bits of each symbol.
struct Code {
    lengths: Vec<u8>,
    codes: Vec<u16>,
    /// The largest symbol that has a code.
    last: usize,
}

impl Code {
    /// Codes in the order of length, then symbol (RFC 1951, 3.2.2).
    fn from_lengths(lengths: Vec<u8>, last: usize) -> Code {
        let mut counts = [0u16; 16];
        for &length in &lengths[..=last] {
            counts[usize::from(length)] += 1;
        }
        counts[0] = 0;
        let mut next = [0u16; 16];
        for bits in 1..16 {
            next[bits] = (next[bits - 1] + counts[bits - 1]) << 1;
        }
        let codes = lengths
            .iter()
            .map(|&length| {
                if length == 0 {
                    return 0;
                }
                let slot = &mut next[usize::from(length)];
                let code = *slot;
                *slot = slot.wrapping_add(1);
                code.reverse_bits() >> (16 - length)
            })
            .collect();
        Code {
            lengths,
            codes,
            last,
        }
    }

    fn put(&self, writer: &mut Writer, symbol: usize) {
        writer.put(self.codes[symbol].into(), self.lengths[symbol]);
    }
}

fn static_literals() -> Code {
    let lengths = (0..288)
        .map(|symbol| match symbol {
            0..=143 => 8,
            144..=255 => 9,
            256..=279 => 7,
            _ => 8,
        })
        .collect();
    Code::from_lengths(lengths, 287)
}

fn static_distances() -> Code {
    Code::from_lengths(vec![5; DISTANCE_CODES], DISTANCE_CODES - 1)
}

/// Builds a code of limited length. The order in which equal frequencies are
/// joined decides the bytes: by depth, then by their place in the heap.
fn huffman(frequencies: &[u16], limit: u8) -> Code {
    let symbols = frequencies.len();
    let mut weight: Vec<u32> = frequencies.iter().map(|&f| f.into()).collect();
    weight.resize(HEAP, 0);
    let mut depth = [0u8; HEAP];
    let mut parent = [0usize; HEAP];
    let mut heap = [0usize; HEAP];
    let mut size = 0;
    let mut last = None;
    for symbol in (0..symbols).filter(|&s| frequencies[s] != 0) {
        size += 1;
        heap[size] = symbol;
        last = Some(symbol);
    }
    while size < 2 {
        let extra = match last {
            None => 0,
            Some(at) if at < 2 => at + 1,
            Some(_) => 0,
        };
        if last.is_none_or(|at| at < 2) {
            last = Some(extra);
        }
        size += 1;
        heap[size] = extra;
        weight[extra] = 1;
    }
    let last = last.unwrap_or(0);

    let sift = |heap: &mut [usize; HEAP],
                size: usize,
                mut at: usize,
                weight: &[u32],
                depth: &[u8; HEAP]| {
        let smaller = |a: usize, b: usize| {
            weight[a] < weight[b] || (weight[a] == weight[b] && depth[a] <= depth[b])
        };
        let value = heap[at];
        let mut child = at << 1;
        while child <= size {
            if child < size && smaller(heap[child + 1], heap[child]) {
                child += 1;
            }
            if smaller(value, heap[child]) {
                break;
            }
            heap[at] = heap[child];
            at = child;
            child <<= 1;
        }
        heap[at] = value;
    };
    for at in (1..=size / 2).rev() {
        sift(&mut heap, size, at, &weight, &depth);
    }
    let mut node = symbols;
    let mut top = HEAP;
    loop {
        let first = heap[1];
        heap[1] = heap[size];
        size -= 1;
        sift(&mut heap, size, 1, &weight, &depth);
        let second = heap[1];
        heap[top - 1] = first;
        heap[top - 2] = second;
        top -= 2;
        weight[node] = weight[first] + weight[second];
        depth[node] = depth[first].max(depth[second]) + 1;
        parent[first] = node;
        parent[second] = node;
        heap[1] = node;
        node += 1;
        sift(&mut heap, size, 1, &weight, &depth);
        if size < 2 {
            break;
        }
    }
    top -= 1;
    heap[top] = heap[1];
    let lengths = limited(&heap[top..], &parent, symbols, last, limit);
    Code::from_lengths(lengths, last)
}

/// Lengths of the codes from the joined nodes, root first; too long ones are
/// cut and others lengthened until the code is complete again.
fn limited(order: &[usize], parent: &[usize], symbols: usize, last: usize, limit: u8) -> Vec<u8> {
    let mut lengths = vec![0u8; HEAP];
    let mut counts = [0u16; 16];
    let mut overflow = 0i32;
    for &node in &order[1..] {
        let mut bits = lengths[parent[node]] + 1;
        if bits > limit {
            bits = limit;
            overflow += 1;
        }
        lengths[node] = bits;
        if node <= last {
            counts[usize::from(bits)] += 1;
        }
    }
    if overflow > 0 {
        while overflow > 0 {
            let mut bits = usize::from(limit) - 1;
            while counts[bits] == 0 {
                bits -= 1;
            }
            counts[bits] -= 1;
            counts[bits + 1] += 2;
            counts[usize::from(limit)] -= 1;
            overflow -= 2;
        }
        let mut leaves = order.iter().rev().filter(|&&node| node <= last);
        for bits in (1..=limit).rev() {
            for &node in leaves.by_ref().take(counts[usize::from(bits)].into()) {
                lengths[node] = bits;
            }
        }
    }
    lengths.truncate(symbols);
    lengths
}

/// The run lengths of a code's lengths: symbol, and what goes into its extra
/// bits (RFC 1951, 3.2.7).
fn runs(code: &Code) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut previous = None;
    let mut rest = &code.lengths[..=code.last];
    while let Some(&length) = rest.first() {
        let (least, most) = match length {
            0 => (3, 138),
            _ if previous == Some(length) => (3, 6),
            _ => (4, 7),
        };
        let count = rest.iter().take(most).take_while(|&&l| l == length).count();
        let symbol = usize::from(length);
        if count < least {
            out.extend(std::iter::repeat_n((symbol, 0), count));
        } else if length != 0 {
            let mut repeated = count;
            if previous != Some(length) {
                out.push((symbol, 0));
                repeated -= 1;
            }
            out.push((16, repeated - 3));
        } else if count <= 10 {
            out.push((17, count - 3));
        } else {
            out.push((18, count - 11));
        }
        previous = Some(length);
        rest = &rest[count..];
    }
    out
}

/// Symbols not yet written: a literal, or a distance and a length.
pub struct Block {
    symbols: Vec<(u16, u8)>,
    literals: [u16; LITERAL_CODES],
    distances: [u16; DISTANCE_CODES],
    matches: usize,
}

impl Block {
    pub fn new() -> Block {
        let mut literals = [0; LITERAL_CODES];
        literals[LITERALS] = 1;
        Block {
            symbols: Vec::new(),
            literals,
            distances: [0; DISTANCE_CODES],
            matches: 0,
        }
    }

    /// Adds a byte; true when the block should end. `covered` is how much
    /// of the input the block stands for.
    pub fn literal(&mut self, byte: u8, covered: usize) -> bool {
        self.literals[usize::from(byte)] += 1;
        self.symbols.push((0, byte));
        self.should_end(covered)
    }

    /// Adds a match of `length` + 3 bytes.
    pub fn matched(&mut self, distance: usize, length: usize, covered: usize) -> bool {
        self.literals[LITERALS + 1 + length_code(length).0] += 1;
        self.distances[distance_code(distance - 1).0] += 1;
        self.symbols.push((distance as u16, length as u8));
        self.matches += 1;
        self.should_end(covered)
    }

    fn should_end(&self, covered: usize) -> bool {
        let count = self.symbols.len();
        if count % 0x1000 == 0 {
            let bits: usize = self
                .distances
                .iter()
                .zip(DISTANCE_EXTRA)
                .map(|(&f, extra)| usize::from(f) * (5 + usize::from(extra)))
                .sum();
            let guess = (count * 8 + bits) >> 3;
            if self.matches < count / 2 && guess < covered / 2 {
                return true;
            }
        }
        count == BLOCK - 1 || self.matches == BLOCK
    }

    fn cost(&self, literals: &Code, distances: &Code) -> usize {
        let part = |frequencies: &[u16], code: &Code, extra: &dyn Fn(usize) -> u8| -> usize {
            frequencies
                .iter()
                .enumerate()
                .map(|(s, &f)| usize::from(f) * usize::from(code.lengths[s] + extra(s)))
                .sum()
        };
        part(&self.literals, literals, &|s| {
            if s > LITERALS {
                LENGTH_EXTRA[s - LITERALS - 1]
            } else {
                0
            }
        }) + part(&self.distances, distances, &|s| DISTANCE_EXTRA[s])
    }

    /// Writes the block in the shortest of its three forms. `stored` is the
    /// input it stands for, `size` bytes of it, where that is still at hand.
    pub fn write(self, writer: &mut Writer, stored: Option<&[u8]>, size: usize, last: bool) {
        let literals = huffman(&self.literals, 15);
        let distances = huffman(&self.distances, 15);
        let mut frequencies = [0u16; LENGTH_CODES];
        let mut described = runs(&literals);
        described.extend(runs(&distances));
        for &(symbol, _) in &described {
            frequencies[symbol] += 1;
        }
        let lengths = huffman(&frequencies, 7);
        let shown = (3..LENGTH_CODES)
            .rev()
            .find(|&at| lengths.lengths[BITS_ORDER[at]] != 0)
            .unwrap_or(2);
        let described_cost: usize = described
            .iter()
            .map(|&(symbol, _)| usize::from(lengths.lengths[symbol] + BITS_EXTRA[symbol]))
            .sum();
        let dynamic = self.cost(&literals, &distances) + described_cost + 3 * (shown + 1) + 14;
        let fixed = self.cost(&static_literals(), &static_distances());
        let (dynamic, fixed) = ((dynamic + 10) >> 3, (fixed + 10) >> 3);
        let best = dynamic.min(fixed);
        match stored {
            Some(bytes) if size + 4 <= best => {
                writer.put(usize::from(last), 3);
                writer.align();
                writer.out.extend((size as u16).to_le_bytes());
                writer.out.extend((!(size as u16)).to_le_bytes());
                writer.out.extend(bytes);
            }
            _ if fixed == best => {
                writer.put(2 + usize::from(last), 3);
                self.put(writer, &static_literals(), &static_distances());
            }
            _ => {
                writer.put(4 + usize::from(last), 3);
                writer.put(literals.last - 256, 5);
                writer.put(distances.last, 5);
                writer.put(shown + 1 - 4, 4);
                for &symbol in &BITS_ORDER[..=shown] {
                    writer.put(lengths.lengths[symbol].into(), 3);
                }
                for &(symbol, value) in &described {
                    lengths.put(writer, symbol);
                    writer.put(value, BITS_EXTRA[symbol]);
                }
                self.put(writer, &literals, &distances);
            }
        }
    }

    fn put(&self, writer: &mut Writer, literals: &Code, distances: &Code) {
        for &(distance, length) in &self.symbols {
            if distance == 0 {
                literals.put(writer, length.into());
                continue;
            }
            let (code, value, bits) = length_code(length.into());
            literals.put(writer, LITERALS + 1 + code);
            writer.put(value, bits);
            let (code, value, bits) = distance_code(usize::from(distance) - 1);
            distances.put(writer, code);
            writer.put(value, bits);
        }
        literals.put(writer, LITERALS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First length (less 3) or distance (less 1) of each code.
    fn bases(extra: &[u8]) -> Vec<usize> {
        let mut next = 0;
        extra
            .iter()
            .map(|bits| {
                let base = next;
                next += 1 << bits;
                base
            })
            .collect()
    }

    #[test]
    fn codes_agree_with_their_bases() {
        let lengths = bases(&LENGTH_EXTRA);
        for length in 0..255 {
            let (code, value, bits) = length_code(length);
            assert_eq!(bits, LENGTH_EXTRA[code]);
            assert_eq!(lengths[code] + value, length);
        }
        let distances = bases(&DISTANCE_EXTRA);
        for distance in 0..0x8000 {
            let (code, value, bits) = distance_code(distance);
            assert_eq!(bits, DISTANCE_EXTRA[code]);
            assert_eq!(distances[code] + value, distance);
        }
    }

    #[test]
    fn a_code_is_complete_and_short_enough() {
        let mut fibonacci = vec![1u16, 1];
        while fibonacci.len() < 20 {
            fibonacci.push(fibonacci[fibonacci.len() - 1] + fibonacci[fibonacci.len() - 2]);
        }
        let code = huffman(&fibonacci[..19], 7);
        let kraft: u32 = code
            .lengths
            .iter()
            .filter(|&&l| l > 0)
            .map(|&l| 128 >> l)
            .sum();
        assert_eq!(kraft, 128);
    }
}
