//! Filters of lists: how a caller gives one, its conditions, and what these mean for a task.

use chrono::{DateTime, Utc};

use super::{
    attention::{Attention, AttentionFilter, AttentionSet, StalledAfter},
    date_range::{DateField, DateFilter, DateRange},
    fingerprint::{Fingerprint, Hasher},
    labels::{Labels, WantedLabels},
    limits::{MAX_ID_CHARS, MAX_IDS, MAX_NAME_CHARS, check_ids, check_text},
    order::TaskOrder,
    status::{SomeStatuses, StatusSet, TaskStatus},
    task::Task,
};
use crate::error::{Reason, Violation, Violations};

/// The filter of a request. Empty and `None` mean that the field is not set.
#[derive(Debug, Clone, Default)]
pub struct FilterRequest {
    /// The statuses.
    pub statuses: StatusSet,
    /// The field that the range applies to.
    pub date_field: DateField,
    /// Inclusive lower bound of the range.
    pub start: Option<DateTime<Utc>>,
    /// Exclusive upper bound of the range.
    pub end: Option<DateTime<Utc>>,
    /// The id of a customer among the tasks' targets: 1 to [`MAX_ID_CHARS`] characters.
    pub customer_id: Option<String>,
    /// A part of the tasks' names: 1 to [`MAX_NAME_CHARS`] characters.
    pub name: Option<String>,
    /// The tasks' ids: at most [`MAX_IDS`].
    pub task_ids: Vec<String>,
    /// Labels, each `key` or `key=value`: at most [`MAX_LABELS`](super::labels::MAX_LABELS).
    pub labels: Vec<String>,
    /// The kinds of which a task has at least one.
    pub attention: AttentionSet,
    /// How long a running task must be without a result to be stalled, in seconds; 15 minutes if not set.
    pub stalled_after: Option<i64>,
}

impl FilterRequest {
    /// The checked filter. Adds a violation for every invalid value. `at` is the prefix of the fields' names: "" or
    /// "filter.".
    pub fn check(self, at: &str, violations: &mut Violations) -> TaskFilter {
        let Self {
            statuses,
            date_field,
            start,
            end,
            customer_id,
            name,
            task_ids,
            labels,
            attention,
            stalled_after,
        } = self;
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            let field = format!("{at}date_range");
            violations.push(Violation::new(field, Reason::RangeReversed));
        }
        if let Some(customer) = &customer_id {
            let field = format!("{at}customer_id");
            check_text(&field, customer, MAX_ID_CHARS, violations);
        }
        if let Some(name) = &name {
            check_text(format_args!("{at}name"), name, MAX_NAME_CHARS, violations);
        }
        check_ids(&format!("{at}task_ids"), &task_ids, 0..=MAX_IDS, violations);
        let field = format!("{at}stalled_after");
        let stalled_after = StalledAfter::check(&field, stalled_after, violations);
        TaskFilter {
            statuses: SomeStatuses::new(statuses),
            date: DateRange::new(start, end).map(|range| DateFilter {
                field: date_field,
                range,
            }),
            customer_id,
            name,
            task_ids: TaskIds::new(task_ids),
            labels: WantedLabels::check(&format!("{at}label"), labels, violations),
            attention: AttentionFilter::new(attention, stalled_after),
        }
    }
}

/// The condition on the tasks of a list: all [`Condition`]s must hold. The default has none and matches all tasks.
///
/// The fields are private, so [`TaskFilter::conditions`] is the only way to apply a filter. Code that applies one
/// matches each [`Condition`], so that a new kind of condition does not compile until SQL, watches and tokens handle
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct TaskFilter {
    statuses: Option<SomeStatuses>,
    date: Option<DateFilter>,
    customer_id: Option<String>,
    name: Option<String>,
    task_ids: Option<TaskIds>,
    labels: Option<WantedLabels>,
    attention: Option<AttentionFilter>,
}

/// Memory of texts in bytes.
pub fn memory_of(texts: &[String]) -> usize {
    texts
        .iter()
        .map(|text| size_of::<String>() + text.len())
        .sum()
}

/// One condition of a filter on a task.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    /// On the task's own values.
    Row(RowCondition),
    /// One of the targets is this customer.
    Customer(&'a str),
    /// The name contains this text, regardless of case.
    NamePart(&'a str),
    /// The id is one of these.
    Id(&'a TaskIds),
    /// The labels have all of these.
    Labels(&'a WantedLabels),
    /// The task needs attention for one of some reasons, at the instant at which it is read.
    Attention(AttentionFilter),
}

/// A condition on the values that a task's row holds, so that the row is enough to tell whether the
/// task matches.
#[derive(Debug, Clone, Copy)]
pub enum RowCondition {
    /// The status is one of these.
    Status(SomeStatuses),
    /// One of the times lies in a range, or the window overlaps it.
    Date(DateFilter),
}

impl TaskFilter {
    /// Memory of its texts in bytes, approximately.
    pub fn memory(&self) -> usize {
        let texts = self.conditions().map(|condition| match condition {
            Condition::Row(_) | Condition::Attention(_) => 0,
            Condition::Customer(text) | Condition::NamePart(text) => text.len(),
            Condition::Id(ids) => memory_of(ids.as_slice()),
            Condition::Labels(labels) => memory_of(labels.terms()),
        });
        texts.sum()
    }

    /// The conditions, each kind at most once. Their order must not change, because tokens and
    /// idempotency keys contain a hash of them.
    pub fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        let Self {
            statuses,
            date,
            customer_id,
            name,
            task_ids,
            labels,
            attention,
        } = self;
        let conditions = [
            statuses.map(|statuses| Condition::Row(RowCondition::Status(statuses))),
            date.map(|date| Condition::Row(RowCondition::Date(date))),
            customer_id.as_deref().map(Condition::Customer),
            name.as_deref().map(Condition::NamePart),
            task_ids.as_ref().map(Condition::Id),
            labels.as_ref().map(Condition::Labels),
            attention.map(Condition::Attention),
        ];
        conditions.into_iter().flatten()
    }

    /// The hash of a list with this filter, whatever words filter and order were written in.
    pub(super) fn fingerprint(&self, order: TaskOrder) -> Fingerprint {
        let TaskOrder { by, direction } = order;
        let statuses = self.statuses.map_or(0, SomeStatuses::bits);
        let mut hash = Hasher::default();
        hash.add(&[by as u8, direction as u8, statuses]);
        for condition in self.conditions() {
            condition.add_to(&mut hash);
        }
        hash.finish()
    }

    /// The customer that must be among the tasks' targets.
    pub fn customer_id(&self) -> Option<&str> {
        self.customer_id.as_deref()
    }

    /// The text that the tasks' names must contain.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The kinds of attention of which a task must have one.
    pub fn attention(&self) -> Option<AttentionFilter> {
        self.attention
    }

    /// Whether tasks can begin to match without a change, as time passes.
    pub fn depends_on_time(&self) -> bool {
        let kinds = self.attention.into_iter().flat_map(AttentionFilter::kinds);
        kinds.into_iter().any(Attention::depends_on_time)
    }

    /// Replaces the ids of the filter.
    pub fn set_ids(&mut self, task_ids: TaskIds) {
        self.task_ids = Some(task_ids);
    }
}

/// Ids of tasks: at least one, sorted, each once. So the same ids in another order are the same filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskIds(Vec<String>);

impl TaskIds {
    /// The set of these ids; `None` if there are none.
    pub fn new(mut task_ids: Vec<String>) -> Option<Self> {
        task_ids.sort_unstable();
        task_ids.dedup();
        (!task_ids.is_empty()).then_some(Self(task_ids))
    }

    /// The ids, sorted.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether the id is one of them.
    pub fn contains(&self, task_id: &str) -> bool {
        let found = self.0.binary_search_by(|id| id.as_str().cmp(task_id));
        found.is_ok()
    }
}

impl Condition<'_> {
    /// Adds the condition to the hash of a list. Each stands behind a number of its kind, and each
    /// text behind its length, so that no two filters come to the same bytes. The kinds from 16 on
    /// are beyond the numbers of the date fields.
    fn add_to(self, hash: &mut Hasher) {
        match self {
            Self::Row(row) => row.add_to(hash),
            Self::Customer(customer_id) => {
                hash.add(&[16]);
                hash.add_text(customer_id);
            }
            Self::NamePart(part) => {
                hash.add(&[17]);
                hash.add_text(part);
            }
            Self::Id(task_ids) => {
                for task_id in task_ids.as_slice() {
                    hash.add(&[18]);
                    hash.add_text(task_id);
                }
            }
            Self::Labels(labels) => {
                for term in labels.terms() {
                    hash.add(&[19]);
                    hash.add_text(term);
                }
            }
            Self::Attention(attention) => {
                let stalled_after = attention.stalled_after().map_or(0, |after| after.seconds);
                hash.add(&[20, attention.bits()]);
                hash.add(&stalled_after.to_be_bytes());
            }
        }
    }
}

impl RowCondition {
    /// See [`Condition::add_to`].
    fn add_to(self, hash: &mut Hasher) {
        match self {
            // In the third byte already.
            Self::Status(_) => {}
            Self::Date(DateFilter { field, range }) => {
                hash.add(&[field as u8]);
                let (start, end) = range.bounds();
                for bound in [start, end] {
                    hash.add(&[u8::from(bound.is_some())]);
                    hash.add(&bound.map_or(0, |t| t.timestamp_micros()).to_be_bytes());
                }
            }
        }
    }

    /// Whether a task with these values matches.
    pub(super) fn holds(self, image: &TaskImage) -> bool {
        match self {
            Self::Status(statuses) => statuses.contains(image.status),
            Self::Date(date) => lies_in(image, date),
        }
    }
}

/// The values of a task that a filter compares, except id and customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskImage {
    /// The status.
    pub status: TaskStatus,
    /// Planned start.
    pub start_time: DateTime<Utc>,
    /// Planned end.
    pub end_time: DateTime<Utc>,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
    /// The name, folded for comparison without case.
    pub folded_name: String,
    /// The labels.
    pub labels: Labels,
}

impl TaskImage {
    /// The values of a task, with `folded_name` as its name for comparison without case.
    pub(super) fn new(task: &Task, folded_name: String) -> Self {
        Self {
            status: task.status,
            start_time: task.start_time,
            end_time: task.end_time,
            created_at: task.created_at,
            updated_at: task.updated_at,
            folded_name,
            labels: task.labels.clone(),
        }
    }
}

fn lies_in(image: &TaskImage, DateFilter { field, range }: DateFilter) -> bool {
    let (start, end) = range.bounds();
    let time = match field {
        DateField::StartTime => image.start_time,
        DateField::EndTime => image.end_time,
        DateField::CreatedAt => image.created_at,
        DateField::UpdatedAt => image.updated_at,
        // The window does not include its end.
        DateField::Window => {
            return start.is_none_or(|start| image.end_time > start)
                && end.is_none_or(|end| image.start_time < end);
        }
    };
    start.is_none_or(|start| time >= start) && end.is_none_or(|end| time < end)
}
