//! Writes tasks as CSV in the form that an import reads.

use std::{fmt::Write, sync::LazyLock};

use super::{
    format::FileForm,
    record::{json_text, labels_text, results_json},
};
use crate::{
    app::cell::{guarded, is_exponent, needs_quotes},
    domain::{
        export::ExportedTask,
        fields::{FieldValue, TaskField, TaskFields},
        words::Word,
    },
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// The options of the rows.
#[derive(Debug)]
pub(super) struct Csv {
    pub(super) form: FileForm,
    /// Whether a last column contains the call results of the targets.
    pub(super) results: bool,
}

/// The column of the call results.
pub(super) const RESULTS: &str = "target_results";

/// The exported fields that earlier services did not have, the newest first.
const ADDED: [TaskField; 2] = [TaskField::CopiedFrom, TaskField::Labels];

/// The header rows without and with the call results: those of this service first, and then those of earlier ones. The
/// nine fields of the specification come first.
static HEADERS: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| {
    let services = (0..=ADDED.len()).map(|newer| &ADDED[..newer]);
    let headers = services.map(|newer| {
        let fields = TaskFields::EXPORTED.iter();
        let fields = fields.filter(|field| !newer.contains(field));
        let fields: Vec<&str> = fields.map(TaskField::word).collect();
        let fields = fields.join(",");
        [format!("{fields}\n"), format!("{fields},{RESULTS}\n")]
    });
    headers.collect()
});

/// Whether a line is exactly the header of an export. Excel would end it with CRLF; LibreOffice saves it unchanged, so the
/// numbers below it may be rounded.
pub(in crate::app) fn is_header(line: &[u8]) -> bool {
    let mut headers = HEADERS.iter().flatten();
    headers.any(|header| header.as_bytes() == line)
}

impl Csv {
    /// The header row, including its line end.
    pub(super) fn header(&self) -> &'static str {
        &HEADERS[0][usize::from(self.results)]
    }

    /// Appends the row of a task. FAILED_PRECONDITION if a customer id contains the separator of the targets.
    pub(super) fn row(&self, exported: &ExportedTask, out: &mut String) -> Result<()> {
        check_separator(exported)?;
        let ExportedTask { task, results } = exported;
        for (column, field) in TaskFields::EXPORTED.iter().enumerate() {
            if column > 0 {
                out.push(',');
            }
            self.value(task.value(field), out);
        }
        if self.results {
            out.push(',');
            if !results.is_empty() {
                cell(&results_json(results), out);
            }
        }
        out.push('\n');
        Ok(())
    }

    /// Appends the cell of a value.
    fn value(&self, value: FieldValue<'_>, out: &mut String) {
        match value {
            FieldValue::Word(word) => cell(&word, out),
            FieldValue::Words(words) => cell(&words.join(";"), out),
            FieldValue::Text(text) => cell(text, out),
            FieldValue::Ids(ids) => cell(&ids.join(";"), out),
            FieldValue::Time(at) => out.push_str(&self.form.text(at)),
            FieldValue::Number(number) | FieldValue::Percent(number) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "{number}");
            }
            FieldValue::Counts(counts) => cell(&json_text(&counts), out),
            FieldValue::Labels(labels) => cell(&labels_text(&labels), out),
            FieldValue::Absent => {}
        }
    }
}

/// FAILED_PRECONDITION if a customer id contains the character that separates customer ids in a cell.
pub(super) fn check_separator(exported: &ExportedTask) -> Result<()> {
    let task = &exported.task;
    let Some(customer) = task.target.iter().find(|c| c.contains(';')) else {
        return Ok(());
    };
    let task_id = &task.task_id;
    let what = format!(
        "the customer id {customer:?} of task {task_id:?} contains the ; that separates customer ids in CSV; \
        export as ndjson"
    );
    Err(Error::new(ErrorKind::FailedPrecondition, what)
        .because(ErrorReason::SeparatorInCustomerId)
        .with_fact("customer_id", customer)
        .with_fact("task_id", task_id))
}

/// Appends one cell, in quotes if necessary (RFC 4180), and guarded against formulas. A text like `1.38E+10` is in quotes
/// too, which tell it from a number that a spreadsheet has rounded.
fn cell(text: &str, out: &mut String) {
    let quote = match needs_quotes(text) || is_exponent(text) {
        true => "\"",
        false => "",
    };
    out.push_str(quote);
    for (is_run, part) in guarded(text) {
        if is_run {
            out.push('\'');
        }
        for (number, piece) in part.split('"').enumerate() {
            if number > 0 {
                out.push_str("\"\"");
            }
            out.push_str(piece);
        }
    }
    out.push_str(quote);
}
