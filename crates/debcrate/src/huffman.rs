//! Huffman codes for DEFLATE (RFC 1951, section 3.2), choosing among equally
//! good ones as GNU gzip does.

/// Code lengths for the symbols of an alphabet.
pub(crate) struct Lengths {
    /// In bits, by symbol; 0 for a symbol that does not occur.
    pub(crate) bits: Vec<u8>,
    /// Last symbol with a code.
    pub(crate) max_symbol: usize,
    /// Bits that the symbols take that were counted.
    pub(crate) cost: usize,
}

impl Lengths {
    /// Lengths of at most `longest` bits for symbols that occur so often. At
    /// least two symbols get a code, as decoders want it.
    pub(crate) fn of(counts: &[u32], longest: usize) -> Self {
        let mut weights = counts.to_vec();
        let mut heap: Vec<usize> = (0..counts.len())
            .filter(|&symbol| counts[symbol] != 0)
            .collect();
        let mut max_symbol = heap.last().copied();
        while heap.len() < 2 {
            let symbol = match max_symbol {
                None => 0,
                Some(symbol) if symbol < 2 => symbol + 1,
                Some(_) => 0,
            };
            if max_symbol.is_none_or(|max| max < 2) {
                max_symbol = Some(symbol);
            }
            weights[symbol] = 1;
            heap.push(symbol);
        }
        let max_symbol = max_symbol.unwrap_or_default();
        let (parents, order) = join(&mut weights, heap);
        let bits = limit(&weights, counts.len(), &parents, &order, longest);
        let cost = counts
            .iter()
            .zip(&bits)
            .map(|(&count, &bits)| count as usize * usize::from(bits))
            .sum();
        Self {
            bits,
            max_symbol,
            cost,
        }
    }

    pub(crate) fn code(&self) -> Code {
        Code::of(&self.bits)
    }
}

/// Joins the two lightest nodes until one is left. Returns each node's parent
/// and the nodes from the root down; joined nodes are numbered behind the
/// symbols and their weights appended.
fn join(weights: &mut Vec<u32>, leaves: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut heap = Heap {
        depths: vec![0; weights.len()],
        nodes: leaves,
    };
    for index in (0..heap.nodes.len() / 2).rev() {
        heap.sift_down(weights, index);
    }
    let mut parents = vec![0; weights.len()];
    let mut order = Vec::new();
    while heap.nodes.len() >= 2 {
        let first = heap.nodes.swap_remove(0);
        heap.sift_down(weights, 0);
        let second = heap.nodes[0];
        let joined = weights.len();
        weights.push(weights[first] + weights[second]);
        let depth = heap.depths[first].max(heap.depths[second]) + 1;
        heap.depths.push(depth);
        parents.push(0);
        parents[first] = joined;
        parents[second] = joined;
        order.extend([first, second]);
        heap.nodes[0] = joined;
        heap.sift_down(weights, 0);
    }
    order.extend(heap.nodes);
    order.reverse();
    (parents, order)
}

/// The lightest node comes first; of equally heavy ones, the less deep.
struct Heap {
    nodes: Vec<usize>,
    depths: Vec<u8>,
}

impl Heap {
    fn sift_down(&mut self, weights: &[u32], mut index: usize) {
        let Some(&moving) = self.nodes.get(index) else {
            return;
        };
        let key = |node: usize| (weights[node], self.depths[node]);
        loop {
            let mut child = 2 * index + 1;
            if child >= self.nodes.len() {
                break;
            }
            let sibling = child + 1;
            if sibling < self.nodes.len() && key(self.nodes[sibling]) <= key(self.nodes[child]) {
                child = sibling;
            }
            if key(moving) <= key(self.nodes[child]) {
                break;
            }
            self.nodes[index] = self.nodes[child];
            index = child;
        }
        self.nodes[index] = moving;
    }
}

/// The leaves' depths, none deeper than `longest`.
fn limit(
    weights: &[u32],
    symbols: usize,
    parents: &[usize],
    order: &[usize],
    longest: usize,
) -> Vec<u8> {
    let mut depths = vec![0_u8; weights.len()];
    let mut leaves_at = vec![0_usize; longest + 1];
    let mut overflow = 0_isize;
    for &node in &order[1..] {
        let mut depth = usize::from(depths[parents[node]]) + 1;
        if depth > longest {
            depth = longest;
            overflow += 1;
        }
        depths[node] = depth as u8;
        if node < symbols {
            leaves_at[depth] += 1;
        }
    }
    if overflow > 0 {
        while overflow > 0 {
            // Hang one of two too deep siblings beside a leaf farther up.
            let above = (1..longest).rev().find(|&depth| leaves_at[depth] > 0);
            let above = above.expect("an alphabet has fewer symbols than the longest codes");
            leaves_at[above] -= 1;
            leaves_at[above + 1] += 2;
            leaves_at[longest] -= 1;
            overflow -= 2;
        }
        let mut leaves = order.iter().rev().filter(|&&node| node < symbols);
        for depth in (1..=longest).rev() {
            for &leaf in leaves.by_ref().take(leaves_at[depth]) {
                depths[leaf] = depth as u8;
            }
        }
    }
    depths.truncate(symbols);
    depths
}

/// A code: for each symbol its bits, first bit lowest, and their number.
pub(crate) struct Code {
    pub(crate) symbols: Vec<(u16, u8)>,
}

impl Code {
    fn of(lengths: &[u8]) -> Self {
        let mut next = [0_u16; 17];
        for length in 1..16 {
            let count = lengths.iter().filter(|&&other| other == length).count();
            next[usize::from(length) + 1] = (next[usize::from(length)] + count as u16) << 1;
        }
        let mut symbols = Vec::with_capacity(lengths.len());
        for &length in lengths {
            let code = match length {
                0 => 0,
                _ => next[usize::from(length)].reverse_bits() >> (16 - length),
            };
            next[usize::from(length)] += 1;
            symbols.push((code, length));
        }
        Self { symbols }
    }

    /// Bits that symbols take that occur so often.
    pub(crate) fn cost(&self, counts: &[u32]) -> usize {
        let bits = self.symbols.iter().map(|&(_, bits)| usize::from(bits));
        counts
            .iter()
            .zip(bits)
            .map(|(&count, bits)| count as usize * bits)
            .sum()
    }
}

/// RFC 1951, section 3.2.6.
pub(crate) fn fixed_literal_code() -> Code {
    let length = |symbol| match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    };
    Code::of(&(0..288).map(length).collect::<Vec<u8>>())
}

pub(crate) fn fixed_distance_code() -> Code {
    Code::of(&[5; 30])
}
