//! A write, done once for an idempotency key.
//!
//! A transport parses a [`WriteRequest`]; the application checks it and does it in one transaction.
//! The transaction claims the caller's key first and stores the outcome last, so a caller that
//! repeats the request gets the same answer.

use super::{
    App, Caller,
    command_hash::Hashed,
    outcome::{self, Outcome},
};
use crate::{
    db::{Claim, Opened, Opening, Transaction, Work},
    domain::{
        idempotency::{Idempotency, IdempotencyKey},
        write::Command,
    },
    error::{Error, ErrorKind, ErrorReason, Result, Violations},
};

/// A write as a transport hands it over, not checked.
#[derive(Debug, Clone)]
pub struct WriteRequest<C> {
    /// What to do.
    pub command: C,
    /// The caller's key for it.
    pub key: IdempotencyKey,
    /// What the transport could not parse.
    pub violations: Violations,
}

/// What came of a write.
#[derive(Debug)]
pub struct Written<T> {
    /// The answer.
    pub outcome: T,
    /// An earlier call with the same idempotency key did the write; this one changed nothing.
    pub is_replay: bool,
}

impl<C> WriteRequest<C> {
    /// A request without an idempotency key, all of which could be parsed.
    pub fn of(command: C) -> Self {
        Self {
            command,
            key: IdempotencyKey::default(),
            violations: Violations::new(),
        }
    }

    /// The checked write, and its key with the write's hash. INVALID_ARGUMENT names every
    /// violation: of the key, of what could not be parsed, of the values.
    pub(super) fn validate(self) -> Result<(C::Checked, Option<Idempotency>)>
    where
        C: Command<Checked: Hashed>,
    {
        let Self {
            command,
            key,
            violations: unparsed,
        } = self;
        let mut violations = Violations::new();
        key.check(&mut violations);
        violations.append(unparsed);
        let checked = command.validate(violations)?;
        let idempotency = match key.is_empty() {
            true => None,
            false => Some(Idempotency::new(key, checked.hash()?)),
        };
        Ok((checked, idempotency))
    }
}

impl App {
    /// Does `work` in one transaction, once for an idempotency key, with what `opening` reads.
    pub(super) async fn write<T: Outcome>(
        &self,
        caller: &Caller,
        idempotency: Option<&Idempotency>,
        opening: Opening<'_>,
        work: impl AsyncFnOnce(&mut Transaction<'_>, Opened) -> Result<T>,
    ) -> Result<Written<T>> {
        let name = std::any::type_name::<T>();
        let cost = Work::named(&caller.tenant, name, opening.tasks.len());
        let mut transaction = self.db.tenant(&caller.tenant).transaction(cost).await?;
        let done = self
            .write_in(&mut transaction, caller, idempotency, opening, work)
            .await;
        transaction.end(done).await
    }

    /// Does `work` in a transaction that its caller ends.
    pub(super) async fn write_in<T: Outcome>(
        &self,
        transaction: &mut Transaction<'_>,
        caller: &Caller,
        idempotency: Option<&Idempotency>,
        opening: Opening<'_>,
        work: impl AsyncFnOnce(&mut Transaction<'_>, Opened) -> Result<T>,
    ) -> Result<Written<T>> {
        let written = match open(transaction, idempotency, opening).await? {
            Begun::New(opened) => {
                if idempotency.is_none() {
                    // The locks are held, so the change does not wait for other writers.
                    self.check_before_commit(caller, transaction).await?;
                    transaction.commit_with_change();
                }
                let outcome = work(transaction, opened).await?;
                keep(transaction, idempotency, &outcome)?;
                Written {
                    outcome,
                    is_replay: false,
                }
            }
            Begun::Done(done) => done,
        };
        if !transaction.is_committed() {
            self.check_before_commit(caller, transaction).await?;
        }
        Ok(written)
    }
}

/// The beginning of a write.
pub(super) enum Begun<T> {
    /// It has to be done, with what was read.
    New(Opened),
    /// It was done before.
    Done(Written<T>),
}

/// Opens the transaction and claims the key. Returns the stored outcome where the same write was
/// done before; ABORTED where another one was.
pub(super) async fn open<T: Outcome>(
    transaction: &mut Transaction<'_>,
    idempotency: Option<&Idempotency>,
    opening: Opening<'_>,
) -> Result<Begun<T>> {
    let opened = transaction.open(idempotency, opening).await?;
    match opened.claim {
        Claim::New => Ok(Begun::New(opened)),
        Claim::Done { version, outcome } => Ok(Begun::Done(Written {
            outcome: outcome::read(version, &outcome)?,
            is_replay: true,
        })),
        Claim::Other => {
            let what = "the idempotency_key was used for another request in the last 24 hours";
            Err(Error::new(ErrorKind::Aborted, what).because(ErrorReason::IdempotencyKeyReused))
        }
    }
}

/// Stores the outcome of a write whose key was claimed, when the transaction is committed.
pub(super) fn keep<T: Outcome>(
    transaction: &mut Transaction<'_>,
    idempotency: Option<&Idempotency>,
    outcome: &T,
) -> Result<()> {
    if idempotency.is_some() {
        transaction.idempotency_keep(outcome::VERSION, outcome::write(outcome)?);
    }
    Ok(())
}
