//! Parses the frame headers of an HTTP/2 byte stream (RFC 9113, section 4.1).

use std::ops::Range;

/// Length of a frame header: length (3), type (1), flags (1), stream id (4).
const HEAD_BYTES: usize = 9;
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;
/// A frame header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) length: usize,
}

/// Finds the frames of one direction, regardless of how reads and writes split them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// The number of header bytes read so far.
    have: usize,
    /// The number of payload bytes still to be skipped.
    left: usize,
}

impl Frames {
    /// Frames that start after `bytes` bytes, such as the connection preface.
    pub(super) fn behind(bytes: usize) -> Self {
        Self {
            left: bytes,
            ..Self::default()
        }
    }

    /// The next frame whose header ends within `bytes`, searched from `at`, and the available part of its payload.
    pub(super) fn next(&mut self, bytes: &[u8], at: &mut usize) -> Option<(Head, Range<usize>)> {
        while *at < bytes.len() {
            let rest = &bytes[*at..];
            if self.left > 0 {
                let skipped = self.left.min(rest.len());
                self.left -= skipped;
                *at += skipped;
                continue;
            }
            let taken = (HEAD_BYTES - self.have).min(rest.len());
            self.head[self.have..self.have + taken].copy_from_slice(&rest[..taken]);
            self.have += taken;
            *at += taken;
            if self.have == HEAD_BYTES {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                self.left = length;
                let head = Head {
                    kind,
                    flags,
                    length,
                };
                return Some((head, *at..(*at + length).min(bytes.len())));
            }
        }
        None
    }

    /// Whether the stream is at a frame boundary.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }
}
