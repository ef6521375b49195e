//! Sizes in bytes, as settings have them.

/// Parses a size in bytes above zero, such as `64MiB`, `512KiB` or `4096`.
pub fn bytes(text: &str) -> Result<usize, String> {
    let needed = "a whole number above 0 with an optional unit B, KiB, MiB or GiB, such as 64MiB";
    let size = size(text).filter(|size| *size > 0);
    size.ok_or_else(|| format!("must be {needed}"))
}

/// Parses a size in bytes that may be zero.
pub fn bytes_or_zero(text: &str) -> Result<usize, String> {
    let needed = "0, or a whole number with an optional unit B, KiB, MiB or GiB, such as 64MiB";
    size(text).ok_or_else(|| format!("must be {needed}"))
}

fn size(text: &str) -> Option<usize> {
    let units = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("B", 1),
    ];
    let unit = units
        .iter()
        .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let number = number.trim_end().parse::<usize>().ok()?;
    number.checked_mul(unit)
}
