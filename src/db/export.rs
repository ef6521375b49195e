//! Exports: one long statement on its own connection, read no faster than the reader takes the tasks.
//!
//! A tokio task reads the rows, collects them into batches and sends these through a channel that holds two. If the
//! reader is slow, the channel fills up, the task stops reading, and PostgreSQL waits. An export that nobody reads
//! gives its permit up as soon as another tenant needs it. If the reader disconnects or the deadline passes, the task
//! cancels the statement and closes the connection, so that nothing of the export remains.

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
    traces,
};

/// The approximate memory of a batch, in bytes; far below the 4 MiB that most gRPC clients accept per message.
const BATCH_BYTES: usize = 256 * 1024;
/// The retry delay suggested to a caller that got no permit.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long an export waits for a permit if its tenant has no other export in progress.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the reader may pause while a tenant without any export waits for a permit.
const STALLED: Duration = Duration::from_secs(3);
/// Exports may last longer than other calls and have their own deadline, so the statement timeout is off.
const SETTINGS: &str = "SET statement_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// If an index has the requested order, a plan that reads and sorts everything is forbidden, whatever its estimated
/// cost.
const SETTINGS_ORDERED: &str = "SET statement_timeout = 0; SET enable_sort = off; SET enable_incremental_sort = off; \
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Consecutive tasks of an export, at least one.
pub type Batch = Vec<ExportedTask>;

/// An export in progress: a stream of batches. It is complete if it ends without an error. Dropping it ends the
/// statement.
#[derive(Debug)]
pub struct Export {
    /// The first batch. It is awaited before the stream is returned, so that early errors have no stream yet.
    first: Option<Batch>,
    rest: mpsc::Receiver<Result<Batch>>,
    is_ended: bool,
}

impl TenantDb<'_> {
    /// Starts an export that must end by `deadline`. UNAVAILABLE if the tenant holds its share of the permits, or if no
    /// permit becomes free in time.
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

    /// Starts an export for a watch, and returns the position in the change log of its snapshot. Waits for a permit.
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
        // Two batches, so that PostgreSQL prepares the next one while the reader sends one.
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
        tokio::spawn(traces::carried(async move {
            // The permit is released before the end is sent, even if the reader does not take it.
            let (end, sender) = work.run(deadline).await;
            let _ = sender.send(end).await;
        }));
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
            // A channel that closes without the final message must not look like the end of the tasks.
            None => {
                self.is_ended = true;
                Some(Err(Error::internal("the export was interrupted")))
            }
        })
    }
}

/// The side of an export that reads the database.
struct Work {
    connection: Connection,
    db: Db,
    tenant: TenantId,
    query: ExportQuery,
    /// Receives the log position of the snapshot, if requested.
    position: Option<oneshot::Sender<LogPosition>>,
    sender: mpsc::Sender<Result<Batch>>,
    permit: Permit,
}

impl Work {
    /// Reads until the end, until the reader disconnects, or until the deadline. Returns the final message: an empty
    /// batch marks the regular end.
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
                // The failure may come from the reader, with the statement still running.
                failed => failed,
            },
            () = sender.closed() => Ok(Vec::new()),
            () = passed => Err(Error::deadline_exceeded()),
        };
        // Sent before the connection closes, which happens when `self` is dropped: the process id
        // could belong to another session afterwards.
        cancel.send().await;
        (cut, sender)
    }

    async fn read(&mut self) -> Result<Batch> {
        let read = self.try_read().await;
        match read {
            Ok(end) => Ok(end),
            Err(ReadError::Database(error)) => Err(self.connection.failed(error).await.into()),
            Err(ReadError::Own(error)) => Err(error),
        }
    }

    async fn try_read(&mut self) -> Result<Batch, ReadError> {
        let statement = ExportStatement::new(&self.tenant, &self.query);
        let settings = match statement.is_ordered() {
            true => SETTINGS_ORDERED,
            false => SETTINGS,
        };
        self.connection
            .enter_now(&self.tenant)
            .await
            .map_err(Error::from)?;
        let _underway = self.connection.statements.begin();
        self.connection.batch_execute(settings).await?;
        if let Some(wanted) = self.position.take() {
            let database = self.db.tenant(&self.tenant);
            let position = database.log_position_on(&mut &*self.connection).await?;
            // If the receiver is gone, the channel of the batches is closed too.
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

/// Sends a batch when the reader has room. UNAVAILABLE if it has had none for [`STALLED`] and another tenant needs the
/// permit.
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
        // If the reader is gone, the closed channel ends the export in `run`.
        _ = sender.send(Ok(batch)) => Ok(()),
        () = is_wanted => {
            let why = format!("the client read nothing for {STALLED:?} while another tenant waits for a permit");
            Err(Error::unavailable(why, RETRY_AFTER).because(ErrorReason::ClientIdle))
        }
    }
}

/// Why reading failed. Database errors still have to be classified.
enum ReadError {
    Database(diesel::result::Error),
    Own(Error),
}

impl From<diesel::result::Error> for ReadError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Own(error)
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

/// The approximate memory of a task; at least its size in a message.
fn memory(exported: &ExportedTask) -> usize {
    const TEXT: usize = size_of::<String>();
    let ExportedTask { task, results } = exported;
    let targets = task.target.iter().map(|t| TEXT + t.len());
    let results = results
        .iter()
        .map(|r| size_of::<TargetResult>() + r.customer_id.len());
    let texts = task.task_id.len() + task.name.len() + task.status_reason.len();
    let texts = texts + task.copied_from.len();
    let labels = task.labels.iter().len() * 2 * TEXT + task.labels.text_bytes();
    size_of::<ExportedTask>() + texts + labels + targets.sum::<usize>() + results.sum::<usize>()
}
