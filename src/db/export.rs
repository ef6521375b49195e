//! Exports: one long statement each, on a connection of its own, read no faster than its reader takes the tasks.
//!
//! A task of its own reads the rows, gathers them into batches and hands these over by a channel that holds two; where
//! nobody takes them it stops reading, and PostgreSQL waits. An export that is not read gives its permit up as soon as
//! another tenant needs it. If the reader goes away or the deadline passes, it cancels
//! the statement and closes the connection, so that nothing of an export outlives it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use futures_util::{Stream, TryStreamExt};
use tokio::sync::{mpsc, oneshot};

use super::{
    Db, TenantDb,
    error::classify,
    list::export::{ExportStatement, Row},
    row::to_task,
    session::Connection,
};
use crate::{
    domain::{
        export::{ExportQuery, ExportedTask},
        target::{TargetResult, TargetState},
        tenant::TenantId,
        watch::LogPosition,
    },
    error::{Error, ErrorReason, Result},
    permits::Permit,
};

/// About how much memory the tasks of a batch take: far below the 4 MiB that most gRPC clients accept of a message.
const BATCH_BYTES: usize = 256 * 1024;
/// When a caller that found too many exports under way may try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long an export of a tenant that has none under way waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the reader of an export may take nothing once a tenant without any export waits for its turn.
const STALLED: Duration = Duration::from_secs(3);
/// An export may last longer than any other call, and has a deadline of its own.
const SETTINGS: &str = "SET statement_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Where an index has the order, PostgreSQL must not prefer to read all and sort, by whatever guess.
const SETTINGS_ORDERED: &str = "SET statement_timeout = 0; SET enable_sort = off; SET enable_incremental_sort = off; \
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Tasks that follow each other in an export, at least one.
pub type Batch = Vec<ExportedTask>;

/// An export under way: a stream of batches. It is whole if it ends without an error; dropping it ends its statement.
#[derive(Debug)]
pub struct Export {
    /// The batch that came first, which was waited for: what is wrong from the beginning is told before there is a
    /// stream.
    first: Option<Batch>,
    rest: mpsc::Receiver<Result<Batch>>,
    is_ended: bool,
}

impl TenantDb<'_> {
    /// Begins an export, which must end by `deadline` if there is one. UNAVAILABLE where the tenant has its share of the
    /// exports under way, or all of them are taken for a while.
    pub async fn task_export(
        &self,
        query: ExportQuery,
        deadline: Option<Instant>,
    ) -> Result<Export> {
        let permit = self.db.exports().acquire_soon(self.tenant, PATIENCE).await;
        let permit = permit.ok_or_else(|| {
            let why = "as many exports are under way as there may be at a time";
            Error::unavailable(why, RETRY_AFTER).because(ErrorReason::Overloaded)
        })?;
        self.export_begin(permit, query, deadline, None).await
    }

    /// The same for a watch, with the place in the log of changes that its snapshot has. Waits for its turn.
    pub async fn task_export_logged(
        &self,
        query: ExportQuery,
        deadline: Option<Instant>,
    ) -> Result<(Export, LogPosition)> {
        let permit = self.db.logged_exports().acquire(self.tenant).await;
        let (sender, position) = oneshot::channel();
        let export = self
            .export_begin(permit, query, deadline, Some(sender))
            .await?;
        Ok((export, position.await.map_err(Error::internal)?))
    }

    async fn export_begin(
        &self,
        permit: Permit,
        query: ExportQuery,
        deadline: Option<Instant>,
        position: Option<oneshot::Sender<LogPosition>>,
    ) -> Result<Export> {
        let connection = self.db.connect_alone().await?;
        let (sender, rest) = mpsc::channel(2);
        let work = Work {
            connection,
            db: self.db.clone(),
            tenant: self.tenant.clone(),
            query,
            position,
            sender,
            permit,
        };
        tokio::spawn(async move {
            // The next export may begin then, even if the reader of this one does not take its end.
            let (end, sender) = work.run(deadline).await;
            let _ = sender.send(end).await;
        });
        let mut export = Export {
            first: None,
            rest,
            is_ended: false,
        };
        export.first = export.try_next().await?;
        export.is_ended = export.first.is_none();
        Ok(export)
    }
}

impl Stream for Export {
    type Item = Result<Batch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.is_ended {
            return Poll::Ready(None);
        }
        self.rest.poll_recv(context).map(|batch| match batch {
            Some(Ok(batch)) if !batch.is_empty() => Some(Ok(batch)),
            Some(Ok(_)) => {
                self.is_ended = true;
                None
            }
            Some(Err(error)) => {
                self.is_ended = true;
                Some(Err(error))
            }
            // A channel that closes by itself must not pass for the end of the tasks.
            None => {
                self.is_ended = true;
                Some(Err(Error::internal("the export broke off")))
            }
        })
    }
}

/// The side that reads the database.
struct Work {
    connection: Connection,
    db: Db,
    tenant: TenantId,
    query: ExportQuery,
    /// Who wants to know where in the log of changes the snapshot is.
    position: Option<oneshot::Sender<LogPosition>>,
    sender: mpsc::Sender<Result<Batch>>,
    permit: Permit,
}

impl Work {
    /// Reads to the end, or until the reader is gone or the deadline passed. Answers what to tell last: an empty batch
    /// says that there is no more.
    async fn run(
        mut self,
        deadline: Option<Instant>,
    ) -> (Result<Batch>, mpsc::Sender<Result<Batch>>) {
        let cancel = self.connection.cancel();
        let sender = self.sender.clone();
        let passed = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let cut = tokio::select! {
            end = self.read() => match end {
                Ok(end) => return (Ok(end), sender),
                // The reader may be at fault, and the statement still run.
                failed => failed,
            },
            () = sender.closed() => Ok(Vec::new()),
            () = passed => Err(Error::deadline_exceeded()),
        };
        cancel.send().await;
        (cut, sender)
    }

    async fn read(&mut self) -> Result<Batch> {
        let read = self.try_read().await;
        match read {
            Ok(end) => Ok(end),
            Err(ReadError::Database(error)) => Err(classify(&mut self.connection, error).await),
            Err(ReadError::Ours(error)) => Err(error),
        }
    }

    async fn try_read(&mut self) -> Result<Batch, ReadError> {
        let statement = ExportStatement::new(&self.tenant, &self.query);
        let settings = match statement.is_ordered() {
            true => SETTINGS_ORDERED,
            false => SETTINGS,
        };
        self.connection.batch_execute(settings).await?;
        if let Some(wanted) = self.position.take() {
            let database = self.db.tenant(&self.tenant);
            let position = database.log_position_on(&mut self.connection).await?;
            // Whoever does not wait for it has closed the batches' channel too.
            let _ = wanted.send(position);
        }
        let mut rows = statement.load_stream::<Row>(&mut *self.connection).await?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let task = to_exported(row)?;
            bytes += memory(&task);
            batch.push(task);
            if bytes >= BATCH_BYTES {
                bytes = 0;
                hand_over(&self.sender, &self.permit, std::mem::take(&mut batch)).await?;
            }
        }
        if !batch.is_empty() {
            hand_over(&self.sender, &self.permit, batch).await?;
        }
        Ok(Vec::new())
    }
}

/// Waits until the reader has room for a batch; an error once it had none for long and another tenant needs the permit.
async fn hand_over(
    sender: &mpsc::Sender<Result<Batch>>,
    permit: &Permit,
    batch: Batch,
) -> Result<()> {
    let is_wanted = async {
        tokio::time::sleep(STALLED).await;
        permit.wanted().await;
    };
    tokio::select! {
        // A reader that is gone has closed the channel, which ends all of this.
        _ = sender.send(Ok(batch)) => Ok(()),
        () = is_wanted => {
            let why = format!("nothing was read for {STALLED:?} while another tenant waits for its turn");
            Err(Error::unavailable(why, RETRY_AFTER).because(ErrorReason::ClientIdle))
        }
    }
}

/// What can go wrong while rows are read: what PostgreSQL says has to be looked into.
enum ReadError {
    Database(diesel::result::Error),
    Ours(Error),
}

impl From<diesel::result::Error> for ReadError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

fn to_exported((task, customers, states, attempts, times): Row) -> Result<ExportedTask> {
    let customers = customers.unwrap_or_default().into_iter();
    let states = states.unwrap_or_default();
    let calls = attempts
        .unwrap_or_default()
        .into_iter()
        .zip(times.unwrap_or_default());
    let results = customers.zip(states).zip(calls);
    let results = results.map(|((customer_id, state), (attempt, time))| {
        let state = TargetState::from_number(state.into())
            .ok_or_else(|| Error::internal(format!("the database holds target state {state}")))?;
        Ok(TargetResult {
            customer_id,
            state,
            attempt,
            time,
        })
    });
    Ok(ExportedTask {
        results: results.collect::<Result<_>>()?,
        task: to_task(task)?,
    })
}

/// About what a task takes in memory; no less than in a message.
fn memory(exported: &ExportedTask) -> usize {
    const TEXT: usize = size_of::<String>();
    let ExportedTask { task, results } = exported;
    let targets = task.target.iter().map(|t| TEXT + t.len());
    let results = results
        .iter()
        .map(|r| size_of::<TargetResult>() + r.customer_id.len());
    let texts = task.task_id.len() + task.name.len() + task.status_reason.len();
    size_of::<ExportedTask>() + texts + targets.sum::<usize>() + results.sum::<usize>()
}
