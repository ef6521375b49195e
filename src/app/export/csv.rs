//! Tasks as CSV, as an import reads them.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::record::results_json;
use crate::{
    app::cell::{guarded, needs_quotes},
    domain::{export::ExportedTask, task::Task},
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub struct Csv {
    /// How times are.
    pub time: fn(DateTime<Utc>) -> String,
    /// With a last column that tells what came of calling the targets.
    pub results: bool,
}

/// True for the first line of a file that an export wrote, and that no spreadsheet has saved since: that would have
/// ended it with CRLF.
pub(in crate::app) fn is_header(line: &[u8]) -> bool {
    [HEADER, HEADER_AND_RESULTS]
        .map(str::as_bytes)
        .contains(&line)
}

impl Csv {
    /// The row that names the fields.
    pub fn header(&self) -> &'static str {
        match self.results {
            true => HEADER_AND_RESULTS,
            false => HEADER,
        }
    }

    /// Adds a task's row to `out`. FAILED_PRECONDITION for a customer id that the list of targets cannot hold.
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
                "the customer id {customer:?} of task {task_id:?} holds the ; that separates customer ids in CSV; \
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
        // None of these needs quotes. Writing into a string cannot fail.
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

/// The fields that every export has: the document's nine, and what followed.
macro_rules! header {
    () => {
        "task_id,name,target,start_time,end_time,status,progress,created_at,updated_at,target_count,status_reason,\
        status_changed_at"
    };
}

const HEADER: &str = concat!(header!(), "\n");
const HEADER_AND_RESULTS: &str = concat!(header!(), ",target_results\n");

/// Adds one cell, in quotes where it needs them, as RFC 4180 says.
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
