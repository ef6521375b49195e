//! The answer to a list, and how a transport writes it.

use std::ops::Range;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::json::TimeFormat;
use crate::{
    db::TaskList,
    domain::{
        fields::TaskFields,
        list::ListQuery,
        page::{self, Position, TokenKey},
        status::TaskStatus,
        task::Task,
        words::Word,
    },
};

/// One page of the matching tasks.
#[derive(Debug)]
pub struct TaskPage {
    /// The number of matching tasks; `None` if it was not requested.
    pub total: Option<i32>,
    /// The tasks of the page, in the requested order.
    pub tasks: Vec<Task>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
    /// The time of the snapshot that the page shows.
    pub as_of: DateTime<Utc>,
    /// The number of matching tasks per status, ignoring the statuses in the filter; empty unless requested.
    pub status_counts: Vec<(TaskStatus, i32)>,
}

impl TaskPage {
    /// The page of a list that was read with one task more than the page has. `token_key` is that of the tenant.
    pub(super) fn new(list: TaskList, query: &ListQuery, token_key: &TokenKey) -> Self {
        let mut tasks = list.tasks;
        let next_page_token = page::cut(&mut tasks, query.limit, |last| {
            let position = Position {
                value: last.sort_value(query.order.by),
                task_id: last.task_id.clone(),
            };
            token_key.seal(&query.filter, query.order, &position)
        });
        // The counts of the API are int32.
        let count = |of: i64| i32::try_from(of).unwrap_or(i32::MAX);
        let counts = list.status_counts.into_iter().flatten().map(count);
        Self {
            total: list.total.map(count),
            status_counts: TaskStatus::all().zip(counts).collect(),
            tasks,
            next_page_token,
            as_of: list.as_of,
        }
    }
}

/// How a transport writes an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerForm {
    /// The parameters of the functions.
    pub shape: AnswerShape,
    /// Writes a page of tasks.
    pub write: fn(TaskPage, AnswerShape) -> Written,
    /// Writes the time of an answer, as it stands in one.
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
    /// Where the time of the answer stands.
    time: Range<usize>,
}

impl Written {
    /// An answer that has its time at these bytes.
    pub fn new(bytes: Vec<u8>, time: Range<usize>) -> Self {
        debug_assert!(time.start <= time.end && time.end <= bytes.len());
        Self {
            bytes: bytes.into(),
            time,
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
        let mut bytes = Vec::with_capacity(self.bytes.len() + MOST_TIME_BYTES);
        bytes.extend_from_slice(&self.bytes[..self.time.start]);
        (form.write_time)(as_of, form.shape, &mut bytes);
        bytes.extend_from_slice(&self.bytes[self.time.end..]);
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
