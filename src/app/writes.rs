//! Changes of tasks. Each is one transaction: the caller's name for it is taken, the task is locked, the rules decide,
//! the change and the record of it are written, and what came of it is kept for a caller that tries again.

use super::{
    App, Caller,
    outcome::{self, Outcome},
};
use crate::{
    db::{Claim, NewEvent, Transaction},
    domain::{
        action::TaskAction,
        event::{Change, EventKind},
        filter::{TaskIds, TaskOrder},
        idempotency::Idempotency,
        list::{CountMode, ListQuery},
        page::Start,
        task::{NewTask, Task},
        time,
        write::{
            BulkAction, MAX_BULK_TASKS, NewTasks, Refused, TaskUpdate, Transition, check_etag,
        },
    },
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// What came of a write.
#[derive(Debug)]
pub struct Written<T> {
    /// The answer.
    pub outcome: T,
    /// It was done by an earlier call with the same idempotency key; this one did nothing.
    pub is_replay: bool,
}

/// Tasks that were made.
#[derive(Debug)]
pub struct Created {
    /// The tasks, in the order asked for.
    pub tasks: Vec<Task>,
    /// How often a customer was named again in its task, and kept once.
    pub repeated: usize,
}

/// What came of an action on all tasks of a filter.
#[derive(Debug)]
pub struct BulkOutcome {
    /// The tasks that were changed, or would be.
    pub task_ids: Vec<String>,
    /// Those of the filter that were not, as their status does not allow it.
    pub refused: Vec<Refused>,
}

impl App {
    /// Does `work` in one transaction, once for an idempotency key.
    pub(super) async fn write<T: Outcome>(
        &self,
        caller: &Caller,
        idempotency: Option<&Idempotency>,
        work: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<T>,
    ) -> Result<Written<T>> {
        let mut transaction = self.db.tenant(&caller.tenant).begin().await?;
        let mut done = write_in(&mut transaction, idempotency, work).await;
        if done.is_ok() {
            let checked = self.check_before_commit(caller, &mut transaction).await;
            done = checked.and(done);
        }
        transaction.end(done).await
    }

    /// Makes tasks: all, or none where an id is taken.
    pub async fn task_create(
        &self,
        caller: &Caller,
        new: NewTasks,
        idempotency: Option<Idempotency>,
    ) -> Result<Written<Created>> {
        let NewTasks { tasks, repeated } = new;
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
                    changes: as_made(task),
                })
                .collect();
            let made: Vec<Task> = tasks
                .iter()
                .filter_map(|task| Some(task.as_made(*stamps.get(&task.task_id)?)))
                .collect();
            // One statement made them all, so they have one time.
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
        update: TaskUpdate,
        idempotency: Option<Idempotency>,
    ) -> Result<Written<Task>> {
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

    /// Deletes a task, whatever its status.
    pub async fn task_delete(
        &self,
        caller: &Caller,
        task_id: &str,
        etag: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<Written<()>> {
        self.write(caller, idempotency.as_ref(), async |transaction| {
            let task = lock_one(transaction, task_id, etag).await?;
            let at = transaction.task_delete(task_id).await?;
            let gone = [
                Change::of("name", &task.name, ""),
                Change::of("status", task.status, ""),
                Change::of("target_count", task.target_count, ""),
            ];
            let event = NewEvent {
                task_id,
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
        transition: Transition,
        idempotency: Option<Idempotency>,
    ) -> Result<Written<Task>> {
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

    /// Does an action to all tasks of a filter whose status allows it: all of them, or none.
    pub async fn task_bulk(
        &self,
        caller: &Caller,
        bulk: BulkAction,
        idempotency: Option<Idempotency>,
    ) -> Result<Written<BulkOutcome>> {
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
            // Others may have changed them before they were locked, so that the filter does not match any more.
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

async fn write_in<T: Outcome>(
    transaction: &mut Transaction<'_>,
    idempotency: Option<&Idempotency>,
    work: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<T>,
) -> Result<Written<T>> {
    if let Some(done) = claim(transaction, idempotency).await? {
        return Ok(done);
    }
    let outcome = work(transaction).await?;
    keep(transaction, idempotency, &outcome).await?;
    Ok(Written {
        outcome,
        is_replay: false,
    })
}

/// What came of the same write before, where it was done; ABORTED where its name is that of another.
pub(super) async fn claim<T: Outcome>(
    transaction: &mut Transaction<'_>,
    idempotency: Option<&Idempotency>,
) -> Result<Option<Written<T>>> {
    let Some(write) = idempotency else {
        return Ok(None);
    };
    match transaction.idempotency_claim(write).await? {
        Claim::New => Ok(None),
        Claim::Done { version, outcome } => Ok(Some(Written {
            outcome: outcome::read(version, &outcome)?,
            is_replay: true,
        })),
        Claim::Other => {
            let what = "the idempotency_key was used for another request in the last 24 hours";
            Err(Error::new(ErrorKind::Aborted, what).because(ErrorReason::IdempotencyKeyReused))
        }
    }
}

/// Keeps what came of a write for whoever tries it again.
pub(super) async fn keep<T: Outcome>(
    transaction: &mut Transaction<'_>,
    idempotency: Option<&Idempotency>,
    outcome: &T,
) -> Result<()> {
    let Some(write) = idempotency else {
        return Ok(());
    };
    let text = outcome::write(outcome)?;
    let version = outcome::VERSION;
    transaction.idempotency_keep(write, version, &text).await
}

/// The task, locked; NOT_FOUND without it, ABORTED where it is not of this etag.
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

/// FAILED_PRECONDITION where a filter matches more than can be changed at once.
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

/// Those that the action is allowed to, and the others.
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

/// Does an action to locked tasks that allow it, and writes down by which key and why.
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

/// What a task is made with, as its first event tells it.
fn as_made(task: &NewTask) -> Vec<Change> {
    let made = [
        Change::of("name", "", &task.name),
        Change::of("start_time", "", time::to_rfc3339(task.start_time)),
        Change::of("end_time", "", time::to_rfc3339(task.end_time)),
        Change::of("target_count", "", task.targets.len()),
    ];
    made.into_iter().flatten().collect()
}
