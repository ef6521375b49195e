//! Exports a filtered list of tasks completely, from one snapshot.

mod blocking;
pub(in crate::app) mod csv;
mod encoder;
mod format;
mod parts;
mod record;
mod sink;
mod temporary;
mod workbook;

use std::pin::pin;

use futures_util::{
    TryStreamExt,
    future::{Either, select},
};

pub use encoder::Encoder;
pub use format::{ExportFormat, FileForm, FileTimes};
pub use sink::Sink;

use self::blocking::blocking;
use super::App;
use crate::{
    domain::{export::ExportRequest, tenant::TenantId},
    error::{Error, ErrorKind, Result, Violations},
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
    /// Exports tasks with all of their data to a file, so that an import of it loses nothing. If `stop` resolves first,
    /// no file is created.
    ///
    /// NOT_FOUND if the tenant does not exist, FAILED_PRECONDITION if the file cannot be written or its format cannot
    /// represent the tasks.
    pub async fn task_export_to(
        &self,
        tenant: &TenantId,
        request: ExportRequest,
        sink: Sink,
        form: FileForm,
        progress: impl Fn(Exported),
        stop: impl Future<Output = ()>,
    ) -> Result<Exported> {
        self.tenant_check(tenant).await?;
        let write = pin!(async {
            let query = request.check_whole(Violations::new())?;
            let mut batches = self.db.tenant(tenant).task_export(query, None).await?;
            let mut encoder = Encoder::new(form, true)?;
            let start = encoder.start();
            let mut output = blocking(move || {
                let mut output = sink.open()?;
                output.write(&start)?;
                Ok(output)
            })
            .await?;
            let mut exported = Exported::default();
            while let Some(batch) = batches.try_next().await? {
                exported.tasks += batch.len() as u64;
                let targets = batch.iter().map(|e| e.task.target.len() as u64);
                exported.targets += targets.sum::<u64>();
                let work = move || {
                    output.write(&encoder.batch(&batch)?)?;
                    Ok((encoder, output))
                };
                (encoder, output) = blocking(work).await?;
                progress(exported);
            }
            let work = move || {
                output.write(&encoder.end()?)?;
                output.finish()
            };
            blocking(work).await?;
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
