//! Encodings of text, and how one is found out from the text itself:
//!
//! - UTF-8 if the bytes are valid in it, or if far more of them are in its sequences than invalid, so that a damaged record
//!   does not change the encoding of the others;
//! - GB18030 if they are valid in it and the frequencies of their characters are those of Chinese;
//! - else UTF-8, whose invalid records are reported one by one.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, GB18030, UTF_8};

/// An encoding of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// UTF-8, the encoding of our own files.
    pub const UTF_8: Self = Self(UTF_8);

    /// The encoding with this label of the WHATWG Encoding Standard, in any case, such as `utf-16le`, `gbk` or `big5`.
    pub fn parse(label: &str) -> Result<Self, String> {
        let found = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
        match found {
            // GB18030 contains GBK, and its decoder reads both.
            Some(found) if found == encoding_rs::GBK => Ok(Self(GB18030)),
            Some(found) => Ok(Self(found)),
            None => Err("must be an encoding such as utf-8, gb18030, utf-16le or big5".to_owned()),
        }
    }

    pub(super) fn of(encoding: &'static encoding_rs::Encoding) -> Self {
        Self(encoding)
    }

    pub(super) fn get(self) -> &'static encoding_rs::Encoding {
        self.0
    }

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self(found) if found == GB18030 => "GB18030",
            Self(found) => found.name(),
        }
    }
}

/// A text of GB18030 has pairs that are valid in UTF-8, but hardly ever so many times as many bytes in them as invalid ones.
const SURE: usize = 8;

/// The encoding of a text that begins with `bytes`, the first of which is not ASCII; and what it probably is in, if that
/// is neither UTF-8 nor GB18030.
pub(super) fn detect(bytes: &[u8], is_whole: bool) -> (Encoding, Option<Encoding>) {
    // Pairs of GB18030 are often valid in UTF-8 too, but three bytes of it hardly ever.
    let (mut pairs, mut longer, mut invalid, mut cut) = (0, 0, 0, 0);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c.len_utf8() {
                1 => {}
                2 => pairs += 2,
                length => longer += length,
            }
        }
        invalid += chunk.invalid().len();
        // Of the last chunk, this may be the beginning of a character.
        let error = std::str::from_utf8(chunk.invalid()).err();
        cut = match error.is_some_and(|error| error.error_len().is_none()) {
            true => chunk.invalid().len(),
            false => 0,
        };
    }
    if !is_whole {
        invalid -= cut;
    }
    if invalid == 0 || longer > invalid || pairs + longer > SURE * invalid {
        return (Encoding::UTF_8, None);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, is_whole);
    // Few characters are rather Chinese than other letters in pairs. But accented letters stand beside ASCII.
    let country = is_mostly_gb2312(bytes).then_some(&b"cn"[..]);
    let guess = detector.guess(country, Utf8Detection::Deny);
    let mut scratch = vec![0; 2 * bytes.len() + 16];
    let (result, ..) = GB18030
        .new_decoder_without_bom_handling()
        .decode_to_utf8_without_replacement(bytes, &mut scratch, is_whole);
    match result {
        DecoderResult::InputEmpty if guess == encoding_rs::GBK || guess == GB18030 => {
            (Encoding(GB18030), None)
        }
        _ if pairs + longer > invalid => (Encoding::UTF_8, None),
        _ => (Encoding::UTF_8, Some(Encoding(guess))),
    }
}

/// Whether most characters of GB18030 are in its oldest part, as nearly all of a Chinese text are: both bytes are above
/// 0xA0.
fn is_mostly_gb2312(bytes: &[u8]) -> bool {
    let (mut common, mut rare) = (0_usize, 0_usize);
    let mut rest = bytes.iter();
    while let Some(first) = rest.next() {
        if !first.is_ascii() {
            match rest.next() {
                Some(second) if *first > 0xA0 && *second > 0xA0 => common += 1,
                _ => rare += 1,
            }
        }
    }
    common > rare
}
