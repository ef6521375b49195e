//! A list as a caller asks for it, and as the database is asked.
//!
//! Both transports fill a [`ListRequest`], adding a [`Violation`] for every value they cannot read, and
//! [`ListRequest::check`] adds what is wrong with the values themselves: so all faults are told at once.

use super::{
    filter::{FilterRequest, TaskFilter, TaskOrder},
    get::Shown,
    limits::{DEFAULT_LIMIT, MAX_LIMIT, check_range},
    page::{Start, TokenKey},
    task::Task,
};
use crate::error::{Error, Reason, Result, Violation, Violations};

/// Most bytes of a page of tasks, over every transport. Twice what most gRPC clients accept unless they are told otherwise.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// About what a task takes in JSON, the larger of the forms, beside its texts.
const TASK_BYTES: usize = 768;
/// The same of a customer id.
const TARGET_BYTES: usize = 4;
/// JSON writes some characters of one byte, the control characters, as six.
const MOST_ESCAPED: usize = 6;

/// What a caller asked for; `None` and empty mean that it said nothing.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Number of the page, from 1.
    pub page: Option<i64>,
    /// Tasks in a page.
    pub limit: Option<i64>,
    /// Which tasks.
    pub filter: FilterRequest,
    /// The order.
    pub order: TaskOrder,
    /// The token of the page before.
    pub page_token: String,
    /// What of each task.
    pub shown: Shown,
    /// Whether to count all that match.
    pub count: CountMode,
    /// Whether to count the tasks of each status.
    pub status_counts: bool,
}

/// Whether a list tells how many tasks match in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum CountMode {
    /// It does, exactly.
    #[default]
    Exact = 1,
    /// It does not, and takes no trouble to know.
    None = 2,
}

impl CountMode {
    /// Every mode, in the order of its number.
    pub const ALL: [Self; 2] = [Self::Exact, Self::None];

    /// The documented word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::None => "none",
        }
    }
}

/// What the database is asked, every value checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    /// Which tasks.
    pub filter: TaskFilter,
    /// In which order.
    pub order: TaskOrder,
    /// From where on.
    pub start: Start,
    /// How many tasks.
    pub limit: i64,
    /// How many customer ids in each.
    pub target_limit: i32,
    /// Whether to count all that match.
    pub count: CountMode,
    /// Whether to count the tasks of each status, whatever statuses the filter names.
    pub status_counts: bool,
}

impl ListRequest {
    /// Checks the request; `faults` are those the transport found. `token_key` is the caller's tenant's.
    pub fn check(self, token_key: &TokenKey, mut faults: Violations) -> Result<ListQuery> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        check_range("limit", limit, 1, MAX_LIMIT, &mut faults);
        let target_limit = self.shown.check(&mut faults);
        if let Some(page) = self.page.filter(|page| *page < 1) {
            let why = Reason::OutOfRange {
                min: 1,
                max: None,
                actual: page,
            };
            faults.push(Violation::new("page", why));
        }
        let filter = self.filter.check("", &mut faults);
        let start = if self.page_token.is_empty() {
            let before = self.page.unwrap_or(1).saturating_sub(1);
            Some(Start::Offset(before.saturating_mul(limit)))
        } else {
            if self.page.is_some() {
                faults.push(Violation::new(
                    "page_token",
                    Reason::Excludes { others: &["page"] },
                ));
            }
            // A fault elsewhere may be in filter or order; then the token cannot be held against them.
            let query = faults.is_empty().then_some((&filter, self.order));
            match token_key.open(&self.page_token, query) {
                Ok(position) => position.map(Start::After),
                Err(why) => {
                    faults.push(Violation::new("page_token", why));
                    None
                }
            }
        };
        match start {
            Some(start) if faults.is_empty() => Ok(ListQuery {
                filter,
                order: self.order,
                start,
                limit,
                target_limit,
                count: self.count,
                status_counts: self.status_counts,
            }),
            _ => Err(Error::invalid(faults)),
        }
    }
}

/// A page while its tasks arrive, so that one that is too large is found out before all of it is read.
#[derive(Debug, Default)]
pub struct GrowingPage {
    /// The tasks so far.
    pub tasks: Vec<Task>,
    /// The length of the texts as they are, which is quickly known.
    plain: usize,
    /// Their length in JSON; computed only for a page that may be too large.
    escaped: Option<usize>,
}

impl GrowingPage {
    /// Adds a task; false where the page has become larger than [`MAX_PAGE_BYTES`].
    pub fn push(&mut self, task: Task) -> bool {
        self.plain += bytes(&task, str::len);
        self.escaped = match self.escaped {
            Some(before) => Some(before + bytes(&task, escaped)),
            None if self.plain * MOST_ESCAPED > MAX_PAGE_BYTES => {
                let before = self.tasks.iter().map(|task| bytes(task, escaped));
                Some(before.sum::<usize>() + bytes(&task, escaped))
            }
            None => None,
        };
        self.tasks.push(task);
        self.escaped.is_none_or(|bytes| bytes <= MAX_PAGE_BYTES)
    }
}

/// About what a task takes in an answer.
fn bytes(task: &Task, text: fn(&str) -> usize) -> usize {
    let targets = task.target.iter().map(|target| text(target) + TARGET_BYTES);
    let texts = text(&task.task_id) + text(&task.name) + text(&task.status_reason);
    TASK_BYTES + texts + targets.sum::<usize>()
}

/// The length of a text in JSON.
fn escaped(text: &str) -> usize {
    let more = text.bytes().map(|byte| match byte {
        0..0x20 => MOST_ESCAPED - 1,
        b'"' | b'\\' => 1,
        _ => 0,
    });
    text.len() + more.sum::<usize>()
}

/// INVALID_ARGUMENT: the page would be larger than [`MAX_PAGE_BYTES`]; `fields` are those that make it smaller.
pub fn page_too_large(fields: [&'static str; 2]) -> Error {
    let [first, second] = fields;
    let too_large = |other| Reason::PageTooLarge {
        max: MAX_PAGE_BYTES,
        other,
    };
    Error::invalid(vec![
        Violation::new(first, too_large(second)),
        Violation::new(second, too_large(first)),
    ])
}
