//! The input as UTF-8: finds out the encoding and decodes, in constant memory.
//!
//! A byte order mark names UTF-8 or UTF-16, and wins over the option. Otherwise text is ASCII until its first other byte,
//! from which on 32 to 64 KiB decide. UTF-8 passes through without being copied.

use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_8};

use super::encoding::{Encoding, detect};

/// The number of bytes that are read at a time, and that decide about the encoding.
const CHUNK: usize = 1 << 16;
/// Stands for bytes that are invalid in the input's encoding. It is invalid in UTF-8, so the record is reported as bad.
const INVALID: u8 = 0xFF;

/// The decoded input.
pub(super) struct Text {
    input: Box<dyn Read + Send>,
    /// Bytes of the input, of which `at..filled` are unread; without a decoder, those before `ready` can be served.
    raw: Box<[u8]>,
    at: usize,
    ready: usize,
    filled: usize,
    /// Whether `raw` holds the last bytes of the input.
    is_end: bool,
    /// An error of the input, which comes after the bytes that were read before it.
    broken: Option<io::Error>,
    state: State,
    wanted: Option<Encoding>,
    has_mark: bool,
    likely: Option<Encoding>,
}

enum State {
    Start,
    /// All bytes so far were ASCII.
    Ascii,
    Utf8,
    Decoding(Decoding),
}

/// Text in another encoding than UTF-8.
struct Decoding {
    decoder: Decoder,
    /// Decoded text, of which the bytes from `at` on are unread.
    text: Vec<u8>,
    at: usize,
    is_end: bool,
}

impl Text {
    /// Decodes `input`, from `wanted` if that is given and the input has no byte order mark.
    pub(super) fn new(input: Box<dyn Read + Send>, wanted: Option<Encoding>) -> Self {
        Self {
            input,
            raw: vec![0; CHUNK].into(),
            at: 0,
            ready: 0,
            filled: 0,
            is_end: false,
            broken: None,
            state: State::Start,
            wanted,
            has_mark: false,
            likely: None,
        }
    }

    /// The encoding, as far as it is known; ASCII is UTF-8.
    pub(super) fn encoding(&self) -> Encoding {
        match &self.state {
            State::Decoding(decoding) => Encoding::of(decoding.decoder.encoding()),
            _ => Encoding::UTF_8,
        }
    }

    /// Whether the input begins with a byte order mark.
    pub(super) fn has_mark(&self) -> bool {
        self.has_mark
    }

    /// What rejects begin with: a byte order mark if the input has one, or is in another encoding. Rejects are in UTF-8, and
    /// a mark says so to spreadsheets and to an import with `--encoding`.
    pub(super) fn rejects_mark(&self) -> &'static str {
        match self.has_mark || self.encoding() != Encoding::UTF_8 {
            true => "\u{feff}",
            false => "",
        }
    }

    /// The probable encoding of text that is neither UTF-8 nor GB18030 and was thus read as UTF-8.
    pub(super) fn likely(&self) -> Option<Encoding> {
        self.likely
    }

    /// Moves the unread bytes to the front and reads until `raw` is full or the input ends.
    fn fill(&mut self) -> io::Result<()> {
        self.raw.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        (self.at, self.ready) = (0, 0);
        if self.filled == 0
            && let Some(error) = self.broken.take()
        {
            return Err(error);
        }
        while self.filled < CHUNK && !self.is_end && self.broken.is_none() {
            match self.input.read(&mut self.raw[self.filled..]) {
                Ok(0) => self.is_end = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.filled == 0 => return Err(error),
                Err(error) => self.broken = Some(error),
            }
        }
        Ok(())
    }

    /// Makes text ready; there is none only at the end of the input.
    fn prepare(&mut self) -> io::Result<()> {
        while self.at == self.ready {
            if let State::Decoding(decoding) = &self.state
                && (decoding.at < decoding.text.len() || decoding.is_end)
            {
                return Ok(());
            }
            if self.at == self.filled {
                self.fill()?;
            }
            let is_end = self.at == self.filled;
            match &mut self.state {
                State::Start => self.start(),
                State::Utf8 => self.ready = self.filled,
                State::Ascii => self.ascii()?,
                State::Decoding(decoding) => {
                    self.at += decoding.decode(&self.raw[self.at..self.filled], is_end);
                    self.ready = self.at;
                    continue;
                }
            }
            if is_end && !matches!(self.state, State::Decoding(_)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks for a byte order mark.
    fn start(&mut self) {
        let mark = encoding_rs::Encoding::for_bom(&self.raw[..self.filled]);
        if let Some((_, length)) = mark {
            self.at = length;
            self.ready = length;
            self.has_mark = true;
        }
        let known = mark.map(|(encoding, _)| Encoding::of(encoding));
        match known.or(self.wanted) {
            Some(encoding) => self.know(encoding),
            None => self.state = State::Ascii,
        }
    }

    /// Makes ASCII ready, or finds out the encoding from the first other byte on.
    fn ascii(&mut self) -> io::Result<()> {
        let rest = &self.raw[self.at..self.filled];
        let other = match rest.is_ascii() {
            true => None,
            false => rest.iter().position(|byte| !byte.is_ascii()),
        };
        match other {
            None => self.ready = self.filled,
            // At the start of the file, its header is ready as a whole.
            Some(ahead) if ahead <= CHUNK / 2 => {
                self.fill()?;
                let (found, likely) = detect(&self.raw[ahead..self.filled], self.is_end);
                self.likely = likely;
                self.know(found);
            }
            Some(ahead) => self.ready = self.at + ahead,
        }
        Ok(())
    }

    fn know(&mut self, encoding: Encoding) {
        let encoding = encoding.get();
        self.state = match encoding == UTF_8 {
            true => State::Utf8,
            false => State::Decoding(Decoding {
                decoder: encoding.new_decoder_without_bom_handling(),
                text: Vec::with_capacity(2 * CHUNK),
                at: 0,
                is_end: false,
            }),
        };
    }
}

impl Decoding {
    /// Decodes as many of `bytes` as there is room for, and returns how many these were. `is_end`: no more will follow.
    fn decode(&mut self, bytes: &[u8], is_end: bool) -> usize {
        self.text.resize(2 * CHUNK, 0);
        self.at = 0;
        let (result, read, written) =
            self.decoder
                .decode_to_utf8_without_replacement(bytes, &mut self.text, is_end);
        self.text.truncate(written);
        match result {
            DecoderResult::Malformed(..) => self.text.push(INVALID),
            DecoderResult::InputEmpty => self.is_end = is_end,
            DecoderResult::OutputFull => {}
        }
        read
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.ready {
            self.prepare()?;
        }
        Ok(match &self.state {
            State::Decoding(decoding) => &decoding.text[decoding.at..],
            _ => &self.raw[self.at..self.ready],
        })
    }

    fn consume(&mut self, count: usize) {
        match &mut self.state {
            State::Decoding(decoding) => decoding.at += count,
            _ => self.at += count,
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::GB18030;

    use super::*;

    /// The text that `bytes` are read as, its encoding and whether there is a mark.
    fn read(bytes: &[u8], wanted: Option<&str>) -> (Vec<u8>, &'static str, bool) {
        /// Gives one byte at a time, as a slow pipe may.
        struct Slow(std::io::Cursor<Vec<u8>>);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let end = buffer.len().min(1);
                self.0.read(&mut buffer[..end])
            }
        }
        let wanted = wanted.map(|label| Encoding::parse(label).expect(label));
        let mut text = Text::new(Box::new(Slow(std::io::Cursor::new(bytes.to_vec()))), wanted);
        let mut all = Vec::new();
        text.read_to_end(&mut all).expect("a text");
        (all, text.encoding().name(), text.has_mark())
    }

    #[test]
    fn the_encoding_is_found_wherever_the_first_other_byte_is() {
        let chinese = "三月信用卡活动（一）,待启动\n春季回访";
        for ahead in [0, 1, 7, CHUNK - 2, CHUNK - 1, CHUNK, 2 * CHUNK + 5] {
            let whole = format!("{}{}", "a".repeat(ahead), chinese.repeat(9000));
            let (gbk, _, _) = GB18030.encode(&whole);
            assert_eq!(read(&gbk, None), (whole.clone().into(), "GB18030", false));
            assert_eq!(
                read(whole.as_bytes(), None),
                (whole.clone().into(), "UTF-8", false)
            );
            let marked = format!("\u{feff}{whole}");
            assert_eq!(
                read(marked.as_bytes(), Some("gbk")),
                (whole.clone().into(), "UTF-8", true)
            );
            for (name, of_unit) in [
                ("UTF-16LE", u16::to_le_bytes as fn(u16) -> [u8; 2]),
                ("UTF-16BE", u16::to_be_bytes),
            ] {
                let bytes: Vec<u8> = marked.encode_utf16().flat_map(of_unit).collect();
                assert_eq!(read(&bytes, None), (whole.clone().into(), name, true));
                let label = name.to_ascii_lowercase();
                let read = read(&bytes[2..], Some(&label));
                assert_eq!(read, (whole.clone().into(), name, false));
            }
        }
    }

    /// Letters of two bytes look like Chinese in GB18030, wherever the first 64 KiB of them end.
    #[test]
    fn letters_of_two_bytes_are_not_chinese() {
        for (language, letters) in [
            ("Russian", "Обзвон клиентов банка, "),
            ("Greek", "Κλήσεις πελατών, "),
            ("Arabic", "مكالمات العملاء, "),
            ("Hebrew", "שיחות ללקוחות, "),
        ] {
            for ahead in 0..4 {
                let whole = format!("{}{}", "a".repeat(ahead), letters.repeat(4_000));
                let bytes = whole.as_bytes();
                assert!(bytes.len() > CHUNK);
                assert_eq!(read(bytes, None).1, "UTF-8", "{language} {ahead}");
                // One damaged letter does not make the others Chinese.
                let mut damaged = bytes.to_vec();
                let letter = damaged
                    .iter()
                    .rposition(|byte| !byte.is_ascii())
                    .expect("a letter");
                damaged.remove(letter);
                assert_eq!(read(&damaged, None).1, "UTF-8", "{language} {ahead}");
            }
        }
    }

    #[test]
    fn few_chinese_characters_are_enough_and_accented_letters_are_not_chinese() {
        for text in ["任务ID,名称", "a,联通", "号码\n138", "，"] {
            let (gbk, _, _) = GB18030.encode(text);
            assert_eq!(read(&gbk, None), (text.into(), "GB18030", false), "{text}");
        }
        for text in [
            "Rappel client\u{e9},\u{e0} 9 h, \u{e9}t\u{e9}",
            "Stra\u{df}e, M\u{fc}nchen, gr\u{f6}\u{df}er",
        ] {
            let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(text);
            assert_eq!(read(&latin, None).1, "UTF-8", "{text}");
            let read = read(&latin, Some("windows-1252"));
            assert_eq!(read, (text.into(), "windows-1252", false));
        }
    }

    #[test]
    fn damaged_bytes_are_marked_and_leave_the_encoding() {
        let mut utf8 = "三月,活动".as_bytes().to_vec();
        utf8.extend(b"\n\xff\xfe\xb1\n");
        assert_eq!(read(&utf8, None), (utf8.clone(), "UTF-8", false));
        let read = read(b"ok,\xc8\xfd\n\xff,b", Some("gb18030"));
        assert_eq!(read.0, b"ok,\xe4\xb8\x89\n\xff,b");
        assert_eq!(read.1, "GB18030");
    }

    #[test]
    fn a_failed_read_comes_after_what_was_read_before() {
        struct Breaks(u8);
        impl Read for Breaks {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => (&b"a,b\n"[..]).read(buffer),
                    _ => Err(io::Error::other("broken")),
                }
            }
        }
        let mut text = Text::new(Box::new(Breaks(0)), None);
        let mut line = Vec::new();
        text.read_until(b'\n', &mut line).expect("the line");
        assert_eq!(line, b"a,b\n");
        assert!(text.read_until(b'\n', &mut line).is_err());
    }
}
