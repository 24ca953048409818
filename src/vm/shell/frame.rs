//! Frames of the shell: magic, id (u32, big-endian), kind (one byte), length
//! (u32), then fields, each with its length (u32) before it.

/// Nothing a guest sends by accident.
const MAGIC: &[u8] = b"\xf7\x00HAPKG\n";
const HEADER: usize = MAGIC.len() + 9;

/// More than any answer has.
const LIMIT: usize = 80 << 20;

/// One request or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub id: u32,
    pub kind: u8,
    pub fields: Vec<Vec<u8>>,
}

impl Frame {
    pub fn new(id: u32, kind: u8, fields: &[&[u8]]) -> Frame {
        Frame {
            id,
            kind,
            fields: fields.iter().map(|field| field.to_vec()).collect(),
        }
    }

    pub fn encoded(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        for field in &self.fields {
            payload.extend(length(field));
            payload.extend_from_slice(field);
        }
        let mut frame = MAGIC.to_vec();
        frame.extend(self.id.to_be_bytes());
        frame.push(self.kind);
        frame.extend(length(&payload));
        frame.extend(payload);
        frame
    }
}

/// Finds frames in what a port gives, also behind the torn end of another.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
}

impl Parser {
    pub fn add(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next whole frame.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            let start = self
                .buffer
                .windows(MAGIC.len())
                .position(|window| window == MAGIC);
            let Some(start) = start else {
                let keep = self.buffer.len().min(MAGIC.len() - 1);
                self.buffer.drain(..self.buffer.len() - keep);
                return None;
            };
            self.buffer.drain(..start);
            let header = self.buffer.get(MAGIC.len()..HEADER)?;
            let (id, kind, size) = (word(&header[..4]), header[4], word(&header[5..]));
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > LIMIT {
                self.buffer.drain(..1);
                continue;
            }
            let payload = self.buffer.get(HEADER..HEADER + size)?;
            let fields = fields(payload);
            self.buffer.drain(..HEADER + size);
            if let Some(fields) = fields {
                return Some(Frame { id, kind, fields });
            }
        }
    }
}

fn fields(mut payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    while !payload.is_empty() {
        let (head, rest) = payload.split_at_checked(4)?;
        let size = usize::try_from(word(head)).ok()?;
        let (field, rest) = rest.split_at_checked(size)?;
        fields.push(field.to_vec());
        payload = rest;
    }
    Some(fields)
}

fn length(data: &[u8]) -> [u8; 4] {
    u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes()
}

fn word(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Frame, LIMIT, MAGIC, Parser};

    fn all(parser: &mut Parser) -> Vec<Frame> {
        std::iter::from_fn(|| parser.next()).collect()
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_however_they_are_cut(
            fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
            id in any::<u32>(),
            cut in 1usize..50,
        ) {
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            let sent = [Frame::new(id, b'x', &fields), Frame::new(7, b'r', &[])];
            let bytes: Vec<u8> = sent.iter().flat_map(Frame::encoded).collect();
            let mut parser = Parser::default();
            let mut got = Vec::new();
            for piece in bytes.chunks(cut) {
                parser.add(piece);
                got.extend(all(&mut parser));
            }
            prop_assert_eq!(got, sent);
        }
    }

    #[test]
    fn the_rest_of_a_torn_frame_is_passed_over() {
        let torn = Frame::new(1, b'r', &[b"half of it"]).encoded();
        let whole = Frame::new(2, b'r', &[b"x"]);
        let mut parser = Parser::default();
        parser.add(&torn[15..]);
        parser.add(&whole.encoded());
        assert_eq!(all(&mut parser), std::slice::from_ref(&whole));
        let mut absurd = MAGIC.to_vec();
        absurd.extend([0, 0, 0, 1, b'r']);
        absurd.extend(u32::try_from(LIMIT + 1).unwrap().to_be_bytes());
        parser.add(&absurd);
        parser.add(&whole.encoded());
        assert_eq!(all(&mut parser), [whole]);
    }
}
