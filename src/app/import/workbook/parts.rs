//! Checks the parts of a workbook that is an archive, before a reader unpacks them.
//!
//! The archive may be a small file that says it is huge: the sizes of its parts, the number of its texts, and its formats,
//! each of which a reader keeps with a copy of its font. Or a sheet has rows without an end.

use std::io::{BufReader, Cursor, Read};

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use zip::ZipArchive;

use crate::{
    app::import::{field::quoted, reading::Reading, source::Limits},
    error::listed,
};

/// The first bytes of an `.xls` file, and of an encrypted one of any other kind.
pub(super) const COMPOUND_FILE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
/// The memory of a format of cells besides its texts.
const FORMAT: u64 = 1024;
/// How much more memory the formats may need than the parts.
const FORMATS: u64 = 4;

/// An archive in memory.
pub(super) type Archive<'b> = ZipArchive<Cursor<&'b [u8]>>;

/// Checks the size after decompression, and what the parts of `.xlsx` announce.
pub(super) fn check(archive: &mut Archive<'_>, limits: Limits) -> Result<(), String> {
    let (most, mut size) = (limits.unpacked_mib << 20, 0_u64);
    for index in 0..archive.len() {
        let added = match limits.is_strict {
            false => archive.by_index_raw(index).map_err(damaged)?.size(),
            true => {
                let file = archive.by_index(index).map_err(damaged)?;
                let room = most.saturating_sub(size) + 1;
                let unpacked = std::io::copy(&mut file.take(room), &mut std::io::sink());
                unpacked.map_err(damaged)?
            }
        };
        size = size.saturating_add(added);
        if size > most {
            let mib = limits.unpacked_mib;
            return Err(format!(
                "the workbook is larger than {mib} MiB when decompressed; save its sheet as CSV"
            ));
        }
        let name = archive.name_for_index(index).transpose();
        let name = name.map_err(damaged)?.unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if name.ends_with("sharedstrings.xml") {
            check_texts(archive.by_index(index).map_err(damaged)?, added)?;
        } else if name.ends_with("styles.xml") {
            check_formats(archive.by_index(index).map_err(damaged)?, most)?;
        } else if name.starts_with("xl/worksheets/") && name.ends_with(".xml") {
            check_rows(archive.by_index(index).map_err(damaged)?)?;
        }
    }
    Ok(())
}

/// The message about a workbook that cannot be read.
pub(super) fn damaged(why: impl std::fmt::Display) -> String {
    format!("the workbook is damaged: {why}")
}

/// Checks that there can be as many texts as the part with them says: a reader makes room for them.
fn check_texts(part: impl Read, size: u64) -> Result<(), String> {
    let mut xml = Reader::from_reader(BufReader::new(part));
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(damaged)? {
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "sst" => {
                let count = tag.try_get_attribute("uniqueCount").map_err(damaged)?;
                let count = count.and_then(|count| count.value.parse::<u64>().ok());
                // A text has a tag of at least five bytes.
                return match count {
                    Some(count) if count > size / 5 => {
                        Err(damaged(format!("it cannot have {count} texts")))
                    }
                    _ => Ok(()),
                };
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// Checks that the formats of cells fit into memory.
fn check_formats(part: impl Read, most: u64) -> Result<(), String> {
    let mut xml = Reader::from_reader(BufReader::new(part));
    let (mut buffer, mut count, mut longest) = (Vec::new(), 0_u64, 0_u64);
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(damaged)? {
            Event::Start(tag) | Event::Empty(tag) => {
                count += u64::from(tag.local_name().as_ref() == "xf");
                longest = longest.max(tag.len() as u64);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let needed = count.saturating_mul(FORMAT + 2 * longest);
    match needed > FORMATS * most {
        true => Err(format!(
            "the workbook has {count} formats of cells, which need too much memory; save its sheet as CSV"
        )),
        false => Ok(()),
    }
}

/// Checks that each row of a sheet ends before the next one begins. The library joins rows that have no end, so that all
/// records would be further columns of the header.
fn check_rows(part: impl Read) -> Result<(), String> {
    let mut xml = Reader::from_reader(BufReader::new(part));
    // Another element without an end loses no cell.
    xml.config_mut().check_end_names = false;
    xml.config_mut().expand_empty_elements = true;
    let (mut buffer, mut number, mut is_open) = (Vec::new(), 0_u64, false);
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) if tag.local_name().as_ref() == "row" => {
                if is_open {
                    break;
                }
                number = row_number(&tag).unwrap_or(number + 1);
                is_open = true;
            }
            Ok(Event::End(tag)) if tag.local_name().as_ref() == "row" => is_open = false,
            Ok(Event::End(tag)) if tag.local_name().as_ref() == "sheetData" => break,
            // The library reports what else is wrong.
            Ok(Event::Eof) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
    match is_open {
        true => Err(damaged(format!("row {number} has no end"))),
        false => Ok(()),
    }
}

/// The number that a row says it has.
fn row_number(tag: &BytesStart<'_>) -> Option<u64> {
    let number = tag.try_get_attribute("r").ok()??;
    number.value.parse().ok()
}

/// Why there is no sheet to read.
pub(super) fn no_sheet(names: &[String], reading: &Reading) -> String {
    match &reading.options.sheet {
        Some(wanted) => {
            let names = listed(names, |name| quoted(name));
            format!("there is no sheet {}; there are {names}", quoted(wanted))
        }
        None => "the workbook has no sheet".to_owned(),
    }
}
