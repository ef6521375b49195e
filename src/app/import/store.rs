//! Where the tasks of an import go: two ways of the same transaction.

use std::collections::HashSet;

use crate::{
    app::writes::{deleted_values, imported_values},
    db::{Deleted, EventCustomers, ImportTransaction, NewEvents, NewResults, Transaction},
    domain::{event::EventKind, task::NewTask},
    error::Result,
};

/// A transaction that loads tasks. Dropping it rolls it back.
pub(super) enum Store<'a> {
    /// That of a command, by COPY and without events.
    Copy(Box<ImportTransaction>),
    /// That of a caller with a key, by INSERT, which row-level security allows, and with an event for each task.
    Insert {
        transaction: Box<Transaction<'a>>,
        key_id: &'a str,
    },
}

impl Store<'_> {
    /// Waits until no other import that replaces tasks of this tenant is in progress.
    pub(super) async fn wait_for_turn(&mut self) -> Result<()> {
        match self {
            Self::Copy(transaction) => transaction.wait_for_turn().await,
            Self::Insert { transaction, .. } => transaction.import_turn().await,
        }
    }

    /// The ids among `ids` that exist already, in the table or in this transaction.
    pub(super) async fn tasks_taken(&mut self, ids: &[&str]) -> Result<HashSet<String>> {
        match self {
            Self::Copy(transaction) => transaction.tasks_taken(ids).await,
            Self::Insert { transaction, .. } => transaction.tasks_taken(ids).await,
        }
    }

    /// How many of these customers have a result that is not newer than the given one.
    pub(super) async fn results_kept(&mut self, new: &NewResults<'_>) -> Result<u64> {
        match self {
            Self::Copy(transaction) => transaction.results_kept(new).await,
            Self::Insert { transaction, .. } => transaction.results_kept(new).await,
        }
    }

    /// Deletes the tasks with these ids and their targets.
    pub(super) async fn tasks_delete(&mut self, ids: &[&str]) -> Result<Deleted> {
        let (transaction, key_id) = match self {
            Self::Copy(transaction) => return transaction.tasks_delete(ids).await,
            Self::Insert {
                transaction,
                key_id,
            } => (transaction, *key_id),
        };
        let locked = transaction.tasks_lock(ids).await?;
        let values = locked.iter().map(|task| {
            let values = deleted_values(&task.name, task.status()?, task.target_count);
            Ok((&*task.task_id, values))
        });
        let events = NewEvents {
            kind: EventKind::Deleted,
            key_id,
            customers: EventCustomers::None,
            reason: "",
            tasks: values.collect::<Result<_>>()?,
        };
        transaction.tasks_delete(&locked, events).await?;
        let mut all = Deleted::default();
        for task in &locked {
            all.results += task.results.unsigned_abs();
            if task.is_own {
                all.own.tasks += 1;
                all.own.targets += u64::from(task.target_count.unsigned_abs());
            }
        }
        Ok(all)
    }

    /// Loads `tasks`, whose ids must not exist yet.
    pub(super) async fn tasks_load(&mut self, tasks: &[&NewTask]) -> Result<()> {
        let (transaction, key_id) = match self {
            Self::Copy(transaction) => {
                return match transaction.tasks_copy(tasks).await {
                    Ok(()) => Ok(()),
                    Err(error) => Err(transaction.name_taken(tasks, error).await),
                };
            }
            Self::Insert {
                transaction,
                key_id,
            } => (transaction, *key_id),
        };
        let events = NewEvents {
            kind: EventKind::Created,
            key_id,
            customers: EventCustomers::None,
            reason: "",
            tasks: tasks
                .iter()
                .map(|task| (&*task.task_id, imported_values(task)))
                .collect(),
        };
        transaction.tasks_load(tasks, events).await
    }
}
