//! A list as requested, and as a query for the database.
//!
//! Both transports fill a [`ListRequest`], with a [`Violation`] for every value that they cannot read.
//! [`ListRequest::check`] adds the violations of the values, so that one answer has all of them.

use strum::{IntoStaticStr, VariantArray};

use super::{
    attention::StalledAfter,
    filter::{FilterRequest, TaskFilter},
    get::Shown,
    limits::{DEFAULT_LIMIT, MAX_LIMIT, check_range},
    order::TaskOrder,
    page::{Start, TokenKey},
    task::Task,
    view::TaskView,
};
use crate::error::{Error, Reason, Result, Violation, Violations};

/// Maximum bytes of a page of tasks, over every transport. By default, most gRPC clients accept only half of it.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Approximate bytes of a task in JSON, the larger of the forms, without its texts.
const TASK_BYTES: usize = 768;
/// Approximate bytes of a customer id in JSON, without its text.
const TARGET_BYTES: usize = 4;
/// Approximate bytes of a label in JSON, without its texts.
const LABEL_BYTES: usize = 8;
/// The maximum bytes of one input byte in JSON: a control character is written as `\u0000`.
const MOST_ESCAPED: usize = 6;

/// The fields of a list request. `None` and empty mean that the field is not set.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Number of the page, from 1.
    pub page: Option<i64>,
    /// Number of tasks in the page: 1 to [`MAX_LIMIT`], [`DEFAULT_LIMIT`] if not set.
    pub limit: Option<i64>,
    /// The filter.
    pub filter: FilterRequest,
    /// The order.
    pub order: TaskOrder,
    /// The token that the previous page returned. Excludes `page`.
    pub page_token: String,
    /// The fields of each task to return.
    pub shown: Shown,
    /// Whether to count all matching tasks.
    pub count: CountMode,
    /// Whether to count the tasks of each status.
    pub status_counts: bool,
    /// Whether to add up the targets of all matching tasks.
    pub target_sums: bool,
    /// Whether to count the tasks of each kind of attention.
    pub attention_counts: bool,
}

/// Whether a list returns the number of all matching tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum CountMode {
    /// The exact number.
    #[default]
    Exact = 1,
    /// No number, which saves the time to count.
    None = 2,
}

/// A checked list request, for the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListQuery {
    /// The filter.
    pub filter: TaskFilter,
    /// The order.
    pub order: TaskOrder,
    /// The position where the page starts.
    pub start: Start,
    /// Maximum number of tasks to return.
    pub limit: i64,
    /// Maximum number of customer ids in each task.
    pub target_limit: i32,
    /// Whether to count all matching tasks.
    pub count: CountMode,
    /// Whether to count the tasks of each status, whatever statuses the filter names.
    pub status_counts: bool,
    /// Whether to add up the targets of all matching tasks.
    pub target_sums: bool,
    /// Whether to count the tasks of each kind of attention, whatever kinds the filter names: with the time without a result
    /// after which a running task is stalled.
    pub attention_counts: Option<StalledAfter>,
}

impl ListQuery {
    /// Whether the answer can change without a change of a task, as time passes.
    pub fn depends_on_time(&self) -> bool {
        self.filter.depends_on_time() || self.attention_counts.is_some()
    }
}

impl ListRequest {
    /// Checks the request. `violations` are the violations that the transport found; `token_key` is
    /// that of the caller's tenant. INVALID_ARGUMENT with all violations.
    pub fn check(self, token_key: &TokenKey, mut violations: Violations) -> Result<ListQuery> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        check_range("limit", limit, 1, MAX_LIMIT, &mut violations);
        let target_limit = self.shown.check(&mut violations);
        if let Some(page) = self.page.filter(|page| *page < 1) {
            let why = Reason::OutOfRange {
                min: 1,
                max: None,
                actual: page,
            };
            violations.push(Violation::new("page", why));
        }
        // The filter reports a time that is out of range.
        let stalled_after = self.filter.stalled_after;
        let stalled_after = StalledAfter::check("", stalled_after, &mut Violations::new());
        let filter = self.filter.check("", &mut violations);
        let start = if self.page_token.is_empty() {
            let before = self.page.unwrap_or(1).saturating_sub(1);
            Some(Start::Offset(before.saturating_mul(limit)))
        } else {
            if self.page.is_some() {
                violations.push(Violation::new(
                    "page_token",
                    Reason::Excludes { others: &["page"] },
                ));
            }
            // The violations may concern filter or order. Then the token cannot be compared with them.
            let query = violations.is_empty().then_some((&filter, self.order));
            match token_key.open(&self.page_token, query) {
                Ok(position) => position.map(Start::After),
                Err(why) => {
                    violations.push(Violation::new("page_token", why));
                    None
                }
            }
        };
        match start {
            Some(start) if violations.is_empty() => Ok(ListQuery {
                filter,
                order: self.order,
                start,
                limit,
                target_limit,
                count: self.count,
                status_counts: self.status_counts,
                target_sums: self.target_sums,
                attention_counts: self.attention_counts.then_some(stalled_after),
            }),
            _ => Err(Error::invalid(violations)),
        }
    }
}

/// A task of a page, for the size of the page.
pub trait PageTask {
    /// The length of its texts without escapes, and 4 bytes for each customer id. It is cheap to compute.
    fn plain(&self) -> usize;
    /// The same with the texts as in JSON.
    fn escaped(&self) -> usize;
}

/// A page to which tasks are added as they arrive, so that a page that is too large is noticed before all of it is
/// read.
#[derive(Debug)]
pub struct GrowingPage<T = Task> {
    /// The tasks so far.
    pub tasks: Vec<T>,
    /// The approximate size without escapes.
    plain: usize,
    /// The approximate size in JSON. It is computed only for a page that may be too large.
    escaped: Option<usize>,
}

impl<T> Default for GrowingPage<T> {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            plain: 0,
            escaped: None,
        }
    }
}

impl<T: PageTask> GrowingPage<T> {
    /// Adds a task. Returns false once the page is larger than [`MAX_PAGE_BYTES`].
    pub fn push(&mut self, task: T) -> bool {
        self.plain += TASK_BYTES + task.plain();
        self.tasks.push(task);
        let of = |task: &T| TASK_BYTES + task.escaped();
        self.escaped = match self.escaped {
            Some(before) => Some(before + self.tasks.last().map_or(0, of)),
            None if self.plain * MOST_ESCAPED > MAX_PAGE_BYTES => {
                Some(self.tasks.iter().map(of).sum())
            }
            None => None,
        };
        self.escaped.is_none_or(|bytes| bytes <= MAX_PAGE_BYTES)
    }
}

impl PageTask for Task {
    fn plain(&self) -> usize {
        texts_of(self.texts(), &self.target, self.labels.iter(), str::len)
    }

    fn escaped(&self) -> usize {
        texts_of(self.texts(), &self.target, self.labels.iter(), escaped)
    }
}

impl Task {
    /// Its texts, except the customer ids and the labels.
    fn texts(&self) -> [&str; 4] {
        [
            &self.task_id,
            &self.name,
            &self.status_reason,
            &self.copied_from,
        ]
    }
}

impl TaskView<'_> {
    /// See [`PageTask::escaped`].
    pub fn escaped(&self) -> usize {
        let texts = [
            self.task_id,
            self.name,
            self.status_reason,
            self.copied_from,
        ];
        texts_of(texts, self.target, self.labels.iter().copied(), escaped)
    }
}

/// The length of the texts of a task, with `text` as the length of each.
fn texts_of<'t>(
    texts: [&str; 4],
    target: &[impl AsRef<str>],
    labels: impl Iterator<Item = (&'t str, &'t str)>,
    text: fn(&str) -> usize,
) -> usize {
    let target = target.iter().map(|id| text(id.as_ref()) + TARGET_BYTES);
    let labels = labels.map(|(key, value)| text(key) + text(value) + LABEL_BYTES);
    texts.into_iter().map(text).sum::<usize>() + target.sum::<usize>() + labels.sum::<usize>()
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

/// INVALID_ARGUMENT: the page would be larger than [`MAX_PAGE_BYTES`]. `fields` are the fields that can make it
/// smaller.
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
