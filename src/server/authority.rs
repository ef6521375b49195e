//! Rewrites the `:authority` of gRPC clients whose target is not a plain host, so that the HTTP library accepts it.
//!
//! A client whose target is a list of addresses or a path sends it as its authority: `a:1,b:1` (gRPC C core), `a%2Cb`
//! (grpc-go), `%2Ftmp%2Fsocket`. The `http` crate accepts no percent sign in a host, and at most one port and one
//! bracket, so h2 would reset each such stream. The service does not use the authority. This module therefore replaces
//! each offending character in the encoded header block by a character whose code has the same length. No length
//! changes, so the HPACK tables of both sides (RFC 7541) stay equal.

use super::frames::Head;

/// Flags of a HEADERS frame (RFC 9113, section 6.2).
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The index of `:authority` in the static table of HPACK.
const AUTHORITY: usize = 1;
const NAME: &[u8] = b":authority";
/// `:authority` in the Huffman code of HPACK.
const CODED_NAME: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];
/// The number of fields to search: pseudo-headers come first, five at most, after up to two updates of the table size.
const MOST_FIELDS: usize = 7;

/// Replaces the offending characters in the `:authority` of a HEADERS frame. If `payload` is cut off by the end of the
/// read buffer, only the available part is searched. A malformed block is left unchanged; h2 rejects it.
pub(super) fn mend(head: Head, payload: &mut [u8]) {
    let mut at = 0;
    if head.flags & PADDED != 0 {
        at += 1;
    }
    if head.flags & PRIORITY != 0 {
        at += 5;
    }
    for _ in 0..MOST_FIELDS {
        match field(payload, &mut at) {
            Some(Field::Other) => {}
            Some(Field::Authority { start, is_coded }) => {
                let value = &mut payload[start..at];
                return match is_coded {
                    true => mend_coded(value),
                    false => mend_plain(value),
                };
            }
            None => return,
        }
    }
}

/// A header field, as far as this module distinguishes it.
enum Field {
    Other,
    /// The value is at `start` up to the end of the field.
    Authority {
        start: usize,
        is_coded: bool,
    },
}

/// Reads one field of a header block (RFC 7541, section 6) and advances `at` past it.
fn field(block: &[u8], at: &mut usize) -> Option<Field> {
    let first = *block.get(*at)?;
    let prefix = match first {
        0x80.. => 7,
        0x40.. => 6,
        0x20.. => 5,
        _ => 4,
    };
    let index = integer(block, at, prefix)?;
    if prefix == 7 || prefix == 5 {
        return Some(Field::Other);
    }
    let is_authority = match index {
        0 => {
            let (start, is_coded) = string(block, at)?;
            let name = if is_coded { CODED_NAME } else { NAME };
            &block[start..*at] == name
        }
        index => index == AUTHORITY,
    };
    let (start, is_coded) = string(block, at)?;
    Some(match is_authority {
        true => Field::Authority { start, is_coded },
        false => Field::Other,
    })
}

/// Reads an integer whose first byte holds `prefix` bits of it (RFC 7541, section 5.1).
fn integer(block: &[u8], at: &mut usize, prefix: u32) -> Option<usize> {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(*block.get(*at)?) & most;
    *at += 1;
    if value < most {
        return Some(value);
    }
    // Three more bytes suffice for every length and index of a header.
    for shift in [0, 7, 14] {
        let byte = usize::from(*block.get(*at)?);
        *at += 1;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Reads a string; returns its start and whether it is Huffman-coded (RFC 7541, section 5.2).
fn string(block: &[u8], at: &mut usize) -> Option<(usize, bool)> {
    let is_coded = block.get(*at)? & 0x80 != 0;
    let length = integer(block, at, 7)?;
    let start = *at;
    *at = start
        .checked_add(length)
        .filter(|end| *end <= block.len())?;
    Some((start, is_coded))
}

/// What the scan of an authority has seen so far.
#[derive(Default)]
struct Seen {
    /// A percent sign or a comma outside of brackets; no port or bracket is valid after it.
    list: bool,
    in_brackets: bool,
}

/// The rule by which characters are replaced.
impl Seen {
    /// Whether this character must be replaced; called for each character in order.
    fn stumbles(&mut self, character: u8) -> bool {
        if self.list {
            return b"%:[]@/".contains(&character);
        }
        match character {
            b'[' => self.in_brackets = true,
            b']' => self.in_brackets = false,
            // Inside of brackets, a percent sign precedes the zone of an IPv6 address.
            b'%' | b',' if !self.in_brackets => self.list = true,
            _ => {}
        }
        self.list && character == b'%'
    }
}

/// Replaces the offending characters of a value that is not Huffman-coded.
fn mend_plain(value: &mut [u8]) {
    let mut seen = Seen::default();
    for character in value {
        if seen.stumbles(*character) {
            *character = b'.';
        }
    }
}

/// The Huffman codes of up to 13 bits (RFC 7541, appendix B): length, first code, number of codes. Longer codes belong
/// to characters that no authority contains.
const CODES: [(u32, u32, u32); 8] = [
    (5, 0x0, 10),
    (6, 0x14, 26),
    (7, 0x5c, 32),
    (8, 0xf8, 6),
    (10, 0x3f8, 5),
    (11, 0x7fa, 3),
    (12, 0xffa, 2),
    (13, 0x1ff8, 6),
];

/// The relevant characters by length and code, each with the code of equal length that replaces it.
fn matters(length: u32, code: u32) -> Option<(u8, u32)> {
    Some(match (length, code) {
        (6, 0x15) => (b'%', 0x17),      // .
        (6, 0x18) => (b'/', 0x17),      // .
        (7, 0x5c) => (b':', 0x5d),      // B
        (8, 0xfa) => (b',', 0xfa),      // itself
        (13, 0x1ffa) => (b'@', 0x1ffd), // ~
        (13, 0x1ffb) => (b'[', 0x1ffd), // ~
        (13, 0x1ffc) => (b']', 0x1ffd), // ~
        _ => return None,
    })
}

/// Replaces the offending characters of a Huffman-coded value, bit by bit.
fn mend_coded(value: &mut [u8]) {
    let mut seen = Seen::default();
    let bits = value.len() * 8;
    let mut at = 0;
    while at < bits {
        let (mut code, mut length) = (0, 0);
        let (length, code) = loop {
            if at + length >= bits || length == 13 {
                return; // the padding, or a character that is none of an authority
            }
            let bit = at + length;
            code = code << 1 | u32::from(value[bit / 8] >> (7 - bit % 8) & 1);
            length += 1;
            let is_whole = |&(of, first, count): &(u32, u32, u32)| {
                of as usize == length && (first..first + count).contains(&code)
            };
            if CODES.iter().any(is_whole) {
                break (length, code);
            }
        };
        if let Some((character, other)) = matters(length as u32, code)
            && seen.stumbles(character)
        {
            for n in 0..length {
                let (bit, shift) = (at + n, length - 1 - n);
                let mask = 1 << (7 - bit % 8);
                match other >> shift & 1 {
                    0 => value[bit / 8] &= !mask,
                    _ => value[bit / 8] |= mask,
                }
            }
        }
        at += length;
    }
}
