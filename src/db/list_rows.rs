//! The rows of a list, kept as PostgreSQL sent them. Their values are read when they are written into the answer, so a task
//! takes no copy of its texts and no allocation of its own.

use std::{
    array, fmt,
    ops::{Range, RangeInclusive},
};

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::PgValue,
    row::{Field, Row as _},
};
use diesel_async::{AsyncConnectionCore, AsyncPgConnection};
use futures_util::TryStreamExt;
use strum::VariantArray;

use super::{
    list::{ListStatement, to_sums},
    row::{Column, to_status},
};
use crate::{
    domain::{
        attention::Attention,
        labels::pair,
        list::{CountMode, GrowingPage, ListQuery, PageTask},
        micros::Micros,
        status::TaskStatus,
        target::{TargetCounts, TargetSums},
        tenant::TenantId,
        view::TaskView,
    },
    error::{Error, Result},
};

/// The values before the columns of a task: total, time, and further numbers.
const HEAD: usize = 3;
const COLUMNS: usize = Column::target as usize + 1;
/// The difference between PostgreSQL's epoch, the year 2000, and that of Unix, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// The times that chrono can represent, in microseconds since 1970.
const TIMES: RangeInclusive<i64> =
    DateTime::<Utc>::MIN_UTC.timestamp_micros()..=DateTime::<Utc>::MAX_UTC.timestamp_micros();

type PgRow = <AsyncPgConnection as AsyncConnectionCore>::Row<'static, 'static>;

/// The result of a list query.
#[derive(Debug)]
pub struct ListRows {
    /// The number of matching tasks; `None` unless requested.
    pub total: Option<i64>,
    /// The time of the snapshot.
    pub as_of: DateTime<Utc>,
    /// The number of matching tasks per status, in the order of the status numbers; `None` unless requested.
    pub status_counts: Option<[i64; TaskStatus::VARIANTS.len()]>,
    /// The targets of all matching tasks; `None` unless requested.
    pub target_sums: Option<TargetSums>,
    /// The number of matching tasks of each kind of attention, in the order of their numbers; `None` unless requested.
    pub attention_counts: Option<[i64; Attention::VARIANTS.len()]>,
    /// The tasks of the page, and one more if there is a next page.
    rows: Vec<StoredTask>,
}

impl ListRows {
    /// The number of rows: the tasks of the page, and one more if there is a next page.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The tasks at these positions, each passed to `read`. INTERNAL if the database contains an invalid value.
    pub fn read(&self, at: Range<usize>, mut read: impl FnMut(&TaskView<'_>)) -> Result<()> {
        let rows = self.rows.get(at).unwrap_or_default();
        rows.iter().try_for_each(|row| row.view(&mut read))
    }

    /// The length of all texts.
    pub fn text_bytes(&self) -> usize {
        self.rows.iter().map(|row| row.plain).sum()
    }
}

/// A row with a task, as PostgreSQL sent it.
pub struct StoredTask {
    row: PgRow,
    /// The number of values before those of the task.
    head: usize,
    plain: usize,
}

impl fmt::Debug for StoredTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTask").finish_non_exhaustive()
    }
}

impl PageTask for StoredTask {
    fn plain(&self) -> usize {
        self.plain
    }

    fn escaped(&self) -> usize {
        let mut bytes = 0;
        // A row with an invalid value is an error when it is written.
        let _ = self.view(|task| bytes = task.escaped());
        bytes
    }
}

impl StoredTask {
    /// A row that has the task behind `head` other values. `None` for the row of an empty page.
    pub(super) fn new(row: PgRow, head: usize) -> Result<Option<Self>> {
        let length = |column: Column| {
            let field = row.get(head + column as usize);
            let bytes = field.as_ref().and_then(Field::value);
            bytes.map(|value| value.as_bytes().len())
        };
        let Some(task_id) = length(Column::task_id) else {
            return Ok(None);
        };
        let texts = [Column::name, Column::status_reason, Column::copied_from].map(length);
        // The header of an array of one dimension has 20 bytes, and each text begins with its length in 4 bytes.
        let target = length(Column::target).map(|bytes| bytes.saturating_sub(20));
        // At least as long as keys and values.
        let labels = length(Column::labels);
        let rest = texts.into_iter().chain([target, labels]).flatten();
        Ok(Some(Self {
            plain: task_id + rest.sum::<usize>(),
            head,
            row,
        }))
    }

    /// The length of all texts.
    pub fn text_bytes(&self) -> usize {
        self.plain
    }

    /// Passes the task to `read`. INTERNAL if the database contains an invalid value.
    pub fn view(&self, read: impl FnOnce(&TaskView<'_>)) -> Result<()> {
        // Each borrows from the one before.
        let fields: [_; COLUMNS] = array::from_fn(|at| self.row.get(self.head + at));
        let values = fields.each_ref().map(|f| f.as_ref().and_then(Field::value));
        let of = |column: Column| bytes(&values[column as usize]);
        let text = |column| of(column).and_then(to_text);
        let time = |column| of(column).and_then(to_time);
        let number = |column| of(column).and_then(|bytes| to_number(bytes).map(i32::from_be_bytes));
        let small = |column| of(column).and_then(|bytes| to_number(bytes).map(i16::from_be_bytes));

        let mut target = Vec::new();
        elements(of(Column::target)?, |element| {
            target.push(to_text(element)?);
            Ok(())
        })?;
        let mut labels = Vec::new();
        if let Some(terms) = &values[Column::labels as usize] {
            elements(terms.as_bytes(), |element| {
                labels.extend(pair(to_text(element)?));
                Ok(())
            })?;
        }
        let created_at = time(Column::created_at)?;
        let target_count = number(Column::target_count)?;
        let results = [
            number(Column::targets_answered)?,
            number(Column::targets_no_answer)?,
            number(Column::targets_busy)?,
            number(Column::targets_failed)?,
            number(Column::targets_skipped)?,
        ];
        read(&TaskView {
            task_id: text(Column::task_id)?,
            name: text(Column::name)?,
            target: &target,
            start_time: time(Column::start_time)?,
            end_time: time(Column::end_time)?,
            status: to_status(small(Column::status)?)?,
            progress: small(Column::progress)?,
            created_at,
            updated_at: time(Column::updated_at)?,
            target_count,
            status_reason: text(Column::status_reason)?,
            // A task whose status never changed has had it since it was made.
            status_changed_at: match &values[Column::status_changed_at as usize] {
                Some(value) => to_time(value.as_bytes())?,
                None => created_at,
            },
            target_counts: TargetCounts::of_results(target_count, results),
            labels: &labels,
            revision: i64::from_be_bytes(to_number(of(Column::revision)?)?),
            copied_from: text(Column::copied_from)?,
            last_result_at: match &values[Column::last_result_at as usize] {
                Some(value) => Some(to_time(value.as_bytes())?),
                None => None,
            },
        });
        Ok(())
    }
}

/// Reads a list. `None` once the page is too large, with rows left unread.
pub(super) async fn list_rows_on(
    connection: &mut &AsyncPgConnection,
    tenant: &TenantId,
    query: &ListQuery,
) -> QueryResult<Option<Result<ListRows>>> {
    let statement = ListStatement::new(tenant, query);
    let mut rows = connection.load(statement).await?;
    let (mut head, mut page) = (None, GrowingPage::default());
    while let Some(row) = rows.try_next().await? {
        let stored = match &head {
            Some(_) => StoredTask::new(row, HEAD),
            None => read_head(&row).and_then(|read| {
                head = Some(read);
                StoredTask::new(row, HEAD)
            }),
        };
        match stored {
            Ok(stored) => {
                if stored.is_some_and(|task| !page.push(task)) {
                    return Ok(None);
                }
            }
            Err(error) => return Ok(Some(Err(error))),
        }
    }
    let head = head.ok_or_else(|| Error::internal("the list statement answered without a total"));
    Ok(Some(head.and_then(|(total, as_of, numbers)| {
        let mut numbers = numbers.into_iter();
        let status_counts = query.status_counts.then(|| take(&mut numbers));
        let target_sums = query.target_sums.then(|| take(&mut numbers));
        let attention = query.attention_counts.map(|_| take(&mut numbers));
        Ok(ListRows {
            // The strategy of the list may need the total even if the caller did not request it.
            total: total.filter(|_| query.count == CountMode::Exact),
            as_of,
            status_counts: status_counts.transpose()?,
            target_sums: target_sums.transpose()?.map(to_sums),
            attention_counts: attention.transpose()?,
            rows: page.tasks,
        })
    })))
}

/// Total, time, and the further numbers, from the first row. They are the same in all rows.
type Head = (Option<i64>, DateTime<Utc>, Vec<i64>);

fn read_head(row: &PgRow) -> Result<Head> {
    let fields: [_; HEAD] = array::from_fn(|at| row.get(at));
    let [total, as_of, numbers] = fields.each_ref().map(|f| f.as_ref().and_then(Field::value));
    let total = total.map(|value| to_number(value.as_bytes()).map(i64::from_be_bytes));
    let as_of = to_time(bytes(&as_of)?)?.time();
    let mut further = Vec::new();
    if let Some(numbers) = numbers {
        elements(numbers.as_bytes(), |element| {
            further.push(i64::from_be_bytes(to_number(element)?));
            Ok(())
        })?;
    }
    Ok((total.transpose()?, as_of.ok_or_else(invalid)?, further))
}

/// The next numbers of an array.
fn take<const COUNT: usize>(numbers: &mut impl Iterator<Item = i64>) -> Result<[i64; COUNT]> {
    let next: Vec<i64> = numbers.take(COUNT).collect();
    next.try_into().map_err(|_| invalid())
}

fn bytes<'a>(value: &Option<PgValue<'a>>) -> Result<&'a [u8]> {
    value.as_ref().map(PgValue::as_bytes).ok_or_else(invalid)
}

fn invalid() -> Error {
    Error::internal("the database sent a value in another form than the list statement asks for")
}

fn to_number<const BYTES: usize>(bytes: &[u8]) -> Result<[u8; BYTES]> {
    bytes.try_into().map_err(|_| invalid())
}

fn to_text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(Error::internal)
}

/// A timestamptz: microseconds since the year 2000. INTERNAL for infinity, and for a time that is out of chrono's range.
fn to_time(bytes: &[u8]) -> Result<Micros> {
    let since_2000 = i64::from_be_bytes(to_number(bytes)?);
    let micros = since_2000.checked_add(EPOCH).map(Micros);
    micros
        .filter(|at| TIMES.contains(&at.0))
        .ok_or_else(invalid)
}

/// The elements of an array of one dimension, each of which is passed to `read`. (PostgreSQL, `array_send`: the number of
/// dimensions, a flag, the type of the elements, for each dimension its length and first subscript, and for each element
/// its length and its bytes.)
fn elements<'a>(array: &'a [u8], mut read: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
    let (dimensions, rest) = split_number(array)?;
    match dimensions {
        0 => return Ok(()),
        1 => {}
        _ => return Err(invalid()),
    }
    let mut rest = rest.get(16..).ok_or_else(invalid)?;
    while !rest.is_empty() {
        let (length, behind) = split_number(rest)?;
        // NULL has the length -1.
        let length = usize::try_from(length).map_err(|_| invalid())?;
        let (element, behind) = behind.split_at_checked(length).ok_or_else(invalid)?;
        read(element)?;
        rest = behind;
    }
    Ok(())
}

fn split_number(bytes: &[u8]) -> Result<(i32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk().ok_or_else(invalid)?;
    Ok((i32::from_be_bytes(*number), rest))
}
