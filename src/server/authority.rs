//! Makes the `:authority` of a gRPC client's target one that the HTTP library reads.
//!
//! A client whose target is a list of addresses or a path sends it as its authority: `a:1,b:1` (gRPC's C core), `a%2Cb`
//! (grpc-go), `%2Ftmp%2Fsocket`. The `http` crate reads no percent sign in a host, and one port and one bracket only, so
//! h2 resets each such stream. The service uses the authority for nothing. So each character that it would stumble over
//! is replaced by another one, in the header block itself, whose code has the same length: then no length changes, and
//! the tables of both sides of the header compression (HPACK, RFC 7541) stay equal.

use super::frames::Head;

const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The index of `:authority` in HPACK's static table.
const AUTHORITY: usize = 1;
const NAME: &[u8] = b":authority";
/// The same in Huffman code.
const CODED_NAME: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];
/// Pseudo-headers come first, behind at most two changes of the table's size. There are five of them.
const MOST_FIELDS: usize = 7;

/// Replaces what cannot be read in the `:authority` of a HEADERS frame's payload. Of a payload that is cut off, only what
/// is there is seen; what is no HPACK is left for h2 to refuse.
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

enum Field {
    Other,
    /// Its value reaches from `start` to where the field ends.
    Authority {
        start: usize,
        is_coded: bool,
    },
}

/// Reads over one field of a header block (RFC 7541, section 6).
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

/// Reads an integer whose first byte holds `prefix` bits of it (section 5.1).
fn integer(block: &[u8], at: &mut usize, prefix: u32) -> Option<usize> {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(*block.get(*at)?) & most;
    *at += 1;
    if value < most {
        return Some(value);
    }
    // No length or index of a header takes more.
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

/// Reads over a string; answers where it starts, and whether it is in Huffman code (section 5.2).
fn string(block: &[u8], at: &mut usize) -> Option<(usize, bool)> {
    let is_coded = block.get(*at)? & 0x80 != 0;
    let length = integer(block, at, 7)?;
    let start = *at;
    *at = start
        .checked_add(length)
        .filter(|end| *end <= block.len())?;
    Some((start, is_coded))
}

/// What was seen of an authority so far.
#[derive(Default)]
struct Seen {
    /// A percent sign or a comma: what follows is no port and no bracket.
    list: bool,
    in_brackets: bool,
}

impl Seen {
    /// Whether this character has to be replaced.
    fn stumbles(&mut self, character: u8) -> bool {
        if self.list {
            return b"%:[]@/".contains(&character);
        }
        match character {
            b'[' => self.in_brackets = true,
            b']' => self.in_brackets = false,
            // The zone of an IPv6 address may have one.
            b'%' | b',' if !self.in_brackets => self.list = true,
            _ => {}
        }
        self.list && character == b'%'
    }
}

fn mend_plain(value: &mut [u8]) {
    let mut seen = Seen::default();
    for character in value {
        if seen.stumbles(*character) {
            *character = b'.';
        }
    }
}

/// Codes of so many bits (appendix B): the first one, and how many there are. Longer ones are of no character that an
/// authority may hold.
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

/// The characters that matter: length, code, and the code of that length that takes its place.
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
