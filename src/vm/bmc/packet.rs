//! As much of Ethernet, ARP (RFC 826), IPv4 (RFC 791) and UDP (RFC 768) as
//! lies between a guest and its BMC.

use std::net::Ipv4Addr;

pub type Mac = [u8; 6];

/// What a guest sent, where it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Who has `wanted`?
    ArpRequest { from: End, wanted: Ipv4Addr },
    Datagram {
        from: End,
        to: Ipv4Addr,
        /// Source and destination.
        ports: (u16, u16),
        data: Vec<u8>,
    },
}

/// A station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub mac: Mac,
    pub address: Ipv4Addr,
}

/// None where it is another protocol, a fragment, or cut short.
pub fn parsed(frame: &[u8]) -> Option<Packet> {
    let mac: Mac = frame.get(6..12)?.try_into().ok()?;
    let body = frame.get(14..)?;
    match short(frame, 12)? {
        0x0806 if short(body, 6)? == 1 => Some(Packet::ArpRequest {
            from: End {
                mac,
                address: address(body, 14)?,
            },
            wanted: address(body, 24)?,
        }),
        0x0800 => {
            let header = usize::from(body.first()? & 15) * 4;
            let total = usize::from(short(body, 2)?);
            // Neither a fragment nor followed by one.
            if *body.get(9)? != 17 || short(body, 6)? & 0x3fff != 0 {
                return None;
            }
            // An Ethernet frame may be padded behind the datagram.
            let udp = body.get(header..total)?;
            let length = usize::from(short(udp, 4)?);
            Some(Packet::Datagram {
                from: End {
                    mac,
                    address: address(body, 12)?,
                },
                to: address(body, 16)?,
                ports: (short(udp, 0)?, short(udp, 2)?),
                data: udp.get(8..length)?.to_vec(),
            })
        }
        _ => None,
    }
}

/// `own` answers that it is itself.
pub fn arp_reply(own: End, to: End) -> Vec<u8> {
    let mut frame = ethernet(own.mac, to.mac, 0x0806);
    frame.extend([0, 1, 8, 0, 6, 4, 0, 2]);
    for end in [own, to] {
        frame.extend(end.mac);
        frame.extend(end.address.octets());
    }
    frame
}

/// A datagram; UDP over IPv4 needs no checksum, the header does.
pub fn datagram(from: End, to: End, ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let size = |extra: usize| {
        u16::try_from(data.len() + extra)
            .unwrap_or(u16::MAX)
            .to_be_bytes()
    };
    let mut header = vec![0x45, 0];
    header.extend(size(28));
    header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    header.extend(from.address.octets());
    header.extend(to.address.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = ethernet(from.mac, to.mac, 0x0800);
    frame.extend(header);
    frame.extend(ports.0.to_be_bytes());
    frame.extend(ports.1.to_be_bytes());
    frame.extend(size(8));
    frame.extend([0, 0]);
    frame.extend_from_slice(data);
    frame
}

fn ethernet(from: Mac, to: Mac, kind: u16) -> Vec<u8> {
    let mut frame = to.to_vec();
    frame.extend(from);
    frame.extend(kind.to_be_bytes());
    frame
}

fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(0)
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?))
}

fn address(data: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = data.get(at..at + 4)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::{End, Packet, arp_reply, checksum, datagram, parsed};

    const GUEST: End = End {
        mac: [0x52, 0x54, 0, 0x68, 2, 1],
        address: Ipv4Addr::new(203, 0, 113, 11),
    };
    const BMC: End = End {
        mac: [0x52, 0x54, 0, 0x68, 0xfe, 2],
        address: Ipv4Addr::new(203, 0, 113, 112),
    };

    #[test]
    fn a_datagram_is_read_as_it_was_written_and_padding_is_not_data() {
        let mut frame = datagram(GUEST, BMC, (40000, 623), b"ping");
        assert_eq!(checksum(&frame[14..34]), 0);
        frame.resize(60, 0xaa);
        assert_eq!(
            parsed(&frame),
            Some(Packet::Datagram {
                from: GUEST,
                to: BMC.address,
                ports: (40000, 623),
                data: b"ping".to_vec(),
            })
        );
    }

    #[test]
    fn a_question_is_told_from_an_answer() {
        let mut question = arp_reply(GUEST, BMC);
        assert_eq!(parsed(&question), None);
        question[21] = 1;
        assert_eq!(
            parsed(&question),
            Some(Packet::ArpRequest {
                from: GUEST,
                wanted: BMC.address,
            })
        );
    }

    #[test]
    fn a_known_header_has_its_known_checksum() {
        // RFC 1071's way of counting, on the example of its section 3.
        assert_eq!(checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    proptest! {
        #[test]
        fn nothing_a_guest_sends_is_a_panic(frame in prop::collection::vec(any::<u8>(), 0..80), kind in 0usize..3) {
            let mut frame = frame;
            if frame.len() > 14 && kind < 2 {
                frame[12..14].copy_from_slice(&[8, [0, 6][kind]]);
            }
            let _ = parsed(&frame);
        }
    }
}
