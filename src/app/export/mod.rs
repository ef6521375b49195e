//! Exports a filtered list of tasks completely, from one snapshot.

pub mod csv;
mod record;
mod sink;

use std::{pin::pin, time::Instant};

use futures_util::{
    TryStreamExt,
    future::{Either, select},
};

pub use sink::{ExportFormat, Sink};

use self::{csv::Csv, sink::Output};
use super::{App, Caller};
use crate::{
    db::{Batch, Export},
    domain::{export::ExportRequest, tenant::TenantId, time::to_rfc3339},
    error::{Error, ErrorKind, Result, Violations},
};

/// The form of CSV that an import reads without loss.
const CSV: Csv = Csv {
    time: to_rfc3339,
    results: true,
};

/// What has been exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// The number of tasks.
    pub tasks: u64,
    /// The number of targets of these tasks.
    pub targets: u64,
}

impl App {
    /// Starts an export of the caller's tasks. `violations` are the violations that the transport
    /// found. At `deadline` the stream ends with an error.
    pub async fn task_export(
        &self,
        caller: &Caller,
        request: ExportRequest,
        violations: Violations,
        deadline: Option<Instant>,
    ) -> Result<Export> {
        let query = request.check(violations)?;
        let tenant = self.db.tenant(&caller.tenant);
        tenant.task_export(query, deadline).await
    }

    /// Exports tasks with all of their data to a file, so that an import of it loses nothing. If `stop` resolves first,
    /// no file is created.
    ///
    /// NOT_FOUND if the tenant does not exist, FAILED_PRECONDITION if the file cannot be written or CSV cannot
    /// represent the tasks.
    pub async fn task_export_to(
        &self,
        tenant: &TenantId,
        request: ExportRequest,
        sink: Sink,
        format: ExportFormat,
        progress: impl Fn(Exported),
        stop: impl Future<Output = ()>,
    ) -> Result<Exported> {
        self.tenant_check(tenant).await?;
        let write = pin!(async {
            let query = request.check_whole(Violations::new())?;
            let mut batches = self.db.tenant(tenant).task_export(query, None).await?;
            let mut output = blocking(move || sink.open()).await?;
            if format == ExportFormat::Csv {
                output = blocking(move || output.write(CSV.header().as_bytes()).map(|()| output))
                    .await?;
            }
            let mut exported = Exported::default();
            while let Some(batch) = batches.try_next().await? {
                exported.tasks += batch.len() as u64;
                let targets = batch.iter().map(|e| e.task.target.len() as u64);
                exported.targets += targets.sum::<u64>();
                output = blocking(move || write(output, &batch, format)).await?;
                progress(exported);
            }
            blocking(move || output.finish()).await?;
            Ok(exported)
        });
        match select(write, pin!(stop)).await {
            Either::Left((exported, _)) => exported,
            Either::Right(_) => {
                let what = "stopped; nothing was exported";
                Err(Error::new(ErrorKind::FailedPrecondition, what))
            }
        }
    }
}

fn write(mut output: Output, batch: &Batch, format: ExportFormat) -> Result<Output> {
    let mut bytes = Vec::new();
    match format {
        ExportFormat::Ndjson => {
            for exported in batch {
                record::write(exported, &mut bytes);
            }
        }
        ExportFormat::Csv => {
            let mut rows = String::new();
            for exported in batch {
                CSV.row(exported, &mut rows)?;
            }
            bytes = rows.into_bytes();
        }
    }
    output.write(&bytes)?;
    Ok(output)
}

/// Runs blocking work on tokio's blocking threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(Error::internal)?
}
