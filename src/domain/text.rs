//! Characters that are invisible in a text.

/// Whether a character is white space of any script or invisible: zero-width characters, marks of the writing
/// direction, the soft hyphen and the byte order mark. Spreadsheets, web pages and address books leave them around
/// copied numbers.
pub fn is_blank(char: char) -> bool {
    char.is_whitespace() || is_invisible(char)
}

/// Whether a character is invisible and takes no space.
pub fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}
