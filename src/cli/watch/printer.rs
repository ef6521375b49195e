//! The output of `watch`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use console::{Term, measure_text_width, truncate_str};
use serde::Serialize;

use crate::{
    app::json::push_line,
    cli::client::{Filters, Form, OutputFormat, Record, harmless, instant, unknown, write},
    domain::{fields::TaskField, watch::ChangeKind, words::Word},
    error::Result,
    pb::{TaskChange, TaskChangeKind, WatchOutboundTasksResponse},
};

/// The default columns after the time, the kind and the id.
const COLUMNS: [TaskField; 3] = [TaskField::Status, TaskField::Progress, TaskField::Name];
const LIST_AGAIN: &str = "list_again";
/// Texts wider than this do not widen their column.
/// One long name would otherwise push the columns of all later lines to the right.
const WIDE: usize = 40;

/// Prints changes as they arrive.
pub(super) struct Printer {
    format: OutputFormat,
    zone: Tz,
    fields: Vec<TaskField>,
    /// The widest value of each column so far, to align the lines.
    widths: Vec<usize>,
}

/// A line of NDJSON. `list_again` has neither an id nor a task.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<Record<'a>>,
}

impl Printer {
    pub(super) fn new(form: &Form, zone: Tz, filters: &Filters) -> Self {
        let format = form.format();
        let fields = match (format, filters.fields()) {
            (OutputFormat::Table, fields) if fields.is_empty() => COLUMNS.to_vec(),
            (_, fields) => fields,
        };
        Self {
            format,
            zone,
            // Three more for the time, the kind and the id.
            widths: vec![0; fields.len() + 3],
            fields,
        }
    }

    /// The fields to request; empty means all.
    pub(super) fn fields(&self) -> &[TaskField] {
        &self.fields
    }

    /// Prints the changes of a message; false if standard output was closed.
    pub(super) async fn print(&mut self, message: &WatchOutboundTasksResponse) -> Result<bool> {
        let mut text = Vec::new();
        for change in &message.changes {
            let TaskChange {
                kind,
                task_id,
                task,
            } = change;
            let kind = word(*kind)?;
            let fields = self.fields.iter().copied().collect();
            let task = task
                .as_ref()
                .map(|task| Record::new(task, fields))
                .transpose()?;
            match self.format {
                OutputFormat::Ndjson => {
                    let task_id = Some(&**task_id);
                    push_line(
                        &Line {
                            kind,
                            task_id,
                            task,
                        },
                        &mut text,
                    );
                }
                OutputFormat::Table => {
                    let at = message.as_of.map(|at| instant(Some(at))).transpose()?;
                    let mut cells = vec![self.time(at), kind.to_owned(), harmless(task_id)];
                    if let Some(task) = task {
                        let of_task = self.fields.iter().map(|field| task.cell(*field, self.zone));
                        cells.extend(of_task);
                    }
                    text.extend(self.line(&cells).bytes());
                }
            }
        }
        match text.is_empty() {
            true => Ok(true),
            false => write(text).await,
        }
    }

    /// Prints that the watch begins again; false if standard output was closed.
    pub(super) async fn list_again(&mut self) -> Result<bool> {
        let mut text = Vec::new();
        match self.format {
            OutputFormat::Ndjson => {
                let line = Line {
                    kind: LIST_AGAIN,
                    task_id: None,
                    task: None,
                };
                push_line(&line, &mut text);
            }
            OutputFormat::Table => {
                let cells = [self.time(None), LIST_AGAIN.to_owned()];
                text.extend(self.line(&cells).bytes());
            }
        }
        write(text).await
    }

    /// The time of a change: the service's, or this machine's if the message has none.
    fn time(&self, at: Option<DateTime<Utc>>) -> String {
        let at = at.unwrap_or_else(Utc::now).with_timezone(&self.zone);
        at.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn line(&mut self, cells: &[String]) -> String {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&mut self.widths) {
            let own = measure_text_width(cell);
            *width = own.min(WIDE).max(*width);
            line += cell;
            line.push_str(&" ".repeat(width.saturating_sub(own) + 2));
        }
        // The size of the terminal may have changed.
        let line = match Term::stdout().size_checked() {
            Some((_, columns)) => truncate_str(line.trim_end(), columns.into(), "…").into_owned(),
            None => line.trim_end().to_owned(),
        };
        line + "\n"
    }
}

fn word(kind: i32) -> Result<&'static str> {
    let kind = match TaskChangeKind::try_from(kind) {
        Ok(TaskChangeKind::Initial) => ChangeKind::Initial,
        Ok(TaskChangeKind::Created) => ChangeKind::Created,
        Ok(TaskChangeKind::Changed) => ChangeKind::Changed,
        Ok(TaskChangeKind::Removed) => ChangeKind::Removed,
        Ok(TaskChangeKind::Unspecified) | Err(_) => return Err(unknown()),
    };
    Ok(kind.word())
}
