//! The frames of HTTP/2, as far as their heads.

use std::ops::Range;

/// What comes before the payload of each frame (RFC 9113, section 4.1).
const HEAD_BYTES: usize = 9;
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const CONTINUATION: u8 = 9;
/// The head of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) length: usize,
}

/// Follows the frames of one direction, however reads and writes cut them.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// So much of the head is there.
    have: usize,
    /// So much of the payload is still to come.
    left: usize,
}

impl Frames {
    /// Frames that come behind so many bytes.
    pub(super) fn behind(bytes: usize) -> Self {
        Self {
            left: bytes,
            ..Self::default()
        }
    }

    /// The next frame whose head ends in `bytes` at or behind `at`, and where in `bytes` its payload begins to be.
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

    /// Whether a frame has just ended.
    pub(super) fn is_between(&self) -> bool {
        self.have == 0 && self.left == 0
    }
}
