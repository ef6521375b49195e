//! Writes tasks as CSV in the form that an import reads.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::record::results_json;
use crate::{
    app::cell::{guarded, needs_quotes},
    domain::{export::ExportedTask, task::Task},
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// The options of the rows.
#[derive(Debug, Clone, Copy)]
pub struct Csv {
    /// Formats a time.
    pub time: fn(DateTime<Utc>) -> String,
    /// Whether a last column contains the call results of the targets.
    pub results: bool,
}

/// Whether a line is the header of an export that no spreadsheet has saved since; a spreadsheet would end it with CRLF.
pub(in crate::app) fn is_header(line: &[u8]) -> bool {
    [HEADER, HEADER_AND_RESULTS]
        .map(str::as_bytes)
        .contains(&line)
}

impl Csv {
    /// The header row, including its line end.
    pub fn header(&self) -> &'static str {
        match self.results {
            true => HEADER_AND_RESULTS,
            false => HEADER,
        }
    }

    /// Appends the row of a task. FAILED_PRECONDITION if a customer id contains the separator of the targets.
    pub fn row(&self, exported: &ExportedTask, out: &mut String) -> Result<()> {
        let ExportedTask {
            task:
                Task {
                    task_id,
                    name,
                    target,
                    start_time,
                    end_time,
                    status,
                    progress,
                    created_at,
                    updated_at,
                    target_count,
                    status_reason,
                    status_changed_at,
                    target_counts: _,
                    revision: _,
                },
            results,
        } = exported;
        if let Some(customer) = target.iter().find(|c| c.contains(';')) {
            let what = format!(
                "the customer id {customer:?} of task {task_id:?} contains the ; that separates customer ids in CSV; \
                export as ndjson"
            );
            return Err(Error::new(ErrorKind::FailedPrecondition, what)
                .because(ErrorReason::SeparatorInCustomerId)
                .with_fact("customer_id", customer)
                .with_fact("task_id", task_id));
        }
        cell(task_id, out);
        for text in [name, &target.join(";")] {
            out.push(',');
            cell(text, out);
        }
        let time = |at: &DateTime<Utc>| (self.time)(*at);
        // None of these values needs quotes. Writing to a string cannot fail.
        let _ = write!(
            out,
            ",{},{},{status},{progress},{},{},{target_count},",
            time(start_time),
            time(end_time),
            time(created_at),
            time(updated_at)
        );
        cell(status_reason, out);
        out.push(',');
        out.push_str(&time(status_changed_at));
        if self.results {
            out.push(',');
            if !results.is_empty() {
                cell(&results_json(results), out);
            }
        }
        out.push('\n');
        Ok(())
    }
}

/// The columns of every export: the nine fields of the specification, then the later ones.
macro_rules! header {
    () => {
        "task_id,name,target,start_time,end_time,status,progress,created_at,updated_at,target_count,status_reason,\
        status_changed_at"
    };
}

const HEADER: &str = concat!(header!(), "\n");
const HEADER_AND_RESULTS: &str = concat!(header!(), ",target_results\n");

/// Appends one cell, in quotes if necessary (RFC 4180), and guarded against formulas.
fn cell(text: &str, out: &mut String) {
    let quote = if needs_quotes(text) { "\"" } else { "" };
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
