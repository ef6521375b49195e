//! The answer to a list, and how a transport writes it and the answer to a request for one task.

use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::json::TimeFormat;
use crate::{
    db::{ListRows, StoredTask},
    domain::{
        attention::Attention,
        fields::TaskFields,
        get::GetQuery,
        list::ListQuery,
        page::{Position, TokenKey},
        status::TaskStatus,
        target::TargetSums,
        view::TaskView,
        words::Word,
    },
    error::{Error, Result},
};

/// One page of the matching tasks.
#[derive(Debug)]
pub struct TaskPage {
    /// The number of matching tasks; `None` if it was not requested.
    pub total: Option<i32>,
    /// The tasks of the page in the requested order, and perhaps one more.
    rows: ListRows,
    /// The number of tasks in the page.
    pub length: usize,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
    /// The time of the snapshot that the page shows.
    pub as_of: DateTime<Utc>,
    /// The number of matching tasks per status, ignoring the statuses in the filter; empty unless requested.
    pub status_counts: Vec<(TaskStatus, i32)>,
    /// The targets of all matching tasks; `None` unless requested.
    pub target_sums: Option<TargetSums>,
    /// The number of matching tasks per kind of attention, ignoring the kinds in the filter; empty unless requested.
    pub attention_counts: Vec<(Attention, i32)>,
}

impl TaskPage {
    /// The page of a list that was read with one task more than the page has. `token_key` is that of the tenant.
    pub(super) fn new(rows: ListRows, query: &ListQuery, token_key: &TokenKey) -> Result<Self> {
        let length = rows.len().min(query.limit as usize); // 1 to 1000
        let mut next_page_token = String::new();
        if rows.len() > length {
            let mut position = None;
            rows.read(length - 1..length, |last| {
                let value = last.sort_value(query.order.by);
                position = value.map(|value| Position {
                    value,
                    task_id: last.task_id.to_owned(),
                });
            })?;
            let position = position.ok_or_else(|| Error::internal("a time is out of range"))?;
            next_page_token = token_key.seal(&query.filter, query.order, &position);
        }
        // The counts of the API are int32.
        let count = |of: i64| i32::try_from(of).unwrap_or(i32::MAX);
        let counts = rows.status_counts.into_iter().flatten().map(count);
        let attention = rows.attention_counts.into_iter().flatten().map(count);
        Ok(Self {
            total: rows.total.map(count),
            status_counts: TaskStatus::all().zip(counts).collect(),
            next_page_token,
            as_of: rows.as_of,
            target_sums: rows.target_sums,
            attention_counts: Attention::all().zip(attention).collect(),
            length,
            rows,
        })
    }

    /// Passes each task of the page to `read`, in the requested order. INTERNAL if the database contains an invalid value.
    pub fn each(&self, read: impl FnMut(&TaskView<'_>)) -> Result<()> {
        self.rows.read(0..self.length, read)
    }

    /// The approximate length of the page, if each task has `bytes` bytes besides its texts.
    pub fn capacity(&self, bytes: usize) -> usize {
        self.rows.text_bytes() + (self.length + 1) * bytes
    }
}

/// Writes the answer to a request for one task; NOT_FOUND if it does not exist.
pub(super) fn write_task(
    task: Option<StoredTask>,
    query: &GetQuery,
    form: &AnswerForm,
) -> Result<Written> {
    let task = task.ok_or_else(|| Error::no_such_task(query.task_ids.concat()))?;
    let mut written = None;
    task.view(|task| written = Some((form.write_task)(task, form.shape)))?;
    written.ok_or_else(|| Error::internal("the task was not written"))
}

/// How a transport writes answers.
#[derive(Debug, Clone, Copy)]
pub struct AnswerForm {
    /// The parameters of the functions.
    pub shape: AnswerShape,
    /// Writes a page of tasks.
    pub write_page: fn(&TaskPage, AnswerShape) -> Result<Written>,
    /// Writes one task.
    pub write_task: fn(&TaskView<'_>, AnswerShape) -> Written,
    /// Writes the time of a page, as it stands in one.
    pub write_time: fn(DateTime<Utc>, AnswerShape, &mut Vec<u8>),
}

/// What determines the bytes of an answer besides the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerShape {
    /// The format of the transport.
    pub format: AnswerFormat,
    /// The fields of each task.
    pub fields: TaskFields,
}

/// The format of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerFormat {
    /// The response message of the API.
    Protobuf,
    /// The JSON form of the specification.
    Json(TimeFormat),
}

impl AnswerFormat {
    /// The format of times in texts.
    pub fn times(self) -> TimeFormat {
        match self {
            Self::Protobuf => TimeFormat::default(),
            Self::Json(times) => times,
        }
    }
}

/// An answer as a transport writes it.
#[derive(Debug, Clone)]
pub struct Written {
    bytes: Bytes,
    /// Where the time of the answer stands; `None` if it has none.
    time: Option<Range<usize>>,
}

impl Written {
    /// An answer that has its time at these bytes.
    pub fn new(bytes: Vec<u8>, time: Range<usize>) -> Self {
        debug_assert!(time.start <= time.end && time.end <= bytes.len());
        Self {
            bytes: bytes.into(),
            time: Some(time),
        }
    }

    /// An answer without a time.
    pub fn timeless(bytes: Vec<u8>) -> Self {
        Self {
            bytes: bytes.into(),
            time: None,
        }
    }

    /// The answer with the time that it was written with.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The same answer, with another time.
    pub(super) fn with_time(&self, as_of: DateTime<Utc>, form: &AnswerForm) -> Bytes {
        let Some(time) = &self.time else {
            return self.bytes.clone();
        };
        let mut bytes = Vec::with_capacity(self.bytes.len() + MOST_TIME_BYTES);
        bytes.extend_from_slice(&self.bytes[..time.start]);
        (form.write_time)(as_of, form.shape, &mut bytes);
        bytes.extend_from_slice(&self.bytes[time.end..]);
        bytes.into()
    }

    /// A copy without unused capacity, to be kept.
    pub(super) fn trimmed(&self) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(&self.bytes),
            time: self.time.clone(),
        }
    }
}

/// More bytes than a time has in any format.
const MOST_TIME_BYTES: usize = 32;
