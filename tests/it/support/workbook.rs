//! Workbooks, written by hand as XML in an archive.

use std::io::{Cursor, Write};

use zip::{ZipWriter, write::SimpleFileOptions};

/// A cell as XML says it.
pub enum Cell<'a> {
    Text(&'a str),
    Number(&'a str),
    /// A serial number in a format of dates with times.
    Time(&'a str),
    /// A serial number in a format of dates.
    Date(&'a str),
    /// A number in a format of percentages.
    Percent(&'a str),
    Error(&'a str),
    Empty,
}

/// An `.xlsx` workbook with a sheet `notes` and a sheet `tasks`.
pub fn workbook(rows: &[Vec<Cell<'_>>]) -> Vec<u8> {
    let mut sheet = String::new();
    for (at, row) in rows.iter().enumerate() {
        sheet += &format!("<row r=\"{}\">", at + 1);
        for (column, cell) in row.iter().enumerate() {
            let place = format!("{}{}", char::from(b'A' + column as u8), at + 1);
            sheet += &match cell {
                Cell::Text(text) => {
                    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
                }
                Cell::Number(number) => format!("<c r=\"{place}\"><v>{number}</v></c>"),
                Cell::Time(number) => format!("<c r=\"{place}\" s=\"1\"><v>{number}</v></c>"),
                Cell::Date(number) => format!("<c r=\"{place}\" s=\"2\"><v>{number}</v></c>"),
                Cell::Percent(number) => format!("<c r=\"{place}\" s=\"3\"><v>{number}</v></c>"),
                Cell::Error(error) => format!("<c r=\"{place}\" t=\"e\"><v>{error}</v></c>"),
                Cell::Empty => format!("<c r=\"{place}\" s=\"1\"/>"),
            };
        }
        sheet += "</row>";
    }
    Parts::default().workbook(&sheet)
}

/// What a workbook has besides its cells.
#[derive(Default)]
pub struct Parts<'a> {
    pub is_1904: bool,
    /// The part with shared texts.
    pub texts: &'a str,
    /// Further formats of cells.
    pub formats: &'a str,
}

impl Parts<'_> {
    /// An `.xlsx` workbook whose sheet `tasks` has these rows.
    pub fn workbook(&self, rows: &str) -> Vec<u8> {
        xlsx(rows, self)
    }
}

fn xlsx(sheet: &str, parts: &Parts<'_>) -> Vec<u8> {
    let Parts {
        is_1904,
        texts,
        formats,
    } = *parts;
    let head = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#;
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006";
    let types = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let worksheet = |rows: &str| {
        format!("{head}<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>")
    };
    let parts = [
        (
            "[Content_Types].xml",
            format!(
                "{head}<Types xmlns=\"{package}/content-types\"><Default Extension=\"rels\" \
            ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
            <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
            <Override PartName=\"/xl/workbook.xml\" ContentType=\"{types}.sheet.main+xml\"/></Types>"
            ),
        ),
        (
            "_rels/.rels",
            format!(
                "{head}<Relationships xmlns=\"{package}/relationships\"><Relationship Id=\"r1\" \
            Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "{head}<workbook xmlns=\"{main}\" xmlns:r=\"{office}\">\
            <workbookPr date1904=\"{is_1904}\"/><sheets>\
            <sheet name=\"notes\" sheetId=\"1\" r:id=\"s1\"/><sheet name=\"tasks\" sheetId=\"2\" r:id=\"s2\"/>\
            </sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "{head}<Relationships xmlns=\"{package}/relationships\">\
            <Relationship Id=\"s1\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
            <Relationship Id=\"s2\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet2.xml\"/>\
            <Relationship Id=\"st\" Type=\"{office}/styles\" Target=\"styles.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "{head}<styleSheet xmlns=\"{main}\"><cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/>\
            <xf numFmtId=\"14\"/><xf numFmtId=\"9\"/>{formats}</cellXfs></styleSheet>"
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            worksheet("<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>colour</t></is></c></row>"),
        ),
        ("xl/worksheets/sheet2.xml", worksheet(sheet)),
        (
            "xl/sharedStrings.xml",
            match texts {
                "" => format!("{head}<sst xmlns=\"{main}\"/>"),
                texts => format!("{head}{texts}"),
            },
        ),
    ];
    archive(&parts)
}

/// An `.ods` file with a sheet of these rows.
pub fn ods(rows: &str) -> Vec<u8> {
    let head = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    let spaces = ["office", "table", "text"]
        .map(|name| format!("xmlns:{name}=\"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0\""));
    let spaces = spaces.join(" ");
    archive(&[
        (
            "mimetype",
            "application/vnd.oasis.opendocument.spreadsheet".to_owned(),
        ),
        (
            "META-INF/manifest.xml",
            format!(
                "{head}<manifest:manifest xmlns:manifest=\"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0\"/>"
            ),
        ),
        (
            "content.xml",
            format!(
                "{head}<office:document-content {spaces}><office:body><office:spreadsheet>\
            <table:table table:name=\"tasks\">{rows}</table:table>\
            </office:spreadsheet></office:body></office:document-content>"
            ),
        ),
    ])
}

/// An `.xls` file with a sheet of these records, each with its type.
pub fn xls(records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let record = |kind: u16, bytes: &[u8]| {
        let head = [kind.to_le_bytes(), (bytes.len() as u16).to_le_bytes()].concat();
        [&head, bytes].concat()
    };
    let begin = record(0x0809, &[0, 6, 0x10, 0, 0, 0, 0, 0]);
    let end = record(0x000A, &[]);
    let sheet = |at: u32| {
        let bytes = [&at.to_le_bytes(), &[0, 0, 1, 0, b's'][..]].concat();
        record(0x0085, &bytes)
    };
    let at = begin.len() + sheet(0).len() + end.len();
    let mut stream = [&begin[..], &sheet(at as u32), &end, &begin].concat();
    for (kind, bytes) in records {
        stream.extend(record(*kind, bytes));
    }
    stream.extend(end);
    stream.resize(stream.len().next_multiple_of(512).max(4096), 0);
    let count = (stream.len() / 512) as u32;
    let mut file = vec![0_u8; 512];
    file[..8].copy_from_slice(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
    (file[26], file[30], file[32], file[44], file[48]) = (3, 9, 6, 1, 1);
    for at in [60, 68] {
        file[at..at + 4].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
    }
    file[80..512].fill(0xFF);
    // The table of sectors, the directory, and the stream.
    let mut next: Vec<u32> = vec![0xFFFF_FFFD, 0xFFFF_FFFE];
    next.extend((3..2 + count).chain([0xFFFF_FFFE]));
    next.resize(128, 0xFFFF_FFFF);
    file.extend(next.into_iter().flat_map(u32::to_le_bytes));
    for (name, kind, start, length) in [("Root Entry", 5, 0, 0), ("Workbook", 2, 2, stream.len())] {
        let mut entry = [0_u8; 128];
        for (at, unit) in name.encode_utf16().enumerate() {
            entry[2 * at..][..2].copy_from_slice(&unit.to_le_bytes());
        }
        entry[66] = kind;
        entry[116..120].copy_from_slice(&u32::to_le_bytes(start));
        entry[120..124].copy_from_slice(&(length as u32).to_le_bytes());
        file.extend(entry);
    }
    file.resize(512 * 3, 0);
    file.extend(stream);
    file
}

fn archive(parts: &[(&str, String)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
