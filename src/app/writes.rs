//! Writes to tasks. Each is one transaction: it claims the idempotency key, locks the task, checks the rules against the
//! locked row, changes it, writes the event, and stores the outcome for a caller that repeats the request.

use std::collections::BTreeSet;

use super::{
    App, Caller,
    results::{BulkOutcome, Created},
    write_once::{WriteRequest, Written},
};
use crate::{
    db::{EventCustomers, NewEvents, Opening, TasksAt, Transaction},
    domain::{
        action::TaskAction,
        event::{Change, EventKind},
        filter::TaskIds,
        labels::Labels,
        list::{CountMode, ListQuery},
        order::TaskOrder,
        page::Start,
        status::TaskStatus,
        task::{NewTask, Task},
        time,
        write::{
            BulkAction, BulkChange, CreateTasks, DeleteTask, MAX_BULK_TASKS, Refused, Transition,
            UpdateTask, check_etag,
        },
    },
    error::{Error, ErrorKind, ErrorReason, Result},
};

impl App {
    /// Creates tasks: all of them, or none where an id is taken (ALREADY_EXISTS).
    pub async fn task_create(
        &self,
        caller: &Caller,
        request: WriteRequest<CreateTasks>,
    ) -> Result<Written<Created>> {
        let (new, idempotency) = request.validate()?;
        let repeated = new.repeated;
        let tasks = new.into_tasks();
        let opening = Opening::default();
        self.write(
            caller,
            idempotency.as_ref(),
            opening,
            async |transaction, _| {
                let events = NewEvents {
                    kind: EventKind::Created,
                    key_id: caller.key_id.as_str(),
                    customers: EventCustomers::None,
                    reason: "",
                    tasks: tasks
                        .iter()
                        .map(|task| (&*task.task_id, initial_values(task, task.targets.len())))
                        .collect(),
                };
                let stamps = transaction.task_insert(&tasks, events).await?;
                let ids = tasks.iter().map(|t| t.task_id.as_str());
                let taken: Vec<&str> = ids.filter(|id| !stamps.contains_key(*id)).collect();
                if !taken.is_empty() {
                    return Err(Error::task_ids_taken(&taken));
                }
                let made = tasks
                    .iter()
                    .filter_map(|task| Some(task.as_made(*stamps.get(&task.task_id)?)));
                Ok(Created {
                    tasks: made.collect(),
                    repeated,
                })
            },
        )
        .await
    }

    /// Changes a task's name, times and labels.
    pub async fn task_update(
        &self,
        caller: &Caller,
        request: WriteRequest<UpdateTask>,
    ) -> Result<Written<Task>> {
        let (update, idempotency) = request.validate()?;
        let (task_id, etag) = (update.task_id.clone(), update.etag.clone());
        let opening = Opening {
            tasks: &[&task_id],
            ..Opening::default()
        };
        self.write(
            caller,
            idempotency.as_ref(),
            opening,
            async |transaction, opened| {
                let task = locked(opened.tasks, &task_id, &etag)?;
                let updated = update.apply(&task)?;
                let mut changes: Vec<Change> = [
                    Change::of("name", &task.name, &updated.name),
                    Change::of(
                        "start_time",
                        time::to_rfc3339(task.start_time),
                        time::to_rfc3339(updated.start_time),
                    ),
                    Change::of(
                        "end_time",
                        time::to_rfc3339(task.end_time),
                        time::to_rfc3339(updated.end_time),
                    ),
                ]
                .into_iter()
                .flatten()
                .collect();
                changes.extend(label_changes(&task.labels, &updated.labels));
                if changes.is_empty() {
                    return Ok(task);
                }
                let events = NewEvents {
                    kind: EventKind::Updated,
                    key_id: caller.key_id.as_str(),
                    customers: EventCustomers::None,
                    reason: "",
                    tasks: vec![(&task_id, changes)],
                };
                transaction
                    .task_set_fields(&task_id, &updated, events)
                    .await
            },
        )
        .await
    }

    /// Deletes a task in any status.
    pub async fn task_delete(
        &self,
        caller: &Caller,
        request: WriteRequest<DeleteTask>,
    ) -> Result<Written<()>> {
        let (DeleteTask { task_id, etag }, idempotency) = request.validate()?;
        let opening = Opening {
            tasks: &[&task_id],
            ..Opening::default()
        };
        self.write(
            caller,
            idempotency.as_ref(),
            opening,
            async |transaction, opened| {
                let task = locked(opened.tasks, &task_id, &etag)?;
                let gone = deleted_values(&task.name, task.status, task.target_count);
                let events = NewEvents {
                    kind: EventKind::Deleted,
                    key_id: caller.key_id.as_str(),
                    customers: EventCustomers::None,
                    reason: "",
                    tasks: vec![(&task_id, gone)],
                };
                transaction.task_delete(&task_id, events).await
            },
        )
        .await
    }

    /// Starts, pauses, resumes or ends a task.
    pub async fn task_transition(
        &self,
        caller: &Caller,
        request: WriteRequest<Transition>,
    ) -> Result<Written<Task>> {
        let (transition, idempotency) = request.validate()?;
        let opening = Opening {
            tasks: &[&transition.task_id],
            ..Opening::default()
        };
        self.write(
            caller,
            idempotency.as_ref(),
            opening,
            async |transaction, opened| {
                let task = locked(opened.tasks, &transition.task_id, &transition.etag)?;
                transition.apply(&task)?;
                let Transition { action, reason, .. } = &transition;
                let changed = act(
                    transaction,
                    caller.key_id.as_str(),
                    *action,
                    reason,
                    &[&task],
                )
                .await?;
                let changed = changed.into_iter().next();
                changed.ok_or_else(|| Error::internal("a locked task was not there to be changed"))
            },
        )
        .await
    }

    /// Does an action to all tasks of a filter whose status allows it: all of them, or none. A dry run changes nothing, and
    /// its idempotency key is not used.
    pub async fn task_bulk(
        &self,
        caller: &Caller,
        request: WriteRequest<BulkChange>,
    ) -> Result<Written<BulkOutcome>> {
        let (bulk, idempotency) = request.validate()?;
        let mut query = ListQuery {
            filter: bulk.filter.clone(),
            order: TaskOrder::default(),
            start: Start::Offset(0),
            limit: MAX_BULK_TASKS,
            target_limit: 0,
            count: CountMode::Exact,
            status_counts: false,
            target_sums: false,
            attention_counts: None,
        };
        let TasksAt {
            total: matched,
            tasks,
            as_of: _,
        } = self.db.tenant(&caller.tenant).task_list(&query).await?;
        if bulk.dry_run {
            check_matched(matched)?;
            let (allowed, refused) = part(&bulk, &tasks);
            return Ok(Written {
                outcome: BulkOutcome {
                    task_ids: allowed.iter().map(|t| t.task_id.clone()).collect(),
                    refused,
                },
                is_replay: false,
            });
        }
        // Too many are refused, so none of them is locked.
        let found = if matched <= MAX_BULK_TASKS {
            tasks
        } else {
            Vec::new()
        };
        let ids: Vec<String> = found.into_iter().map(|t| t.task_id).collect();
        let tasks: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut opening = Opening {
            tasks: &tasks,
            ..Opening::default()
        };
        // Other writers may have changed the tasks before the lock, so the filter is applied again
        // to the locked rows.
        if let Some(ids) = TaskIds::new(ids.clone()) {
            query.filter.set_ids(ids);
            opening.list = Some(&query);
        }
        self.write(
            caller,
            idempotency.as_ref(),
            opening,
            async |transaction, opened| {
                check_matched(matched)?;
                let locked = opened.list;
                let (allowed, refused) = part(&bulk, &locked);
                if bulk
                    .expected_count
                    .is_none_or(|n| n as usize != allowed.len())
                {
                    let what = format!(
                        "{} tasks would change, not as many as expected; nothing was changed",
                        allowed.len()
                    );
                    return Err(Error::new(ErrorKind::FailedPrecondition, what)
                        .because(ErrorReason::CountNotAsExpected)
                        .with_fact("count", allowed.len().to_string()));
                }
                let key_id = caller.key_id.as_str();
                act(transaction, key_id, bulk.action, &bulk.reason, &allowed).await?;
                Ok(BulkOutcome {
                    task_ids: allowed.iter().map(|t| t.task_id.clone()).collect(),
                    refused,
                })
            },
        )
        .await
    }
}

/// The locked task. NOT_FOUND where there is none, ABORTED where its etag is another one.
pub(super) fn locked(mut tasks: Vec<Task>, task_id: &str, etag: &str) -> Result<Task> {
    let task = tasks.pop().ok_or_else(|| Error::no_such_task(task_id))?;
    check_etag(etag, &task)?;
    Ok(task)
}

/// FAILED_PRECONDITION where the filter matches more tasks than one call changes.
fn check_matched(total: i64) -> Result<()> {
    if total <= MAX_BULK_TASKS {
        return Ok(());
    }
    let what = format!(
        "the filter matches {total} tasks; at most {MAX_BULK_TASKS} can be changed at once"
    );
    Err(Error::new(ErrorKind::FailedPrecondition, what)
        .because(ErrorReason::TooManyMatches)
        .with_fact("matched_count", total.to_string()))
}

/// Splits the tasks into those whose status allows the action, and the others.
fn part<'t>(bulk: &BulkAction, tasks: &'t [Task]) -> (Vec<&'t Task>, Vec<Refused>) {
    let (allowed, refused): (Vec<&Task>, Vec<&Task>) = tasks
        .iter()
        .partition(|task| bulk.action.apply(task.status).is_some());
    let refused = refused.into_iter().map(|task| Refused {
        task_id: task.task_id.clone(),
        status: task.status,
    });
    (allowed, refused.collect())
}

/// Does an action to locked tasks that all allow it, and writes an event for each with the key and the reason.
pub(super) async fn act(
    transaction: &mut Transaction<'_>,
    key_id: &str,
    action: TaskAction,
    reason: &str,
    tasks: &[&Task],
) -> Result<Vec<Task>> {
    let Some(status) = tasks.first().and_then(|task| action.apply(task.status)) else {
        return Ok(Vec::new());
    };
    let ids: Vec<&str> = tasks.iter().map(|t| t.task_id.as_str()).collect();
    let events = NewEvents {
        kind: action.into(),
        key_id,
        customers: EventCustomers::None,
        reason,
        tasks: tasks
            .iter()
            .map(|task| {
                let change = Change::of("status", task.status, status);
                (&*task.task_id, change.into_iter().collect())
            })
            .collect(),
    };
    transaction.task_set_status(&ids, status, events).await
}

/// The values of a deleted task, as its last event shows them.
pub(super) fn deleted_values(name: &str, status: TaskStatus, target_count: i32) -> Vec<Change> {
    let gone = [
        Change::of("name", name, ""),
        Change::of("status", status, ""),
        Change::of("target_count", target_count, ""),
    ];
    gone.into_iter().flatten().collect()
}

/// The values of an imported task, which may have begun already, as its first event shows them.
pub(super) fn imported_values(task: &NewTask) -> Vec<Change> {
    let mut values = initial_values(task, task.targets.len());
    if task.status != TaskStatus::Pending {
        values.extend(Change::of("status", "", task.status));
    }
    if task.progress != 0 {
        values.extend(Change::of("progress", "", task.progress));
    }
    values
}

/// The values of a new task, as its first event shows them.
pub(super) fn initial_values(task: &NewTask, target_count: impl ToString) -> Vec<Change> {
    let made = [
        Change::of("name", "", &task.name),
        Change::of("start_time", "", time::to_rfc3339(task.start_time)),
        Change::of("end_time", "", time::to_rfc3339(task.end_time)),
        Change::of("target_count", "", target_count),
    ];
    let labels = label_changes(&Labels::default(), &task.labels);
    made.into_iter().flatten().chain(labels).collect()
}

/// A change for each label that came, went or has another value.
fn label_changes(before: &Labels, after: &Labels) -> Vec<Change> {
    let keys: BTreeSet<&str> = [before, after]
        .into_iter()
        .flat_map(|labels| labels.iter().map(|(key, _)| key))
        .collect();
    let other = keys
        .into_iter()
        .filter(|key| before.get(key) != after.get(key));
    let value = |labels: &Labels, key| labels.get(key).map(str::to_owned);
    let changes = other.map(|key| Change {
        field: format!("labels.{key}"),
        before: value(before, key),
        after: value(after, key),
    });
    changes.collect()
}
