//! The parts of a workbook around its rows (ECMA-376, parts 1 and 2).

use std::fmt::Write;

macro_rules! head {
    () => {
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
    };
}
macro_rules! main {
    () => {
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    };
}
macro_rules! package {
    () => {
        "http://schemas.openxmlformats.org/package/2006"
    };
}
macro_rules! office {
    () => {
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    };
}
macro_rules! kind {
    () => {
        "application/vnd.openxmlformats-officedocument.spreadsheetml"
    };
}

/// The relationships of the package: where the workbook is.
pub(super) const RELATIONSHIPS: &str = concat!(
    head!(),
    "<Relationships xmlns=\"",
    package!(),
    "/relationships\"><Relationship Id=\"rId1\" Type=\"",
    office!(),
    "/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
);

/// The styles of cells: 0 as usual, 1 text (so that digits which are typed into the cell stay text), 2 date and time.
pub(super) const STYLES: &str = concat!(
    head!(),
    "<styleSheet xmlns=\"",
    main!(),
    "\"><numFmts count=\"1\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/></numFmts>\
    <fonts count=\"1\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
    <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
    <borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
    <cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
    <cellXfs count=\"3\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
    <xf numFmtId=\"49\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
    <xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/></cellXfs>\
    <cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>"
);

/// The beginning of a sheet: the header stays in view, and the columns are as wide as a date.
pub(super) const SHEET_START: &str = concat!(
    head!(),
    "<worksheet xmlns=\"",
    main!(),
    "\"><sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" \
    state=\"frozen\"/></sheetView></sheetViews><cols><col min=\"1\" max=\"13\" width=\"20\" customWidth=\"1\"/></cols>\
    <sheetData>"
);
/// The end of a sheet.
pub(super) const SHEET_END: &str = "</sheetData></worksheet>";

/// The path of a sheet, from 1.
pub(super) fn sheet_path(number: u32) -> String {
    format!("xl/worksheets/sheet{number}.xml")
}

/// The workbook with this number of sheets.
pub(super) fn workbook(sheets: u32) -> String {
    let mut xml = format!(
        "{}<workbook xmlns=\"{}\" xmlns:r=\"{}\"><bookViews><workbookView/></bookViews><sheets>",
        head!(),
        main!(),
        office!()
    );
    for number in 1..=sheets {
        let name = match number {
            1 => "tasks".to_owned(),
            _ => format!("tasks {number}"),
        };
        // Writing to a string cannot fail.
        let _ = write!(
            xml,
            "<sheet name=\"{name}\" sheetId=\"{number}\" r:id=\"rId{number}\"/>"
        );
    }
    xml + "</sheets></workbook>"
}

/// The relationships of the workbook: its sheets, and its styles.
pub(super) fn workbook_relationships(sheets: u32) -> String {
    let (mut xml, office) = (
        format!(
            "{}<Relationships xmlns=\"{}/relationships\">",
            head!(),
            package!()
        ),
        office!(),
    );
    for number in 1..=sheets {
        let _ = write!(
            xml,
            "<Relationship Id=\"rId{number}\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
        );
    }
    let styles = sheets + 1;
    let _ = write!(
        xml,
        "<Relationship Id=\"rId{styles}\" Type=\"{office}/styles\" Target=\"styles.xml\"/></Relationships>"
    );
    xml
}

/// The types of all parts.
pub(super) fn content_types(sheets: u32) -> String {
    let (mut xml, kind) = (
        format!(
            "{}<Types xmlns=\"{}/content-types\"><Default Extension=\"rels\" \
            ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>",
            head!(),
            package!()
        ),
        kind!(),
    );
    let mut part = |path: &str, name: &str| {
        let _ = write!(
            xml,
            "<Override PartName=\"/{path}\" ContentType=\"{kind}.{name}+xml\"/>"
        );
    };
    part("xl/workbook.xml", "sheet.main");
    part("xl/styles.xml", "styles");
    for number in 1..=sheets {
        part(&sheet_path(number), "worksheet");
    }
    xml + "</Types>"
}

/// Appends a text as the content of an XML element. Characters that XML does not have, and CR, which XML parsers
/// change, are written as `_x000D_`; a text that looks like that gets `_x005F_` for its `_` (part 1, 22.4.2.4).
pub(super) fn push_escaped(text: &str, xml: &mut String) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '_' if is_escape(&text[at..]) => xml.push_str("_x005F_"),
            '\t' | '\n' => xml.push(c),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(xml, "_x{:04X}_", u32::from(c));
            }
            c => xml.push(c),
        }
    }
}

/// Whether a text begins like an escaped character, whatever follows the digits: that could be an escape itself.
fn is_escape(text: &str) -> bool {
    let digits = text
        .strip_prefix("_x")
        .and_then(|rest| rest.as_bytes().get(..4));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}
