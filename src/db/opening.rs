//! The beginning of a write: everything that it reads before it decides, in one round trip.

use std::collections::HashSet;

use diesel::result::OptionalExtension;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::join5;

use super::{
    Met, Transaction,
    idempotency::{Claim, ClaimStatement, KnownStatement},
    list::{ListStatement, Row},
    row::{TaskRow, to_task},
    target_changes::{Find, FindStatement, FoundRow},
    tasks::tasks_of,
    writes::LockStatement,
};
use crate::{
    domain::{idempotency::Idempotency, list::ListQuery, task::Task},
    error::Result,
};

/// What a write reads before it decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opening<'a> {
    /// The tasks to lock, by their ids.
    pub tasks: &'a [&'a str],
    /// The targets to find, in the first of these tasks.
    pub targets: Find<'a>,
    /// The tasks to list after the lock.
    pub list: Option<&'a ListQuery>,
}

/// What [`Transaction::open`] read.
#[derive(Debug)]
pub struct Opened {
    /// What is known about the write. The rest is empty unless it is [`Claim::New`].
    pub claim: Claim,
    /// The tasks that exist, locked until the transaction ends, in the order of their ids.
    pub tasks: Vec<Task>,
    /// The targets that exist.
    pub targets: Vec<Met>,
    /// The listed tasks.
    pub list: Vec<Task>,
}

/// The rows of an opening.
struct Read {
    /// Where the row of the claimed key is.
    claimed: Option<String>,
    tasks: Vec<TaskRow>,
    targets: Vec<FoundRow>,
    list: Vec<Row>,
}

impl Transaction<'_> {
    /// Begins the transaction unless it has begun, claims the key of the write, and reads what
    /// `opening` names. All of it is one round trip; two for a write that was done before or of tasks that do not exist.
    ///
    /// If the key is not new, no task is locked, so a repeated call waits for nobody.
    pub async fn open(
        &mut self,
        write: Option<&Idempotency>,
        opening: Opening<'_>,
    ) -> Result<Opened> {
        let mut read = self.read(write, opening, true).await?;
        self.claimed = read.claimed.take();
        let claim = match write {
            // No row was written: the key is in use.
            Some(write) if self.claimed.is_none() => self.known(write).await?,
            _ => Claim::New,
        };
        // An import that replaces a task deletes its row and inserts another one. A lock that has waited for that import
        // finds neither of them, and the next statement finds the new one.
        let named: HashSet<_> = opening.tasks.iter().collect();
        if matches!(claim, Claim::New) && read.tasks.len() < named.len() {
            read = self.read(write, opening, false).await?;
        }
        Ok(Opened {
            claim,
            tasks: read.tasks.into_iter().map(to_task).collect::<Result<_>>()?,
            targets: read
                .targets
                .into_iter()
                .map(Met::of_row)
                .collect::<Result<_>>()?,
            list: tasks_of(read.list)?,
        })
    }

    /// Claims the key of the write if `claims`, then locks, finds and lists what `opening` names.
    async fn read(
        &mut self,
        write: Option<&Idempotency>,
        opening: Opening<'_>,
        claims: bool,
    ) -> Result<Read> {
        let Opening {
            tasks,
            targets,
            list,
        } = opening;
        let tenant = self.tenant.as_str();
        let key = write.map(|write| write.key.as_str());
        let claim = write.filter(|_| claims);
        let claim = claim.map(|write| ClaimStatement::new(tenant, write));
        let lock = LockStatement::new(tenant, key, tasks);
        let find = tasks
            .first()
            .and_then(|task_id| FindStatement::new(tenant, task_id, targets));
        let list = list.map(|query| ListStatement::new(self.tenant, query));
        let is_begun = std::mem::replace(&mut self.is_begun, true);
        self.run(async |connection| {
            let shared = *connection;
            // BEGIN is sent when it is polled for the first time. The others take turns at the
            // cache of prepared statements, in the order in which join5 polls them.
            let begin = async {
                match is_begun {
                    true => Ok(()),
                    false => (&mut &*shared).batch_execute("BEGIN").await,
                }
            };
            let claim = async {
                match claim {
                    Some(claim) => claim.get_result(&mut &*shared).await.optional(),
                    None => Ok(None),
                }
            };
            let lock = async {
                match lock {
                    Some(lock) => lock.load(&mut &*shared).await,
                    None => Ok(Vec::new()),
                }
            };
            let find = async {
                match find {
                    Some(find) => find.load(&mut &*shared).await,
                    None => Ok(Vec::new()),
                }
            };
            let list = async {
                match list {
                    Some(list) => list.load(&mut &*shared).await,
                    None => Ok(Vec::new()),
                }
            };
            let (begin, claimed, tasks, targets, list) =
                join5(begin, claim, lock, find, list).await;
            begin?;
            Ok(Read {
                claimed: claimed?,
                tasks: tasks?,
                targets: targets?,
                list: list?,
            })
        })
        .await
    }

    /// What is known about a write whose key is in use.
    async fn known(&mut self, write: &Idempotency) -> Result<Claim> {
        let known = KnownStatement {
            tenant: self.tenant.as_str(),
            key: &write.key,
        };
        let known = self
            .run(async |connection| known.get_result(connection).await.optional())
            .await?;
        Claim::of_known(write, known)
    }
}
