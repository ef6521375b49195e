//! Targets that are added to a task, a million and more in one call, as long as the client sends.
//!
//! One transaction on a connection of its own: nothing of it is visible before the end, and whatever ends it earlier
//! undoes it. The task's row is locked at the end alone, so the task can be started, listed and reported on meanwhile.

use sha2::{Digest, Sha256};

use super::{
    App, Caller,
    targets::recount,
    writes::{Written, claim, keep, lock_one},
};
use crate::{
    db::Transaction,
    domain::{
        event::EventKind,
        get::{GetQuery, Shown},
        idempotency::Idempotency,
        limits::{MAX_ID_CHARS, check_text},
        task::Task,
        write::valid,
    },
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation, Violations},
    permits::Permit,
};

/// Targets that were added.
#[derive(Debug)]
pub struct Added {
    /// How many.
    pub count: u32,
    /// How many the task had already, or were named again.
    pub duplicates: u32,
    /// The task afterwards.
    pub task: Task,
}

/// Targets on their way into a task.
#[derive(Debug)]
pub struct TargetUpload<'a> {
    app: &'a App,
    caller: &'a Caller,
    task_id: String,
    /// What tells the task from a later one of its id; `None` if it was not there when the upload began.
    generation: Option<i64>,
    transaction: Transaction<'a>,
    idempotency_key: String,
    hash: Sha256,
    /// The first free place in the task's order.
    next: i32,
    /// How many customers came so far.
    received: u32,
    added: u32,
    permit: Permit,
}

impl App {
    /// Begins to add targets to a task that has not ended, with those of the first message.
    pub async fn target_upload<'a>(
        &'a self,
        caller: &'a Caller,
        task_id: String,
        idempotency_key: String,
        customer_ids: &[String],
    ) -> Result<TargetUpload<'a>> {
        let mut faults = Violations::new();
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut faults);
        Idempotency::new(idempotency_key.clone(), "", &[], &mut faults);
        check_part(customer_ids, &mut faults);
        valid(faults)?;
        let permit = self
            .uploads
            .acquire_soon(&caller.tenant, super::UPLOAD_PATIENCE)
            .await;
        let permit = permit.ok_or_else(|| {
            let what = "as many calls that add targets are under way as there may be at a time";
            Error::unavailable(what, super::BUSY_RETRY_AFTER).because(ErrorReason::Overloaded)
        })?;
        let tenant = self.db.tenant(&caller.tenant);
        // First, so that whatever is seen after it is seen of this task or of a later one.
        let generation = tenant.task_generation(&task_id).await?;
        // A call that was done before gets its answer whatever became of the task; which call it is, its end tells.
        if idempotency_key.is_empty() || !tenant.idempotency_known(&idempotency_key).await? {
            let query = GetQuery::one(task_id.clone(), Shown::default(), Violations::new())?;
            let task = tenant.task_get(&query).await?.remove(&task_id);
            check_open(&task.ok_or_else(|| Error::no_such_task(&task_id))?)?;
        }
        let mut transaction = tenant.begin_alone().await?;
        let next = transaction.target_turn(&task_id).await?;
        let mut upload = TargetUpload {
            app: self,
            caller,
            task_id,
            generation,
            transaction,
            idempotency_key,
            hash: Sha256::new(),
            next,
            received: 0,
            added: 0,
            permit,
        };
        upload.insert(customer_ids).await?;
        Ok(upload)
    }
}

impl TargetUpload<'_> {
    /// The task that is added to.
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// Ends once a tenant that adds no targets at all waits for its turn.
    pub async fn wanted(&self) {
        self.permit.wanted().await;
    }

    /// Adds those of a further message, which has these faults already.
    pub async fn add(&mut self, customer_ids: &[String], mut faults: Violations) -> Result<()> {
        check_part(customer_ids, &mut faults);
        valid(faults)?;
        self.insert(customer_ids).await
    }

    async fn insert(&mut self, customer_ids: &[String]) -> Result<()> {
        for customer in customer_ids {
            self.hash.update((customer.len() as u64).to_be_bytes());
            self.hash.update(customer);
        }
        let count = i32::try_from(customer_ids.len()).map_err(Error::internal)?;
        let Some(next) = self.next.checked_add(count) else {
            return Err(too_many());
        };
        let added = self
            .transaction
            .target_add(&self.task_id, self.next, customer_ids)
            .await?;
        self.next = next;
        self.received = self.received.saturating_add(count.unsigned_abs());
        self.added += added as u32; // no more than `count`
        Ok(())
    }

    /// Makes all of them visible, at once and for good.
    pub async fn finish(mut self) -> Result<Written<Added>> {
        match self.close().await {
            // What was added now is what others removed since the call was done: it stays removed.
            Ok(written) if written.is_replay => {
                self.transaction.rollback().await;
                Ok(written)
            }
            Ok(added) => {
                let checked = self
                    .app
                    .check_before_commit(self.caller, &mut self.transaction)
                    .await;
                self.transaction.end(checked.map(|()| added)).await
            }
            failed => self.transaction.end(failed).await,
        }
    }

    async fn close(&mut self) -> Result<Written<Added>> {
        let transaction = &mut self.transaction;
        let idempotency = Idempotency::new(
            std::mem::take(&mut self.idempotency_key),
            &format!("add_targets/{}", self.task_id),
            &self.hash.clone().finalize(),
            &mut Violations::new(),
        );
        if let Some(done) = claim(transaction, idempotency.as_ref()).await? {
            return Ok(done);
        }
        let mut task = lock_one(transaction, &self.task_id, "").await?;
        if transaction.task_generation(&self.task_id).await? != self.generation {
            let what = "the task was deleted and made anew while its targets were sent; none of them was added";
            return Err(Error::new(ErrorKind::Aborted, what).because(ErrorReason::TaskReplaced));
        }
        check_open(&task)?;
        if self.added > 0 {
            let mut counts = task.target_counts;
            let total = counts.total().checked_add_unsigned(self.added);
            if total.is_none() {
                return Err(too_many());
            }
            counts.pending += self.added as i32; // as just seen
            transaction.task_set_inline(&self.task_id).await?;
            let (key_id, kind) = (self.caller.key_id.as_str(), EventKind::TargetsAdded);
            task = recount(transaction, key_id, &task, &counts, kind).await?;
        }
        let added = Added {
            count: self.added,
            duplicates: self.received - self.added,
            task,
        };
        keep(transaction, idempotency.as_ref(), &added).await?;
        Ok(Written {
            outcome: added,
            is_replay: false,
        })
    }
}

fn too_many() -> Error {
    Error::invalid(vec![Violation::new("customer_ids", Reason::TooManyTargets)])
}

/// Checks the customers of one message.
fn check_part(customer_ids: &[String], faults: &mut Violations) {
    for (place, customer) in customer_ids.iter().enumerate() {
        let field = format!("customer_ids[{place}]");
        check_text(&field, customer, MAX_ID_CHARS, faults);
    }
}

/// FAILED_PRECONDITION where a task has ended: nobody will call its new customers.
fn check_open(task: &Task) -> Result<()> {
    if task.allowed_actions().next().is_some() {
        return Ok(());
    }
    let what = format!(
        "the task is {}; targets are added to one that has not ended",
        task.status
    );
    Err(Error::new(ErrorKind::FailedPrecondition, what)
        .because(ErrorReason::TaskEnded)
        .with_fact("status", task.status.word()))
}
