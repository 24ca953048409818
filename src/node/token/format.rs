//! The token's text.
//!
//! `uha1-` and base32 (RFC 4648, lower case, no padding) of: an id of 8 bytes,
//! the times of issue and expiry (Unix seconds, 8 bytes each, big-endian), the
//! master, a byte that is 1 when the cluster runs, the node's name, the ids of the nodes, the cluster's answers by
//! question, an HMAC-SHA256
//! over the prefix and all that, keyed by a key of the master, and the first 4
//! bytes of the SHA-256 of all before. Texts have a length of 2 bytes before
//! them.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::node::key::{Master, wipe};

const PREFIX: &str = "uha1-";
const MAC_SIZE: usize = 32;
const CHECKSUM_SIZE: usize = 4;
/// Far more than 32 nodes with two links need.
const LONGEST: usize = 16 * 1024;

/// What a joining node is told.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub id: Id,
    /// Unix seconds.
    pub issued: u64,
    /// Unix seconds.
    pub expires: u64,
    /// The cluster ran when the token was issued.
    pub running: bool,
    /// The only host that may use it.
    pub node: String,
    /// `nodeid` of each node, in the order of the answer `nodes`.
    pub ids: Vec<u32>,
    /// Answers of the node recipe as text, passwords among them.
    pub answers: BTreeMap<String, String>,
    pub master: Master,
}

/// Tells tokens apart; no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub [u8; 8]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("node", &self.node)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why a text is no token that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    Empty,
    NoToken,
    /// Made by a later version of the program.
    Version,
    /// A letter is wrong, missing or too much.
    Mistyped,
    /// Typed right, but its content is not what was issued.
    Forged,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the token is empty",
            Self::NoToken => "this is no token: one starts with uha1-",
            Self::Version => "the token is of another version of ubuntu-ha",
            Self::Mistyped => {
                "the token is mistyped or cut off: its checksum does not match its letters"
            }
            Self::Forged => {
                "the token is wrong: it is complete, but it was not issued with this content"
            }
        })
    }
}

impl Unreadable {
    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Empty | Self::NoToken => {
                "write all of what `ubuntu-ha token` printed on a node of the cluster"
            }
            Self::Version => "install the same version of ubuntu-ha-node on all nodes",
            Self::Mistyped => "copy it again, from uha1- to its last letter",
            Self::Forged => "have a new one issued by `ubuntu-ha token` on a node of the cluster",
        }
    }
}

impl Token {
    /// One line of lower-case letters and digits behind the prefix.
    pub fn encode(&self) -> String {
        let mut data = self.body();
        data.extend(self.mac(&data));
        data.extend(checksum(&data));
        let mut text = String::from(PREFIX);
        text.push_str(&BASE32_NOPAD.encode(&data).to_ascii_lowercase());
        wipe(&mut data);
        text
    }

    /// Reads what [`Token::encode`] wrote. Blanks and line breaks anywhere, and
    /// the case of letters, do not matter.
    pub fn decode(text: &str) -> Result<Self, Unreadable> {
        let letters: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let letters = letters.to_ascii_lowercase();
        if letters.is_empty() {
            return Err(Unreadable::Empty);
        }
        let coded = letters
            .strip_prefix(PREFIX)
            .ok_or_else(|| other(&letters))?;
        if coded.len() > LONGEST {
            return Err(Unreadable::Mistyped);
        }
        let mut data = BASE32_NOPAD
            .decode(coded.to_ascii_uppercase().as_bytes())
            .map_err(|_| Unreadable::Mistyped)?;
        let token = Self::read(&data);
        wipe(&mut data);
        token
    }

    fn read(data: &[u8]) -> Result<Self, Unreadable> {
        let (signed, sum) = split_end(data, CHECKSUM_SIZE).ok_or(Unreadable::Mistyped)?;
        if checksum(signed) != sum {
            return Err(Unreadable::Mistyped);
        }
        let (body, mac) = split_end(signed, MAC_SIZE).ok_or(Unreadable::Forged)?;
        let token = Reader(body).token().ok_or(Unreadable::Forged)?;
        if token.hmac(body).verify_slice(mac).is_err() {
            return Err(Unreadable::Forged);
        }
        Ok(token)
    }

    fn body(&self) -> Vec<u8> {
        let mut data = Vec::new();
        data.extend(self.id.0);
        data.extend(self.issued.to_be_bytes());
        data.extend(self.expires.to_be_bytes());
        data.extend(*self.master);
        data.push(self.running.into());
        write_text(&mut data, &self.node);
        let ids: Vec<String> = self.ids.iter().map(u32::to_string).collect();
        write_text(&mut data, &ids.join(" "));
        for (name, answer) in &self.answers {
            write_text(&mut data, name);
            write_text(&mut data, answer);
        }
        data
    }

    fn hmac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut key = self.master.token_key();
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        wipe(&mut key);
        hmac.update(PREFIX.as_bytes());
        hmac.update(body);
        hmac
    }

    fn mac(&self, body: &[u8]) -> [u8; MAC_SIZE] {
        self.hmac(body).finalize().into_bytes().into()
    }
}

/// What a text without the prefix may be.
fn other(letters: &str) -> Unreadable {
    let version = letters
        .strip_prefix("uha")
        .and_then(|rest| rest.split_once('-'));
    match version {
        Some((number, _)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            Unreadable::Version
        }
        _ => Unreadable::NoToken,
    }
}

fn checksum(data: &[u8]) -> [u8; CHECKSUM_SIZE] {
    let hash = Sha256::digest(data);
    [hash[0], hash[1], hash[2], hash[3]]
}

fn split_end(data: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    data.len().checked_sub(size).map(|at| data.split_at(at))
}

fn write_text(data: &mut Vec<u8>, text: &str) {
    let size = u16::try_from(text.len()).expect("an answer is far shorter than 64 KiB");
    data.extend(size.to_be_bytes());
    data.extend(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn token(mut self) -> Option<Token> {
        let id = Id(self.array()?);
        let issued = u64::from_be_bytes(self.array()?);
        let expires = u64::from_be_bytes(self.array()?);
        let master = Master::new(self.array()?);
        let running = match self.array()? {
            [0] => false,
            [1] => true,
            [_] => return None,
        };
        let node = self.text()?;
        let ids = self.text()?;
        let ids: Option<Vec<u32>> = ids.split_whitespace().map(|id| id.parse().ok()).collect();
        let mut answers = BTreeMap::new();
        while !self.0.is_empty() {
            answers.insert(self.text()?, self.text()?);
        }
        Some(Token {
            id,
            issued,
            expires,
            running,
            node,
            ids: ids?,
            answers,
            master,
        })
    }

    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let size = u16::from_be_bytes(self.array()?);
        let text = self.take(size.into())?;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> Token {
        let answers = [
            ("cluster_name", "ha"),
            ("nodes", "alpha=192.0.2.11 beta=192.0.2.12"),
            ("token", "3000"),
        ];
        Token {
            id: Id([1, 2, 3, 4, 5, 6, 7, 8]),
            issued: 1_790_000_000,
            expires: 1_790_003_600,
            running: true,
            node: "beta".into(),
            ids: vec![1, 3],
            answers: answers.map(|(n, a)| (n.into(), a.into())).into(),
            master: Master::new([7; 32]),
        }
    }

    /// With a checksum that is right again after `change`.
    fn tampered(change: impl FnOnce(&mut Vec<u8>)) -> String {
        let text = token().encode().to_ascii_uppercase();
        let mut data = BASE32_NOPAD
            .decode(&text.as_bytes()[PREFIX.len()..])
            .unwrap();
        data.truncate(data.len() - CHECKSUM_SIZE);
        change(&mut data);
        data.extend(checksum(&data));
        format!("{PREFIX}{}", BASE32_NOPAD.encode(&data))
    }

    #[test]
    fn a_token_reads_back_the_same_however_it_was_pasted() {
        let text = token().encode();
        assert!(!text.contains(char::is_whitespace));
        assert_eq!(Token::decode(&text), Ok(token()));
        assert_eq!(Token::decode(&text.to_ascii_uppercase()), Ok(token()));
        let (first, second) = text.split_at(70);
        assert_eq!(
            Token::decode(&format!(" {first}\r\n{second}\n")),
            Ok(token())
        );
    }

    #[test]
    fn every_wrong_missing_or_swapped_letter_is_found() {
        let text = token().encode();
        for at in PREFIX.len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(Token::decode(&wrong), Err(Unreadable::Mistyped), "{at}");
            assert_eq!(
                Token::decode(&text[..at]),
                Err(Unreadable::Mistyped),
                "{at}"
            );
            let missing = format!("{}{}", &text[..at], &text[at + 1..]);
            assert_eq!(Token::decode(&missing), Err(Unreadable::Mistyped), "{at}");
        }
        assert_eq!(
            Token::decode(&format!("{text}a")),
            Err(Unreadable::Mistyped)
        );
        assert_eq!(
            Token::decode(&format!("{text}1")),
            Err(Unreadable::Mistyped)
        );
    }

    #[test]
    fn changed_content_with_a_right_checksum_is_told_from_a_mistyped_one() {
        assert_eq!(Token::decode(&tampered(|_| ())), Ok(token()));
        for at in 0..token().body().len() + MAC_SIZE {
            let text = tampered(|data| data[at] ^= 1);
            assert_eq!(Token::decode(&text), Err(Unreadable::Forged), "{at}");
        }
        let short = tampered(|data| data.truncate(20));
        assert_eq!(Token::decode(&short), Err(Unreadable::Forged));
    }

    #[test]
    fn what_is_no_token_is_named() {
        assert_eq!(Token::decode(" \n"), Err(Unreadable::Empty));
        assert_eq!(Token::decode("uha2-abc"), Err(Unreadable::Version));
        for text in ["hello", "uha-abc", "uha1", "uhal-abc", "ühü1-"] {
            assert_eq!(Token::decode(text), Err(Unreadable::NoToken), "{text}");
        }
        let long = format!("{PREFIX}{}", "a".repeat(LONGEST + 1));
        assert_eq!(Token::decode(&long), Err(Unreadable::Mistyped));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut token = token();
        token
            .answers
            .insert("ipmi_password".into(), "geheim".into());
        let shown = format!("{token:?}");
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(!shown.contains("master"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(uha1-)?\\PC*") {
            let _ = Token::decode(&text);
        }

        #[test]
        fn no_content_makes_the_reader_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut data = data;
            data.extend(checksum(&data));
            prop_assert!(Token::read(&data).is_err());
        }
    }
}
