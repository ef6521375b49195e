//! The hash of a checked write, by which a repeated request is recognised under its idempotency key.
//!
//! It is SHA-256 over the name of the encoding and a JSON form of the write. The hash covers what
//! the write does, not the bytes that a transport received: two spellings of the same write have
//! the same hash, over every transport. Hashes are stored for 24 hours and compared by services of
//! other versions, so the forms are a format like those of `outcome`: a field keeps its name and
//! meaning, and a later one is left out of the JSON while it has its default. What cannot be
//! expressed so needs another [`ENCODING`]; requests that are repeated across that upgrade are then
//! refused.
//!
//! Each form destructures its write in full. A new field does not compile until the form has it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::stored::{ConditionForm, NewTaskForm};
use crate::{
    domain::{
        labels::Labels,
        target::TargetResult,
        words::Word,
        write::{
            BulkAction, CheckedCopy, DeleteTask, NewTasks, RemoveTargets, ReportedResults,
            TaskUpdate, Transition,
        },
    },
    error::{Error, Result},
};

/// The name of the encoding, which is hashed first.
const ENCODING: &str = "command 1\n";

/// A checked write that an idempotency key may name.
pub(super) trait Hashed {
    /// All that makes it differ from another write.
    fn form(&self) -> Form<'_>;

    /// The write's hash.
    fn hash(&self) -> Result<[u8; 32]> {
        let form = serde_json::to_vec(&self.form()).map_err(Error::internal)?;
        let mut hash = Sha256::new();
        hash.update(ENCODING);
        hash.update(form);
        Ok(hash.finalize().into())
    }
}

/// A write in the encoding's form. Times are RFC 3339 in UTC; enums are their documented words.
#[derive(Serialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(super) enum Form<'a> {
    Create {
        tasks: Vec<NewTaskForm<'a>>,
        repeated: usize,
    },
    BatchCreate {
        tasks: Vec<NewTaskForm<'a>>,
        repeated: usize,
    },
    Copy {
        source_task_id: &'a str,
        task: NewTaskForm<'a>,
        states: Vec<&'static str>,
    },
    Update {
        task_id: &'a str,
        etag: &'a str,
        name: Option<&'a str>,
        start_time: Option<DateTime<Utc>>,
        end_time: Option<DateTime<Utc>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        labels: Option<&'a Labels>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        label_values: &'a BTreeMap<String, Option<String>>,
    },
    Delete {
        task_id: &'a str,
        etag: &'a str,
    },
    Transition {
        task_id: &'a str,
        action: &'static str,
        reason: &'a str,
        etag: &'a str,
    },
    BulkChange {
        filter: Vec<ConditionForm<'a>>,
        action: &'static str,
        reason: &'a str,
        dry_run: bool,
        expected_count: Option<i32>,
    },
    AddTargets {
        task_id: &'a str,
        /// The number of customers and SHA-256 over each one's length and text: they pass by in a stream.
        customers: (u32, &'a [u8]),
    },
    RemoveTargets {
        task_id: &'a str,
        customer_ids: &'a [String],
        etag: &'a str,
    },
    ReportResults {
        task_id: &'a str,
        results: Vec<ResultForm<'a>>,
    },
}

#[derive(Serialize)]
pub(super) struct ResultForm<'a> {
    customer_id: &'a str,
    state: &'static str,
    attempt: i32,
    time: DateTime<Utc>,
}

/// The targets that a stream of messages added.
#[derive(Debug)]
pub(super) struct AddedTargets<'a> {
    pub(super) task_id: &'a str,
    pub(super) count: u32,
    pub(super) hash: &'a [u8],
}

impl Hashed for NewTasks {
    fn form(&self) -> Form<'_> {
        let &Self {
            is_batch,
            ref tasks,
            repeated,
        } = self;
        let tasks = tasks.iter().map(NewTaskForm::from).collect();
        match is_batch {
            false => Form::Create { tasks, repeated },
            true => Form::BatchCreate { tasks, repeated },
        }
    }
}

impl Hashed for CheckedCopy {
    fn form(&self) -> Form<'_> {
        let Self {
            source_task_id,
            task,
            states,
        } = self;
        Form::Copy {
            source_task_id,
            task: task.into(),
            states: states.iter().map(|state| state.word()).collect(),
        }
    }
}

impl Hashed for TaskUpdate {
    fn form(&self) -> Form<'_> {
        let Self {
            task_id,
            etag,
            name,
            start_time,
            end_time,
            labels,
            label_values,
        } = self;
        Form::Update {
            task_id,
            etag,
            name: name.as_deref(),
            start_time: *start_time,
            end_time: *end_time,
            labels: labels.as_ref(),
            label_values,
        }
    }
}

impl Hashed for DeleteTask {
    fn form(&self) -> Form<'_> {
        let Self { task_id, etag } = self;
        Form::Delete { task_id, etag }
    }
}

impl Hashed for Transition {
    fn form(&self) -> Form<'_> {
        let Self {
            task_id,
            action,
            reason,
            etag,
        } = self;
        Form::Transition {
            task_id,
            action: action.word(),
            reason,
            etag,
        }
    }
}

impl Hashed for BulkAction {
    fn form(&self) -> Form<'_> {
        let Self {
            filter,
            action,
            reason,
            dry_run,
            expected_count,
        } = self;
        Form::BulkChange {
            filter: filter.conditions().map(ConditionForm::from).collect(),
            action: action.word(),
            reason,
            dry_run: *dry_run,
            expected_count: *expected_count,
        }
    }
}

impl Hashed for AddedTargets<'_> {
    fn form(&self) -> Form<'_> {
        let Self {
            task_id,
            count,
            hash,
        } = self;
        Form::AddTargets {
            task_id,
            customers: (*count, hash),
        }
    }
}

impl Hashed for RemoveTargets {
    fn form(&self) -> Form<'_> {
        let Self {
            task_id,
            customer_ids,
            etag,
        } = self;
        Form::RemoveTargets {
            task_id,
            customer_ids,
            etag,
        }
    }
}

impl Hashed for ReportedResults {
    fn form(&self) -> Form<'_> {
        let Self { task_id, results } = self;
        Form::ReportResults {
            task_id,
            results: results.iter().map(ResultForm::from).collect(),
        }
    }
}

impl<'a> From<&'a TargetResult> for ResultForm<'a> {
    fn from(result: &'a TargetResult) -> Self {
        let TargetResult {
            customer_id,
            state,
            attempt,
            time,
        } = result;
        Self {
            customer_id,
            state: state.word(),
            attempt: *attempt,
            time: *time,
        }
    }
}
