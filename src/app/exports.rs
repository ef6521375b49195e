//! Exports by callers, as a stream of batches.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use futures_util::Stream;

use super::{App, Caller, figures::Transfer};
use crate::{
    db::{Batch, Export},
    domain::export::ExportRequest,
    error::{Result, Violations},
};

/// An export in progress: a stream of batches. It is complete if it ends without an error.
#[derive(Debug)]
pub struct TaskExport {
    batches: Export,
    transfer: Transfer,
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
    ) -> Result<TaskExport> {
        let query = request.check(violations)?;
        let transfer = self.counted.exports.begin();
        let tenant = self.db.tenant(&caller.tenant);
        let batches = tenant.task_export(query, deadline).await?;
        Ok(TaskExport { batches, transfer })
    }
}

impl Stream for TaskExport {
    type Item = Result<Batch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let batch = ready!(Pin::new(&mut self.batches).poll_next(context));
        match &batch {
            Some(Ok(batch)) => self.transfer.add_rows(batch.len() as u64),
            Some(Err(_)) => {}
            None => self.transfer.succeed(),
        }
        Poll::Ready(batch)
    }
}
