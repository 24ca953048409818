//! Capture files as tcpdump and wireshark read them (pcap-savefile(5),
//! nanosecond time stamps, Ethernet).

use std::io::{self, Write};
use std::time::Duration;

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;

/// Writes frames in the order of their arrival.
#[derive(Debug)]
pub struct Pcap<W> {
    out: W,
}

impl<W: Write> Pcap<W> {
    /// # Errors
    /// The output's.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC_NANOSECONDS.to_le_bytes())?;
        out.write_all(&2u16.to_le_bytes())?;
        out.write_all(&4u16.to_le_bytes())?;
        out.write_all(&[0; 8])?;
        out.write_all(&(super::frame::LARGEST as u32).to_le_bytes())?;
        out.write_all(&ETHERNET.to_le_bytes())?;
        Ok(Self { out })
    }

    /// Adds a frame that came at `time` after 1970.
    ///
    /// # Errors
    /// The output's.
    pub fn write(&mut self, time: Duration, ethernet: &[u8]) -> io::Result<()> {
        let length = ethernet.len() as u32;
        for word in [time.as_secs() as u32, time.subsec_nanos(), length, length] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(ethernet)
    }

    /// # Errors
    /// The output's.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}
