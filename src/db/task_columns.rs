//! What all INSERTs of tasks have in common: the rows of a batch as arrays, one for each column.

use chrono::{DateTime, Utc};
use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::sql::{Part, sql};
use crate::{
    domain::{labels::Labels, limits::INLINE_TARGETS, task::NewTask},
    error::{Error, Result},
};

/// The columns of [`TaskColumns`], in its order.
pub(super) const NAMES: &str = "task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
    target_count, target, labels";
/// Their values in a row `n` of the arrays.
pub(super) const VALUES: &str = "n.task_id, n.name, n.start_time, n.end_time, n.status, n.progress, \
    coalesce(n.created_at, statement_timestamp()), coalesce(n.updated_at, statement_timestamp()), n.target_count, \
    n.target::text[], n.labels::text[]";

/// The columns of tasks, each as an array. Pushed, they are arguments of `unnest`.
#[derive(Debug, Default)]
pub(super) struct TaskColumns<'a> {
    task_ids: Vec<&'a str>,
    names: Vec<&'a str>,
    start_times: Vec<DateTime<Utc>>,
    end_times: Vec<DateTime<Utc>>,
    statuses: Vec<i16>,
    progress: Vec<i16>,
    created_at: Vec<Option<DateTime<Utc>>>,
    updated_at: Vec<Option<DateTime<Utc>>>,
    target_counts: Vec<i32>,
    /// The first targets of each, as the text of an array: PostgreSQL has no arrays of arrays of
    /// different lengths.
    targets: Vec<String>,
    /// The terms of the labels of each, as the text of an array; `None` if it has none.
    labels: Vec<Option<String>>,
}

impl<'a> TaskColumns<'a> {
    /// Adds a task.
    pub(super) fn add(&mut self, task: &'a NewTask) -> Result<()> {
        // Taken apart completely, so that a new field is not forgotten.
        let NewTask {
            task_id,
            name,
            targets,
            start_time,
            end_time,
            status,
            progress,
            created_at,
            updated_at,
            labels,
            // Only an import and a copy have these; each adds its own.
            status_reason: _,
            status_changed_at: _,
            results: _,
            copied_from: _,
        } = task;
        self.task_ids.push(task_id);
        self.names.push(name);
        self.start_times.push(*start_time);
        self.end_times.push(*end_time);
        self.statuses.push(*status as i16);
        self.progress.push(*progress);
        self.created_at.push(*created_at);
        self.updated_at.push(*updated_at);
        self.target_counts.push(count(targets.len())?);
        let inline = &targets[..targets.len().min(INLINE_TARGETS)];
        self.targets.push(array_text(inline));
        self.labels.push(labels_text(labels));
        Ok(())
    }
}

impl<'b> Part<'b> for &'b TaskColumns<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let TaskColumns {
            task_ids,
            names,
            start_times,
            end_times,
            statuses,
            progress,
            created_at,
            updated_at,
            target_counts,
            targets,
            labels,
        } = self;
        sql!(out,
            {&task_ids[..]} ", " {&names[..]} ", " {&start_times[..]} ", " {&end_times[..]} ", " {&statuses[..]} ", "
            {&progress[..]} ", " {&created_at[..]} ", " {&updated_at[..]} ", " {&target_counts[..]} ", " {&targets[..]} ", "
            {&labels[..]}
        )
    }
}

/// Tasks in the order of their ids: two writers of the same tasks that insert them in this order cannot deadlock.
pub(super) fn in_order<'a>(tasks: impl IntoIterator<Item = &'a NewTask>) -> Vec<&'a NewTask> {
    let mut sorted: Vec<&NewTask> = tasks.into_iter().collect();
    sorted.sort_by(|a, b| a.task_id.cmp(&b.task_id));
    sorted
}

/// An array as PostgreSQL reads it from a text: each element in quotes, with a backslash before
/// quotes and backslashes.
fn array_text(elements: &[String]) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        text.push_str(if index == 0 { "\"" } else { ",\"" });
        for c in element.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text.push('}');
    text
}

/// The labels as the text of an array; `None` if there are none.
fn labels_text(labels: &Labels) -> Option<String> {
    labels.terms().map(|terms| array_text(&terms))
}

pub(super) fn count(of: usize) -> Result<i32> {
    i32::try_from(of).map_err(Error::internal)
}
