//! The character between the cells of a CSV file.

/// The character between the cells of a CSV file: one ASCII character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiter(u8);

impl Delimiter {
    /// The delimiters that are detected, the usual one first.
    pub(super) const DETECTED: [Self; 4] = [Self(b','), Self(b';'), Self(b'\t'), Self(b'|')];

    /// Reads one ASCII character, or `tab`. Letters, digits, quotes, blanks and line ends are refused.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "must be , ; | tab or another ASCII punctuation character".to_owned();
        match text.as_bytes() {
            b"tab" | b"\\t" | b"\t" => Ok(Self(b'\t')),
            [byte] if byte.is_ascii_punctuation() && !matches!(byte, b'"' | b'\'') => {
                Ok(Self(*byte))
            }
            _ => Err(wrong()),
        }
    }

    /// The ASCII character.
    pub(super) fn byte(self) -> u8 {
        self.0
    }

    /// The name in reports.
    pub fn name(self) -> String {
        match self.0 {
            b'\t' => "tab".to_owned(),
            byte => char::from(byte).to_string(),
        }
    }
}

impl Default for Delimiter {
    fn default() -> Self {
        Self(b',')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_ascii_punctuation() {
        for (text, name) in [
            (",", ","),
            (";", ";"),
            ("|", "|"),
            ("tab", "tab"),
            ("\t", "tab"),
            ("^", "^"),
        ] {
            assert_eq!(Delimiter::parse(text).map(Delimiter::name), Ok(name.into()));
        }
        for text in ["", "a", "1", "\"", " ", "；", ",,", "\n"] {
            assert!(Delimiter::parse(text).is_err(), "{text}");
        }
    }
}
