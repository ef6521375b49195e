//! Bounds the memory of an `.xls` file before a library reads it.
//!
//! Such a file is a compound file ([MS-CFB]), whose stream `Workbook` has a list of records ([MS-XLS]): the globals, with all
//! shared texts, and then the cells of each sheet. The library makes a table of all cells of each sheet when it opens the
//! file, with a copy of its text in each cell. So the size of these tables is computed first, and what else could mislead
//! the library is overwritten: the announced sizes of the sheets, and formulas. It then gets the stream in a new compound file.

use super::parts::{COMPOUND_FILE, damaged};

/// The memory of a cell in a table besides its text, and that of a formula.
const CELL: u64 = 24;
const FORMULA: u64 = 100;

/// Types of records.
const BOF: u16 = 0x0809;
const END: u16 = 0x000A;
const BOUND_SHEET: u16 = 0x0085;
const CODE_PAGE: u16 = 0x0042;
const CONTINUE: u16 = 0x003C;
const DIMENSIONS: u16 = 0x0200;
const EXTERN_SHEET: u16 = 0x0017;
const FORMULA_CELL: u16 = 0x0006;
const LABEL_SHARED: u16 = 0x00FD;
const NAME: u16 = 0x0018;
const NUMBERS: u16 = 0x00BD;
const TEXTS: u16 = 0x00FC;
/// Cells of one value: number, label, label with formats, boolean or error, short number.
const CELLS: [u16; 5] = [0x0203, 0x0204, 0x00D6, 0x0205, 0x027E];
/// The text of the formula before it.
const TEXT: u16 = 0x0207;
/// A record that the library ignores.
const IGNORED: u16 = 0;
/// The code page of texts in UTF-16.
const UTF_16: u16 = 1200;

/// The same workbook as a compound file that is well-formed, if its tables need at most `most` bytes.
pub(super) fn checked(file: &[u8], most: u64) -> Result<Vec<u8>, String> {
    let stream = stream(file).ok_or_else(|| damaged("its sectors contradict each other"));
    let mut stream = stream?;
    let needed = check(&mut stream).ok_or_else(|| damaged("its records contradict each other"))?;
    if needed > most {
        let mib = most >> 20;
        return Err(format!(
            "the cells of the sheets, with the empty ones between them, need more than {mib} MiB; save the sheet as CSV"
        ));
    }
    compound(&stream).ok_or_else(|| damaged("it is too large"))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// The last sector of a chain.
const CHAIN_END: u32 = 0xFFFF_FFFE;
/// The sector numbers from here on are no sectors.
const NO_SECTOR: u32 = 0xFFFF_FFFA;
/// Shorter streams are in small sectors.
const SMALL_STREAM: usize = 4096;
const SMALL_SECTOR: usize = 64;

/// The sectors of a part of a compound file.
struct Sectors<'b> {
    bytes: &'b [u8],
    size: usize,
    /// The number of the next sector after each one.
    next: Vec<u32>,
}

impl Sectors<'_> {
    fn get(&self, sector: u32) -> Option<&[u8]> {
        let from = usize::try_from(sector).ok()?.checked_mul(self.size)?;
        let to = from.checked_add(self.size)?.min(self.bytes.len());
        self.bytes.get(from..to)
    }

    /// The first `length` bytes of a chain of sectors, or all.
    fn chain(&self, first: u32, length: usize) -> Option<Vec<u8>> {
        let (mut chain, mut sector) = (Vec::new(), first);
        // A chain that is a circle is longer than all sectors.
        while sector < NO_SECTOR && chain.len() < length {
            chain.extend_from_slice(self.get(sector)?);
            if chain.len() > self.bytes.len() {
                return None;
            }
            sector = *self.next.get(sector as usize)?;
        }
        chain.truncate(length);
        Some(chain)
    }
}

/// The stream of a workbook in a compound file.
fn stream(file: &[u8]) -> Option<Vec<u8>> {
    let size = match half(file, 30)? {
        9 => 512,
        12 => 4096,
        _ => return None,
    };
    let mut sectors = Sectors {
        bytes: file.get(size..)?,
        size,
        next: Vec::new(),
    };
    let mut tables: Vec<u32> = words(file.get(76..512)?);
    let mut more = word(file, 68)?;
    while more < NO_SECTOR {
        let mut further = words(sectors.get(more)?);
        more = further.pop()?;
        tables.extend(further);
        if tables.len() > file.len() {
            return None;
        }
    }
    for table in tables.into_iter().filter(|table| *table < NO_SECTOR) {
        let next = words(sectors.get(table)?);
        sectors.next.extend(next);
        if sectors.next.len() > file.len() {
            return None;
        }
    }
    let directory = sectors.chain(word(file, 48)?, usize::MAX)?;
    let entries = directory.chunks_exact(128);
    let named = |name: &str| entries.clone().find(|entry| is_named(entry, name));
    let entry = named("Workbook").or_else(|| named("Book"))?;
    let (first, length) = (word(entry, 116)?, word(entry, 120)? as usize);
    if length >= SMALL_STREAM {
        return sectors.chain(first, length);
    }
    let root = entries.clone().next()?;
    let small = sectors.chain(word(root, 116)?, word(root, 120)? as usize)?;
    let small = Sectors {
        bytes: &small,
        size: SMALL_SECTOR,
        next: words(&sectors.chain(word(file, 60)?, usize::MAX)?),
    };
    small.chain(first, length)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.chunks_exact(4);
    words
        .filter_map(|word| Some(u32::from_le_bytes(word.try_into().ok()?)))
        .collect()
}

/// Whether an entry of a directory has this name, which ends with NUL.
fn is_named(entry: &[u8], name: &str) -> bool {
    let units = entry[..64].chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let found = String::from_utf16_lossy(&units.take_while(|unit| *unit != 0).collect::<Vec<_>>());
    found.eq_ignore_ascii_case(name)
}

/// A compound file with sectors of 4 KiB that has only this stream.
fn compound(stream: &[u8]) -> Option<Vec<u8>> {
    const SIZE: usize = 4096;
    let count = stream.len().div_ceil(SIZE).max(1);
    // The tables have an entry for each sector, also for themselves and the directory.
    let tables = (count + 1).div_ceil(SIZE / 4 - 1);
    if tables > 109 {
        return None;
    }
    let number = |sector: usize| (sector as u32).to_le_bytes();
    let mut file = vec![0; SIZE];
    file[..8].copy_from_slice(COMPOUND_FILE);
    file[24..34].copy_from_slice(&[0x3E, 0, 4, 0, 0xFE, 0xFF, 12, 0, 6, 0]);
    file[44..48].copy_from_slice(&number(tables));
    file[48..52].copy_from_slice(&number(tables));
    file[56..60].copy_from_slice(&number(SMALL_STREAM));
    file[60..64].copy_from_slice(&CHAIN_END.to_le_bytes());
    file[68..72].copy_from_slice(&CHAIN_END.to_le_bytes());
    file[76..512].fill(0xFF);
    for table in 0..tables {
        file[76 + 4 * table..][..4].copy_from_slice(&number(table));
        // A sector of a table.
        file.extend_from_slice(&0xFFFF_FFFD_u32.to_le_bytes());
    }
    file.extend_from_slice(&CHAIN_END.to_le_bytes());
    let first = tables + 1;
    for sector in first + 1..first + count {
        file.extend_from_slice(&number(sector));
    }
    file.extend_from_slice(&CHAIN_END.to_le_bytes());
    file.resize(SIZE * (tables + 1), 0xFF);
    for (name, kind, start, length) in [
        ("Root Entry", 5, 0, 0),
        ("Workbook", 2, first, count * SIZE),
    ] {
        let mut entry = [0; 128];
        for (at, unit) in name.encode_utf16().enumerate() {
            entry[2 * at..][..2].copy_from_slice(&unit.to_le_bytes());
        }
        entry[64] = 2 * (name.len() as u8 + 1);
        entry[66] = kind;
        entry[68..80].fill(0xFF);
        entry[116..120].copy_from_slice(&number(start));
        entry[120..124].copy_from_slice(&number(length));
        file.extend_from_slice(&entry);
    }
    file.resize(SIZE * (first + 1), 0);
    file.extend_from_slice(stream);
    file.resize(SIZE * (first + 1 + count), 0);
    Some(file)
}

/// A record: its type, and where its bytes are.
struct Record {
    kind: u16,
    start: usize,
    end: usize,
}

/// The record at a position.
fn record(stream: &[u8], at: usize) -> Option<Record> {
    let (kind, length) = (half(stream, at)?, half(stream, at + 2)? as usize);
    let (start, end) = (at + 4, at + 4 + length);
    (end <= stream.len()).then_some(Record { kind, start, end })
}

/// Computes the memory of all tables, and overwrites what could mislead the library.
fn check(stream: &mut [u8]) -> Option<u64> {
    let (mut at, mut sheets, mut texts, mut code_page) = (0, Vec::new(), Vec::new(), None);
    loop {
        let found = record(stream, at)?;
        match found.kind {
            END => break,
            BOUND_SHEET => sheets.push(word(stream, found.start)? as usize),
            CODE_PAGE => code_page = Some(found.start),
            NAME | EXTERN_SHEET => ignore(stream, at),
            TEXTS => texts = lengths(stream, &found)?,
            _ => {}
        }
        at = found.end;
    }
    // Shared texts are always in UTF-16.
    if let (Some(code_page), false) = (code_page, texts.is_empty()) {
        stream
            .get_mut(code_page..code_page + 2)?
            .copy_from_slice(&UTF_16.to_le_bytes());
    }
    sheets.sort_unstable();
    let mut needed = 0_u64;
    for sheet in sheets {
        // Sheets do not overlap each other or the globals.
        if sheet <= at {
            return None;
        }
        let (table, end) = check_sheet(stream, sheet, &texts)?;
        needed = needed.saturating_add(table);
        at = end;
    }
    // The table of the sheet that is read is copied.
    Some(2 * needed)
}

/// The memory of the table of a sheet, and the position of its last record.
fn check_sheet(stream: &mut [u8], from: usize, texts: &[u16]) -> Option<(u64, usize)> {
    let (mut at, mut depth, mut is_begun) = (from, 0_u32, false);
    let (mut rows, mut columns) = (Bounds::default(), Bounds::default());
    let (mut formulas, mut bytes) = (0_u64, 0_u64);
    while at < stream.len() {
        let found = record(stream, at)?;
        let Record { kind, start, end } = found;
        let mut cell = |last: usize| {
            rows.add(half(stream, start)?);
            columns.add(half(stream, start + 2)?);
            columns.add(half(stream, last)?);
            Some(())
        };
        match kind {
            BOF if !is_begun => is_begun = true,
            // An embedded chart, whose records the library skips.
            BOF => depth += 1,
            END if depth == 0 => break,
            END => depth -= 1,
            _ if depth > 0 => {}
            DIMENSIONS => ignore(stream, at),
            kind if CELLS.contains(&kind) => {
                cell(start + 2)?;
                bytes += 3 * (end - start) as u64;
            }
            TEXT => bytes += 3 * (end - start) as u64,
            LABEL_SHARED => {
                cell(start + 2)?;
                let text = texts.get(word(stream, start + 6)? as usize);
                bytes += 3 * u64::from(text.copied().unwrap_or_default());
            }
            NUMBERS => cell(end.checked_sub(2).filter(|last| *last >= start + 4)?)?,
            FORMULA_CELL => {
                cell(start + 2)?;
                formulas += 1;
                // The length of the formula.
                stream.get_mut(start + 20..start + 22)?.fill(0);
            }
            _ => {}
        }
        at = end;
    }
    let cells = rows.length() * columns.length();
    let tables = if formulas > 0 { 2 } else { 1 };
    Some((cells * CELL * tables + formulas * FORMULA + bytes, at))
}

/// The first and the last row or column with a cell.
#[derive(Default)]
struct Bounds(Option<(u16, u16)>);

impl Bounds {
    fn add(&mut self, at: u16) {
        let (first, last) = self.0.unwrap_or((at, at));
        self.0 = Some((first.min(at), last.max(at)));
    }

    fn length(&self) -> u64 {
        self.0
            .map_or(0, |(first, last)| u64::from(last - first) + 1)
    }
}

/// Gives a record a type that the library ignores.
fn ignore(stream: &mut [u8], at: usize) {
    stream[at..at + 2].copy_from_slice(&IGNORED.to_le_bytes());
}

/// The lengths of the shared texts in UTF-16 units. They go on in the records after the first.
fn lengths(stream: &[u8], first: &Record) -> Option<Vec<u16>> {
    let mut parts = vec![stream.get(first.start + 8..first.end)?];
    let mut at = first.end;
    while let Some(next) = record(stream, at).filter(|next| next.kind == CONTINUE) {
        parts.push(&stream[next.start..next.end]);
        at = next.end;
    }
    let mut parts = parts.into_iter();
    let (mut part, mut lengths) = (parts.next()?, Vec::new());
    loop {
        if part.is_empty() {
            let Some(next) = parts.next() else {
                return Some(lengths);
            };
            part = next;
        }
        if part.is_empty() {
            // The library takes it for a text.
            lengths.push(0);
            continue;
        }
        let (length, flags) = (half(part, 0)?, *part.get(2)?);
        lengths.push(length);
        part = &part[3..];
        let mut skipped = 0_usize;
        if flags & 8 != 0 {
            skipped += 4 * half(part, 0)? as usize;
            part = part.get(2..)?;
        }
        if flags & 4 != 0 {
            skipped += word(part, 0)? as usize;
            part = part.get(4..)?;
        }
        let (mut left, mut is_wide) = (length as usize, flags & 1 != 0);
        while left > 0 {
            let width = if is_wide { 2 } else { 1 };
            let here = left.min(part.len() / width);
            part = &part[here * width..];
            left -= here;
            if left > 0 {
                // A text goes on with flags of its own.
                part = parts.next()?;
                is_wide = part.first()? & 1 != 0;
                part = &part[1..];
            }
        }
        while skipped > 0 {
            if part.is_empty() {
                part = parts.next()?;
            }
            let here = skipped.min(part.len());
            part = &part[here..];
            skipped -= here;
        }
    }
}
