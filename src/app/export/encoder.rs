//! Writes the tasks of an export in one of the formats, batch by batch and in constant memory.

use super::{
    blocking::blocking,
    csv::Csv,
    format::{ExportFormat, FileForm},
    record,
    workbook::Workbook,
};
use crate::{
    app::json::{OutboundTask, push_line},
    db::Batch,
    domain::fields::TaskFields,
    error::Result,
};

/// Writes tasks as the bytes of a file.
#[derive(Debug)]
pub struct Encoder {
    rows: Rows,
    form: FileForm,
    /// Whether the tasks have all of their targets, with the results of calls.
    is_whole: bool,
}

#[derive(Debug)]
enum Rows {
    Lines,
    Csv(Csv),
    Workbook(Box<Workbook>),
}

impl Encoder {
    /// Starts a file. `is_whole` says whether the tasks have all of their targets, with the results of calls.
    pub fn new(form: FileForm, is_whole: bool) -> Result<Self> {
        let results = is_whole;
        let rows = match form.format {
            ExportFormat::Ndjson => Rows::Lines,
            ExportFormat::Csv => Rows::Csv(Csv { form, results }),
            ExportFormat::Xlsx => {
                let workbook = Workbook::new(form.zone, results)?;
                Rows::Workbook(Box::new(workbook))
            }
        };
        Ok(Self {
            rows,
            form,
            is_whole,
        })
    }

    /// The bytes before the first task.
    pub fn start(&mut self) -> Vec<u8> {
        match &mut self.rows {
            Rows::Lines => Vec::new(),
            Rows::Csv(csv) => {
                let mark = if self.form.bom { "\u{feff}" } else { "" };
                [mark, csv.header()].concat().into_bytes()
            }
            Rows::Workbook(workbook) => workbook.take(),
        }
    }

    /// The bytes of a batch; of a workbook, those that its compression has ready. FAILED_PRECONDITION if the format
    /// cannot represent a task.
    pub fn batch(&mut self, batch: &Batch) -> Result<Vec<u8>> {
        match &mut self.rows {
            Rows::Lines => {
                let (times, mut lines) = (self.form.json_times(), Vec::new());
                for exported in batch {
                    match self.is_whole {
                        true => record::write(exported, times, &mut lines),
                        false => {
                            let task =
                                OutboundTask::new(&exported.task, TaskFields::default(), times);
                            push_line(&task, &mut lines);
                        }
                    }
                }
                Ok(lines)
            }
            Rows::Csv(csv) => {
                let mut rows = String::new();
                for exported in batch {
                    csv.row(exported, &mut rows)?;
                }
                Ok(rows.into_bytes())
            }
            Rows::Workbook(workbook) => {
                for exported in batch {
                    workbook.row(exported)?;
                }
                Ok(workbook.take())
            }
        }
    }

    /// The bytes after the last task.
    pub fn end(self) -> Result<Vec<u8>> {
        match self.rows {
            Rows::Lines | Rows::Csv(_) => Ok(Vec::new()),
            Rows::Workbook(workbook) => workbook.end(),
        }
    }

    /// [`batch`](Self::batch) for callers on tokio's threads: the compression of a workbook takes some milliseconds a
    /// batch, so it runs on a blocking thread.
    pub async fn batch_beside(mut self, batch: Batch) -> Result<(Self, Vec<u8>)> {
        let is_slow = matches!(self.rows, Rows::Workbook(_));
        let work = move || {
            let bytes = self.batch(&batch)?;
            Ok((self, bytes))
        };
        match is_slow {
            true => blocking(work).await,
            false => work(),
        }
    }
}
