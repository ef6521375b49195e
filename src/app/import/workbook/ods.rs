//! Reads a sheet of an `.ods` file (OpenDocument 1.3, part 3): `content.xml` in its archive, row by row.
//!
//! It is our own reader, because a library makes a table of all cells when it opens the file, and one cell of a few bytes
//! can stand for 17 billion (`number-rows-repeated`, `number-columns-repeated`).

use std::io::{BufRead, BufReader};

use calamine::Data;
use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
};

use super::{
    cell::percentage,
    parts::{Archive, damaged, no_sheet},
    rows::{Rows, borrowed},
};
use crate::app::import::{batches::Halt, reading::Reading, table::Table};

/// A cell that was read: its value, and for how many cells of the row it stands.
type Repeated = (Data, u32);

/// Whether the file is encrypted.
pub(super) fn is_encrypted(archive: &mut Archive<'_>) -> bool {
    let Ok(manifest) = archive.by_name("META-INF/manifest.xml") else {
        return false;
    };
    let mut xml = Reader::from_reader(BufReader::new(manifest));
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) if tag.local_name().as_ref() == "encryption-data" => return true,
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Reads the sheet that the options name, or the first.
pub(super) fn read<T: Table>(
    archive: &mut Archive<'_>,
    reading: &Reading,
    rows: &mut Rows<'_, T>,
) -> Result<(), Halt> {
    let content = archive.by_name("content.xml");
    let content = content.map_err(|error| rows.batches.broken(1, damaged(error)))?;
    let mut sheets = Sheets {
        xml: Reader::from_reader(BufReader::new(content)),
        buffer: Vec::new(),
    };
    sheets.xml.config_mut().expand_empty_elements = true;
    let mut names = Vec::new();
    loop {
        let next = sheets.next_sheet();
        let name = match next.map_err(|what| rows.batches.broken(1, what))? {
            Some(name) => name,
            None => break,
        };
        match &reading.options.sheet {
            Some(wanted) if *wanted != name => names.push(name),
            _ => {
                reading.sheet.replace(Some(name));
                return sheets.rows(rows);
            }
        }
    }
    let what = no_sheet(&names, reading);
    Err(rows.batches.broken(1, what))
}

/// The sheets of a document.
struct Sheets<R> {
    xml: Reader<R>,
    buffer: Vec<u8>,
}

impl<R: BufRead> Sheets<R> {
    fn event(&mut self) -> Result<Event<'_>, String> {
        self.buffer.clear();
        self.xml.read_event_into(&mut self.buffer).map_err(damaged)
    }

    /// Goes to the beginning of the next sheet, and returns its name.
    fn next_sheet(&mut self) -> Result<Option<String>, String> {
        loop {
            match self.event()? {
                Event::Start(tag) if tag.name().as_ref() == "table:table" => {
                    return Ok(Some(attribute(&tag, "table:name")?.unwrap_or_default()));
                }
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// Reads the rows of a sheet.
    fn rows<T: Table>(&mut self, rows: &mut Rows<'_, T>) -> Result<(), Halt> {
        let mut number = 0_u32;
        loop {
            let next = self.next_row();
            let next = next.map_err(|what| rows.batches.broken(u64::from(number) + 1, what))?;
            let Some(times) = next else { return Ok(()) };
            let mut column = 0_u32;
            loop {
                let next = self.next_cell(rows.batches.limits.record);
                let next = next.map_err(|what| rows.batches.broken(u64::from(number) + 1, what))?;
                let Some((value, repeated)) = next else { break };
                // Empty cells are left out, also if they are repeated up to the last column.
                if !matches!(value, Data::Empty) {
                    for column in column..column.saturating_add(repeated) {
                        rows.cell((number, column), borrowed(&value))?;
                    }
                }
                column = column.saturating_add(repeated);
            }
            rows.end_row(times)?;
            number = number.saturating_add(times);
        }
    }

    /// Goes to the beginning of the next row, and returns how often it is in the sheet; `None` at the sheet's end.
    fn next_row(&mut self) -> Result<Option<u32>, String> {
        loop {
            match self.event()? {
                Event::Start(tag) if tag.name().as_ref() == "table:table-row" => {
                    return repeated(&tag, "table:number-rows-repeated").map(Some);
                }
                Event::End(tag) if tag.name().as_ref() == "table:table" => return Ok(None),
                Event::Eof => return Err(damaged("the sheet has no end")),
                _ => {}
            }
        }
    }

    /// Reads the next cell of a row, whose text has at most `most` bytes; `None` at the row's end.
    fn next_cell(&mut self, most: usize) -> Result<Option<Repeated>, String> {
        let (kind, repeated) = loop {
            match self.event()? {
                Event::Start(tag) if is_cell(tag.name().as_ref()) => {
                    let repeated = repeated(&tag, "table:number-columns-repeated")?;
                    break (Kind::of(&tag)?, repeated);
                }
                Event::End(tag) if tag.name().as_ref() == "table:table-row" => return Ok(None),
                Event::Eof => return Err(damaged("the row has no end")),
                _ => {}
            }
        };
        let text = self.text(most)?;
        let value = match kind {
            Kind::Value(value) => value,
            Kind::Error => Data::String(text),
            Kind::Text if text.is_empty() => Data::Empty,
            Kind::Text => Data::String(text),
        };
        Ok(Some((value, repeated)))
    }

    /// The text of a cell up to its end: its paragraphs, without comments.
    fn text(&mut self, most: usize) -> Result<String, String> {
        let (mut text, mut has_paragraph, mut depth) = (String::new(), false, 0_u32);
        // How many open elements are a comment, or in one.
        let mut hidden = 0_u32;
        loop {
            match self.event()? {
                Event::Start(tag) => {
                    depth += 1;
                    match tag.name().as_ref() {
                        _ if hidden > 0 => hidden += 1,
                        "office:annotation" => hidden = 1,
                        "text:p" => {
                            text.push_str(if has_paragraph { "\n" } else { "" });
                            has_paragraph = true;
                        }
                        "text:s" => {
                            let count = repeated_of(&tag, "text:c")? as usize;
                            text.extend(std::iter::repeat_n(' ', count.min(most + 1)));
                        }
                        "text:tab" => text.push('\t'),
                        "text:line-break" => text.push('\n'),
                        _ => {}
                    }
                }
                Event::End(_) if depth == 0 => return Ok(text),
                Event::End(_) => {
                    depth -= 1;
                    hidden = hidden.saturating_sub(1);
                }
                Event::Text(part) if has_paragraph && hidden == 0 => {
                    text.push_str(&part.xml10_content());
                }
                Event::CData(part) if has_paragraph && hidden == 0 => text.push_str(&part),
                Event::GeneralRef(entity) if has_paragraph && hidden == 0 => {
                    add_entity(&entity, &mut text)?;
                }
                Event::Eof => return Err(damaged("the cell has no end")),
                _ => {}
            }
            if text.len() > most {
                return Err(format!("a cell has more than {most} bytes"));
            }
        }
    }
}

/// What a cell says about its value.
enum Kind {
    Value(Data),
    /// The value is the text of its paragraphs.
    Text,
    /// A formula that failed, whose message is the text.
    Error,
}

impl Kind {
    fn of(tag: &BytesStart<'_>) -> Result<Self, String> {
        if attribute(tag, "calcext:value-type")?.as_deref() == Some("error") {
            return Ok(Self::Error);
        }
        let named = |name| attribute(tag, name);
        let kind = named("office:value-type")?;
        let number = || -> Result<Option<f64>, String> {
            let value = named("office:value")?;
            let number = value.map(|value| value.parse::<f64>()).transpose();
            number.map_err(damaged)
        };
        let value = match kind.as_deref().unwrap_or_default() {
            "percentage" => number()?.map(|number| Data::String(percentage(number))),
            "float" | "currency" => number()?.map(Data::Float),
            "date" => named("office:date-value")?.map(Data::DateTimeIso),
            "time" => named("office:time-value")?.map(Data::DurationIso),
            "boolean" => named("office:boolean-value")?
                .map(|value| Data::Bool(value.eq_ignore_ascii_case("true"))),
            _ => match named("office:string-value")? {
                Some(text) if text.is_empty() => Some(Data::Empty),
                text => text.map(Data::String),
            },
        };
        Ok(value.map_or(Self::Text, Self::Value))
    }
}

fn is_cell(name: &str) -> bool {
    matches!(name, "table:table-cell" | "table:covered-table-cell")
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = tag.try_get_attribute(name).map_err(damaged)?;
    let value = found.map(|found| {
        let value = found.normalized_value(XmlVersion::Implicit1_0);
        value.map(|value| value.into_owned())
    });
    value.transpose().map_err(damaged)
}

/// How often a row or a cell is in the sheet.
fn repeated(tag: &BytesStart<'_>, name: &str) -> Result<u32, String> {
    match repeated_of(tag, name)? {
        0 => Err(damaged(format!("{name} is 0"))),
        count => Ok(count),
    }
}

/// A number of repetitions; 1 if there is none.
fn repeated_of(tag: &BytesStart<'_>, name: &str) -> Result<u32, String> {
    match attribute(tag, name)? {
        None => Ok(1),
        Some(count) => count.parse().map_err(damaged),
    }
}

/// Adds the character that `&name;` or `&#13;` stands for.
fn add_entity(entity: &BytesRef<'_>, text: &mut String) -> Result<(), String> {
    match resolve_predefined_entity(entity) {
        Some(known) => text.push_str(known),
        None => match entity.resolve_char_ref().map_err(damaged)? {
            Some(char) => text.push(char),
            None => return Err(damaged(format!("&{}; is not known", &**entity))),
        },
    }
    Ok(())
}
