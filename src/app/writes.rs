//! Writes to tasks. Each is one transaction: it claims the idempotency key, locks the task, checks the rules against the
//! locked row, changes it, writes the event, and stores the outcome for a caller that repeats the request.

use super::{
    App, Caller,
    results::{BulkOutcome, Created},
    write_once::{WriteRequest, Written},
};
use crate::{
    db::{NewEvent, Transaction},
    domain::{
        action::TaskAction,
        event::{Change, EventKind},
        filter::TaskIds,
        list::{CountMode, ListQuery},
        order::TaskOrder,
        page::Start,
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
        self.write(caller, idempotency.as_ref(), async |transaction| {
            let stamps = transaction.task_insert(&tasks).await?;
            let ids = tasks.iter().map(|t| t.task_id.as_str());
            let taken: Vec<&str> = ids.filter(|id| !stamps.contains_key(*id)).collect();
            if !taken.is_empty() {
                return Err(Error::task_ids_taken(&taken));
            }
            let events: Vec<_> = tasks
                .iter()
                .map(|task| NewEvent {
                    task_id: &task.task_id,
                    kind: EventKind::Created,
                    changes: initial_values(task),
                })
                .collect();
            let made: Vec<Task> = tasks
                .iter()
                .filter_map(|task| Some(task.as_made(*stamps.get(&task.task_id)?)))
                .collect();
            // One statement inserted all of them, so they have the same time.
            if let Some(first) = made.first() {
                transaction
                    .events_add(first.updated_at, caller.key_id.as_str(), "", &events)
                    .await?;
            }
            Ok(Created {
                tasks: made,
                repeated,
            })
        })
        .await
    }

    /// Changes a task's name and times.
    pub async fn task_update(
        &self,
        caller: &Caller,
        request: WriteRequest<UpdateTask>,
    ) -> Result<Written<Task>> {
        let (update, idempotency) = request.validate()?;
        self.write(caller, idempotency.as_ref(), async |transaction| {
            let task = lock_one(transaction, &update.task_id, &update.etag).await?;
            let (name, start_time, end_time) = update.apply(&task)?;
            let changes: Vec<Change> = [
                Change::of("name", &task.name, &name),
                Change::of(
                    "start_time",
                    time::to_rfc3339(task.start_time),
                    time::to_rfc3339(start_time),
                ),
                Change::of(
                    "end_time",
                    time::to_rfc3339(task.end_time),
                    time::to_rfc3339(end_time),
                ),
            ]
            .into_iter()
            .flatten()
            .collect();
            if changes.is_empty() {
                return Ok(task);
            }
            let task_id = &task.task_id;
            let changed = transaction
                .task_set_fields(task_id, &name, start_time, end_time)
                .await?;
            let event = NewEvent {
                task_id,
                kind: EventKind::Updated,
                changes,
            };
            transaction
                .events_add(changed.updated_at, caller.key_id.as_str(), "", &[event])
                .await?;
            Ok(changed)
        })
        .await
    }

    /// Deletes a task in any status.
    pub async fn task_delete(
        &self,
        caller: &Caller,
        request: WriteRequest<DeleteTask>,
    ) -> Result<Written<()>> {
        let (DeleteTask { task_id, etag }, idempotency) = request.validate()?;
        self.write(caller, idempotency.as_ref(), async |transaction| {
            let task = lock_one(transaction, &task_id, &etag).await?;
            let at = transaction.task_delete(&task_id).await?;
            let gone = [
                Change::of("name", &task.name, ""),
                Change::of("status", task.status, ""),
                Change::of("target_count", task.target_count, ""),
            ];
            let event = NewEvent {
                task_id: &task_id,
                kind: EventKind::Deleted,
                changes: gone.into_iter().flatten().collect(),
            };
            transaction
                .events_add(at, caller.key_id.as_str(), "", &[event])
                .await
        })
        .await
    }

    /// Starts, pauses, resumes or ends a task.
    pub async fn task_transition(
        &self,
        caller: &Caller,
        request: WriteRequest<Transition>,
    ) -> Result<Written<Task>> {
        let (transition, idempotency) = request.validate()?;
        self.write(caller, idempotency.as_ref(), async |transaction| {
            let task = lock_one(transaction, &transition.task_id, &transition.etag).await?;
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
        })
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
        };
        let list = self.db.tenant(&caller.tenant).task_list(&query).await?;
        let matched = list.total.unwrap_or_default();
        if bulk.dry_run {
            check_matched(matched)?;
            let (allowed, refused) = part(&bulk, &list.tasks);
            return Ok(Written {
                outcome: BulkOutcome {
                    task_ids: allowed.iter().map(|t| t.task_id.clone()).collect(),
                    refused,
                },
                is_replay: false,
            });
        }
        self.write(caller, idempotency.as_ref(), async |transaction| {
            check_matched(matched)?;
            let ids: Vec<&str> = list.tasks.iter().map(|t| t.task_id.as_str()).collect();
            let locked = transaction.task_lock(&ids).await?;
            // Other writers may have changed the tasks before the lock, so the filter is applied again to the locked rows.
            let ids = TaskIds::new(locked.into_iter().map(|t| t.task_id).collect());
            let locked = match ids {
                None => Vec::new(),
                Some(ids) => {
                    query.filter.set_ids(ids);
                    transaction.task_list(&query).await?.tasks
                }
            };
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
        })
        .await
    }
}

/// Locks the task and returns it. NOT_FOUND where there is none, ABORTED where its etag is another one.
pub(super) async fn lock_one(
    transaction: &mut Transaction<'_>,
    task_id: &str,
    etag: &str,
) -> Result<Task> {
    let task = transaction.task_lock(&[task_id]).await?.pop();
    let task = task.ok_or_else(|| Error::no_such_task(task_id))?;
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
    let changed = transaction.task_set_status(&ids, status, reason).await?;
    let events: Vec<_> = tasks
        .iter()
        .map(|task| NewEvent {
            task_id: &task.task_id,
            kind: action.into(),
            changes: Change::of("status", task.status, status)
                .into_iter()
                .collect(),
        })
        .collect();
    if let Some(first) = changed.first() {
        let at = first.updated_at;
        transaction.events_add(at, key_id, reason, &events).await?;
    }
    Ok(changed)
}

/// The values of a new task, as its first event shows them.
fn initial_values(task: &NewTask) -> Vec<Change> {
    let made = [
        Change::of("name", "", &task.name),
        Change::of("start_time", "", time::to_rfc3339(task.start_time)),
        Change::of("end_time", "", time::to_rfc3339(task.end_time)),
        Change::of("target_count", "", task.targets.len()),
    ];
    made.into_iter().flatten().collect()
}
