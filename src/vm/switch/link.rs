//! One end of a stream of frames, never blocking: what the other side does
//! not read waits in a bounded queue, and what finds no room is dropped.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::frame::{Decoder, Frame};

/// Frames that may wait for a reader.
pub const QUEUE: usize = 1024;

/// Bytes read before another link has its turn.
const TURN: usize = 1 << 18;

#[derive(Debug)]
pub struct Link {
    stream: UnixStream,
    decoder: Decoder,
    queue: VecDeque<Frame>,
    /// Bytes of the queue's first frame that are gone already.
    written: usize,
}

impl Link {
    /// # Errors
    /// The socket cannot be made non-blocking.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            decoder: Decoder::default(),
            queue: VecDeque::new(),
            written: 0,
        })
    }

    /// Takes what has arrived, up to one turn. False when the other side is
    /// gone or speaks something else.
    pub fn read(&mut self, frames: &mut Vec<Frame>) -> bool {
        let mut chunk = [0; 1 << 16];
        let mut taken = 0;
        while taken < TURN {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(length) => {
                    taken += length;
                    if self.decoder.feed(&chunk[..length], frames).is_err() {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// False when there is no room.
    #[must_use]
    pub fn push(&mut self, frame: Frame) -> bool {
        let room = self.queue.len() < QUEUE;
        if room {
            self.queue.push_back(frame);
        }
        room
    }

    /// Writes what the other side takes now. False when it is gone.
    pub fn flush(&mut self) -> bool {
        while let Some(frame) = self.queue.front() {
            match self.stream.write(&frame.wire()[self.written..]) {
                Ok(length) => {
                    self.written += length;
                    if self.written == frame.wire().len() {
                        self.queue.pop_front();
                        self.written = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    pub fn waits_to_write(&self) -> bool {
        !self.queue.is_empty()
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
