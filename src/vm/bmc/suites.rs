//! The one command of IPMI 2.0 that ipmi_sim leaves unanswered and ipmitool
//! starts with: Get Channel Cipher Suites (22.15). Every call of ipmitool
//! would wait ten seconds for it; real BMCs answer at once.

/// RMCP of class IPMI without acknowledgement, RMCP+ payload IPMI, no session.
const HEADER: [u8; 6] = [6, 0, 0xff, 7, 6, 0];

/// From the session's id to the message's length.
const NO_SESSION: [u8; 8] = [0; 8];

const COMMAND: u8 = 0x54;

/// Requests and answers of the application's network function, with its LUN.
const REQUEST: u8 = 6 << 2;
const RESPONSE: u8 = 7 << 2;

/// Suite 3, which fence_ipmilan and ipmitool know for longest: RAKP-HMAC-SHA1,
/// HMAC-SHA1-96, AES-CBC-128 (tables 22-18 and 22-19).
const RECORD: [u8; 5] = [0xc0, 3, 0x01, 0x41, 0x81];

/// The answer, where the datagram asks for it.
pub fn answer(datagram: &[u8]) -> Option<Vec<u8>> {
    let rest = datagram.strip_prefix(&HEADER)?;
    let rest = rest.strip_prefix(&NO_SESSION)?;
    let (length, message) = rest.split_at_checked(2)?;
    let &[to, function, _, from, sequence, command, _, _, index, _] = message else {
        return None;
    };
    if length != [10, 0] || function != REQUEST || command != COMMAND {
        return None;
    }
    let mut head = vec![from, RESPONSE];
    head.push(checksum(&head));
    // Done, by channel 1; fewer than 16 bytes of records are the last ones.
    let mut body = vec![to, sequence, command, 0, 1];
    if index & 0x3f == 0 {
        body.extend(RECORD);
    }
    body.push(checksum(&body));
    head.extend(body);
    let length = u8::try_from(head.len()).ok()?;
    Some([&HEADER[..], &NO_SESSION, &[length, 0], &head].concat())
}

/// The two's complement of the sum (13.8).
fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::{answer, checksum};

    /// What ipmitool 1.8.19 sends.
    const ASKED: [u8; 26] = [
        0x06, 0x00, 0xff, 0x07, 0x06, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0x00, 0x20, 0x18, 0xc8,
        0x81, 0x04, 0x54, 0x0e, 0x00, 0x80, 0x99,
    ];

    #[test]
    fn suite_3_is_offered_once() {
        let said = answer(&ASKED).unwrap();
        assert_eq!(said[14], 14);
        let message = &said[16..];
        assert_eq!(message.len(), 14);
        assert_eq!(checksum(&message[..3]), 0);
        assert_eq!(checksum(&message[3..]), 0);
        assert_eq!(message[..2], [0x81, 0x1c]);
        assert_eq!(message[3..7], [0x20, 0x04, 0x54, 0]);
        let mut next = ASKED;
        next[24] = 0x81;
        assert_eq!(answer(&next).unwrap()[14], 9);
    }

    #[test]
    fn everything_else_is_the_simulators() {
        let mut other = ASKED;
        other[21] = 0x38;
        assert_eq!(answer(&other), None);
        let mut session = ASKED;
        session[6] = 1;
        assert_eq!(answer(&session), None);
        assert_eq!(answer(&ASKED[..25]), None);
        assert_eq!(answer(&[]), None);
    }
}
