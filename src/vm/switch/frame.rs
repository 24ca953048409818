//! Frames on a byte stream, as QEMU's stream netdev writes them: a length of
//! four bytes, big-endian, and the Ethernet frame without its checksum.

use std::sync::Arc;

/// The largest frame that QEMU itself takes (NET_BUFSIZE).
pub const LARGEST: usize = 4096 + 65536;

/// Destination, source and type.
pub const SMALLEST: usize = 14;

const PREFIX: usize = 4;

/// A frame with its length before it, shared by the queues it waits in.
#[derive(Debug, Clone)]
pub struct Frame(Arc<[u8]>);

impl Frame {
    pub fn new(ethernet: &[u8]) -> Self {
        let length = u32::try_from(ethernet.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(PREFIX + ethernet.len());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(ethernet);
        Self(bytes.into())
    }

    /// The length and the frame.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    pub fn ethernet(&self) -> &[u8] {
        &self.0[PREFIX..]
    }

    pub fn destination(&self) -> [u8; 6] {
        self.address(0)
    }

    pub fn source(&self) -> [u8; 6] {
        self.address(6)
    }

    fn address(&self, at: usize) -> [u8; 6] {
        let mut address = [0; 6];
        address.copy_from_slice(&self.ethernet()[at..at + 6]);
        address
    }
}

/// The stream announced a length that no frame has.
#[derive(Debug, PartialEq, Eq)]
pub struct Garbled;

/// Cuts a stream into frames, however it arrives.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Adds the frames that `bytes` completed to `frames`.
    ///
    /// # Errors
    /// `Garbled`: the stream cannot be followed any further.
    pub fn feed(&mut self, bytes: &[u8], frames: &mut Vec<Frame>) -> Result<(), Garbled> {
        self.buffer.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(prefix) = self.buffer[at..].first_chunk::<PREFIX>() {
            let length = u32::from_be_bytes(*prefix) as usize;
            if !(SMALLEST..=LARGEST).contains(&length) {
                return Err(Garbled);
            }
            let end = at + PREFIX + length;
            let Some(frame) = self.buffer.get(at..end) else {
                break;
            };
            frames.push(Frame(frame.into()));
            at = end;
        }
        self.buffer.drain(..at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_byte_by_byte_and_many_at_once() {
        let sent = [vec![1; 14], vec![2; 1514], vec![3; LARGEST]];
        let stream: Vec<u8> = sent
            .iter()
            .flat_map(|bytes| Frame::new(bytes).wire().to_vec())
            .collect();
        for step in [1, 7, stream.len()] {
            let (mut decoder, mut frames) = (Decoder::default(), Vec::new());
            for piece in stream.chunks(step) {
                decoder.feed(piece, &mut frames).unwrap();
            }
            let got: Vec<_> = frames.iter().map(Frame::ethernet).collect();
            assert_eq!(got, sent);
        }
    }

    #[test]
    fn impossible_lengths_end_the_stream() {
        for length in [0u32, 13, 69633, u32::MAX] {
            let fed = Decoder::default().feed(&length.to_be_bytes(), &mut Vec::new());
            assert_eq!(fed, Err(Garbled), "{length}");
        }
    }
}
