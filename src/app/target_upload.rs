//! Adds targets to a task with a stream of messages, a million targets or more in one call.
//!
//! The upload is one transaction on a connection of its own. Nothing is visible before its end, and an early end rolls
//! it back. The row of the task is locked only at the end, so the task can be started, listed and reported on
//! meanwhile.

use sha2::{Digest, Sha256};

use super::{
    App, Caller,
    command_hash::{AddedTargets, Hashed},
    results::Added,
    targets::recount,
    write_once::{Begun, Written, keep, open},
    writes::locked,
};
use crate::{
    db::{EventCustomers, Opening, Transaction},
    domain::{
        event::EventKind,
        get::{GetQuery, Shown},
        idempotency::{Idempotency, IdempotencyKey, check_key},
        limits::{MAX_ID_CHARS, check_text},
        task::Task,
        words::Word,
        write::{TargetPart, valid},
    },
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation, Violations},
    permits::Permit,
};

/// An upload of targets that is in progress.
#[derive(Debug)]
pub struct TargetUpload<'a> {
    app: &'a App,
    caller: &'a Caller,
    task_id: String,
    /// Distinguishes the task from a later one with the same id; `None` if the task did not exist at the beginning.
    generation: Option<i64>,
    transaction: Transaction<'a>,
    idempotency_key: String,
    /// Hashes the customer ids, for the idempotency key.
    hash: Sha256,
    /// The ordinal of the first target that this upload adds.
    first: i32,
    /// The next free ordinal among the targets.
    next: i32,
    /// The number of customers received so far.
    received: u32,
    added: u32,
    permit: UploadPermit,
}

/// The permit of a call that adds as long as its client sends.
#[derive(Debug)]
pub struct UploadPermit(Permit);

impl UploadPermit {
    /// Resolves once a tenant without any upload waits for a permit.
    pub async fn wanted(&self) {
        self.0.wanted().await;
    }
}

impl App {
    /// A permit for a call that adds as long as its client sends, or that copies. UNAVAILABLE if none is free.
    pub async fn upload_permit(&self, caller: &Caller) -> Result<UploadPermit> {
        let patience = super::UPLOAD_PATIENCE;
        let permit = self.uploads.acquire_soon(&caller.tenant, patience).await;
        permit.map(UploadPermit).ok_or_else(|| {
            let what = "the maximum number of concurrent uploads, imports and copies is reached";
            Error::unavailable(what, super::BUSY_RETRY_AFTER).because(ErrorReason::Overloaded)
        })
    }

    /// Starts to add targets to a task that has not ended, with those of the first message. `unparsed` are the violations
    /// that the transport found in it. UNAVAILABLE if no permit is free.
    pub async fn target_upload<'a>(
        &'a self,
        caller: &'a Caller,
        first: TargetPart,
        unparsed: Violations,
    ) -> Result<TargetUpload<'a>> {
        let mut violations = Violations::new();
        check_text("task_id", &first.task_id, MAX_ID_CHARS, &mut violations);
        check_key(&first.idempotency_key, &mut violations);
        violations.append(unparsed);
        first.check_customers(&mut violations);
        valid(violations)?;
        let TargetPart {
            task_id,
            idempotency_key,
            customer_ids,
            of_first: _,
        } = first;
        let permit = self.upload_permit(caller).await?;
        let tenant = self.db.tenant(&caller.tenant);
        // Read first, so that everything read afterwards belongs to this task or a later one.
        let generation = tenant.task_generation(&task_id).await?;
        // A repeated call gets its stored outcome whatever has become of the task. Its hash is known only at the end.
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
            first: next,
            next,
            received: 0,
            added: 0,
            permit,
        };
        upload.insert(&customer_ids).await?;
        Ok(upload)
    }
}

impl TargetUpload<'_> {
    /// Resolves once a tenant without any upload waits for a permit.
    pub async fn wanted(&self) {
        self.permit.wanted().await;
    }

    /// Adds the targets of a later message.
    pub async fn add(&mut self, part: TargetPart) -> Result<()> {
        let customer_ids = part.validate_next(&self.task_id)?;
        self.insert(&customer_ids).await
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
        self.added += added as u32; // at most `count`
        Ok(())
    }

    /// Commits the upload, which makes all targets visible at once.
    pub async fn finish(mut self) -> Result<Written<Added>> {
        match self.close().await {
            // A replay: targets that others have removed since the original call must stay removed.
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

    /// Everything of [`Self::finish`] except the end of the transaction.
    async fn close(&mut self) -> Result<Written<Added>> {
        let hash = self.hash.clone().finalize();
        let write = AddedTargets {
            task_id: &self.task_id,
            count: self.received,
            hash: &hash,
        };
        // Services from before the command hash know this write by its task and the same hash of its customers.
        let key = std::mem::take(&mut self.idempotency_key);
        let call = format!("add_targets/{}", self.task_id);
        let key = IdempotencyKey::with_request(key, &call, || hash.to_vec());
        let transaction = &mut self.transaction;
        let idempotency = match key.is_empty() {
            true => None,
            false => Some(Idempotency::new(key, write.hash()?)),
        };
        let opening = Opening {
            tasks: &[&self.task_id],
            ..Opening::default()
        };
        let opened = match open(transaction, idempotency.as_ref(), opening).await? {
            Begun::New(opened) => opened,
            Begun::Done(done) => return Ok(done),
        };
        let mut task = locked(opened.tasks, &self.task_id, "")?;
        if transaction.task_generation(&self.task_id).await? != self.generation {
            let what = "the task was deleted and created again while its targets were sent; no target was added";
            return Err(Error::new(ErrorKind::Aborted, what).because(ErrorReason::TaskReplaced));
        }
        check_open(&task)?;
        if self.added > 0 {
            let mut counts = task.target_counts;
            let total = counts.total().checked_add_unsigned(self.added);
            if total.is_none() {
                return Err(too_many());
            }
            counts.pending += self.added as i32; // the sum was checked above
            let key_id = self.caller.key_id.as_str();
            let customers = EventCustomers::AddedFrom(self.first);
            let kind = EventKind::TargetsAdded;
            let counted = recount(key_id, &task, counts, kind, customers);
            task = transaction.task_set_counts(&self.task_id, counted).await?;
        }
        let added = Added {
            count: self.added,
            duplicates: self.received - self.added,
            task,
        };
        keep(transaction, idempotency.as_ref(), &added)?;
        Ok(Written {
            outcome: added,
            is_replay: false,
        })
    }
}

fn too_many() -> Error {
    Error::invalid(vec![Violation::new("customer_ids", Reason::TooManyTargets)])
}

/// FAILED_PRECONDITION if the task has ended, because nobody would call its new customers.
pub(super) fn check_open(task: &Task) -> Result<()> {
    if task.allowed_actions().next().is_some() {
        return Ok(());
    }
    let what = format!(
        "the task is {}; targets can only be added to a task that has not ended",
        task.status
    );
    Err(Error::new(ErrorKind::FailedPrecondition, what)
        .because(ErrorReason::TaskEnded)
        .with_fact("status", task.status.word()))
}
