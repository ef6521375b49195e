//! Imports tasks from a file, all or nothing.
//!
//! A thread reads and parses (`reader`). The loader takes one batch at a time, resolves conflicts of ids, separates bad
//! records and loads the good ones, all in one transaction. Memory holds about three batches, whatever the size of the
//! input; a workbook is in memory as a whole.
//!
//! The reader is a pipeline. It knows nothing of the command line, and its state is one `Reading`:
//!
//! | step | from | to | module |
//! | --- | --- | --- | --- |
//! | decode | bytes in UTF-8, UTF-16, GB18030, … | UTF-8 | `text`, `encoding` |
//! | split | CSV, NDJSON, one JSON document, a workbook | named values | `csv` (`dialect`, `row`, `columns`), `document`, `object`, `workbook` |
//! | read | the words, times and customers of others | a draft, with its repairs counted | `draft`, `words`, `times` (`time_text`), `customers` |
//! | check | a draft | a task, or all violations | `record`, `values`, `results`, `spoilt` |
//!
//! A `profile` knows the names and words of another vendor. In its list of leads, several records are one task (`groups`).
//!
//! A lead list (`leads`) has one customer a row, and is loaded by `lead_loader`; tasks are loaded by `loader`. A `table`
//! is either of them.
//!
//! A file of our own goes the same way without repairs, so that an export and its import lose nothing: CSV with exactly
//! the header of our export, and JSON records with the fields that only our lists have.

mod batches;
mod chunks;
mod columns;
mod csv;
mod customers;
mod delimiter;
mod dialect;
mod document;
mod draft;
mod encoding;
mod entry;
mod field;
mod format;
mod groups;
mod intake;
mod label_values;
mod lead_columns;
mod lead_loader;
mod leads;
mod loader;
mod object;
mod option_names;
mod options;
mod profile;
mod progress;
mod reader;
mod reading;
mod record;
mod rejects;
mod report;
mod results;
mod row;
mod source;
mod spoilt;
mod store;
mod table;
mod text;
mod time_text;
mod times;
mod upload;
mod values;
mod words;
mod workbook;

use std::{pin::pin, sync::Arc};

use futures_util::future::{Either, join, select};

pub use chunks::{Chunk, Chunks};
pub use delimiter::Delimiter;
pub use encoding::Encoding;
pub use field::FieldOrLabel;
pub(super) use format::Compression;
pub use format::ImportFormat;
pub use lead_columns::{Column as LeadColumn, LeadColumns};
pub use lead_loader::LeadImport;
pub use option_names::with_flags;
pub use options::{Import, OnConflict, ReadOptions};
pub use profile::Profile as ImportProfile;
pub use progress::ImportProgress;
pub use report::{ImportReport, ReadAs, Repairs};
pub use source::Source;
pub use upload::{BadRecord, LeadUpload, TaskUpload, Uploaded};

pub use crate::db::Loaded;

use self::{intake::Intake, loader::Loader, reader::Opening, source::Input, store::Store};
use super::App;
use crate::{
    db::ImportTransaction,
    domain::tenant::TenantId,
    error::{Error, ErrorKind, Result},
};

/// From this number of imported tasks on, the tables are vacuumed immediately.
const VACUUM_FROM: u64 = 10_000;

impl App {
    /// Imports all tasks or none, and none in a dry run. If `stop` resolves first, nothing is imported.
    ///
    /// INVALID_ARGUMENT if the input cannot be read or has bad records, NOT_FOUND if the tenant does not exist,
    /// ALREADY_EXISTS if a concurrent writer creates a task with the same id.
    pub async fn task_import(
        &self,
        tenant: &TenantId,
        import: Import,
        progress: Arc<dyn ImportProgress>,
        stop: impl Future<Output = ()>,
    ) -> Result<ImportReport> {
        let is_dry_run = import.is_dry_run;
        let load = pin!(self.load(tenant, import, progress));
        let (mut report, transaction) = match select(load, pin!(stop)).await {
            Either::Left((loaded, _)) => loaded?,
            // Dropping the future closes its connection, so PostgreSQL rolls the transaction back.
            Either::Right(_) => return Err(stopped()),
        };
        if is_dry_run {
            // Dropping the transaction rolls it back.
            return Ok(report);
        }
        // `stop` is ignored from here on, because the commit may already have happened.
        transaction.commit().await?;
        let (of_tenant, is_large) = (self.db.tenant(tenant), report.loaded.tasks > VACUUM_FROM);
        let vacuum = async {
            match is_large {
                true => self.db.tasks_vacuum().await,
                false => Ok(()),
            }
        };
        // Counts and lists use index-only scans, which need pages that a vacuum has marked all-visible; until then
        // the first callers would read every row. VACUUM also updates the planner's statistics. It runs beside the
        // compaction, because PostgreSQL does each of them on one core.
        let (compacted, vacuumed) = join(of_tenant.counts_compact(), vacuum).await;
        let mut tidied = compacted.and(vacuumed);
        if is_large && tidied.is_ok() {
            // Removes the deltas that were compacted. Not earlier, because the snapshot of the other vacuum's ANALYZE
            // could be older than the compaction, and would keep them.
            tidied = self.db.counts_vacuum().await;
        }
        // The import is committed, so it has succeeded whatever follows.
        if let Err(error) = tidied {
            let cause = error.internal_cause().unwrap_or_default();
            report.not_tidied = Some(format!("{error}: {cause}"));
        }
        Ok(report)
    }

    /// Everything except the commit.
    async fn load(
        &self,
        tenant: &TenantId,
        import: Import,
        progress: Arc<dyn ImportProgress>,
    ) -> Result<(ImportReport, ImportTransaction)> {
        self.tenant_check(tenant).await?;
        let Import {
            source,
            format,
            reading,
            on_conflict,
            drop_results,
            is_dry_run,
            rejects,
        } = import;
        let opening = Opening {
            input: Input::Source(source.clone()),
            format,
            options: reading,
            keep_raw: rejects.is_some(),
        };
        let names = opening.input.option_names();
        let mut records = reader::tasks(opening, &progress).await?;
        // Only now, because an existing file of rejects is truncated.
        let intake = Intake::new(progress, rejects, format, Some(&source)).await?;
        let transaction = self.db.tenant(tenant).import_begin().await?;
        let store = Store::Copy(Box::new(transaction));
        let mut loader = Loader::new(store, intake, names, on_conflict, drop_results).await?;
        while let Some(batch) = records.next().await? {
            loader.load(batch).await?;
        }
        match loader.finish(is_dry_run).await? {
            (report, Store::Copy(mut transaction)) => {
                transaction.complete().await?;
                Ok((report, *transaction))
            }
            (_, Store::Insert { .. }) => Err(Error::internal("an import by a command used INSERT")),
        }
    }
}

/// The error of an import that was stopped before its commit.
pub fn stopped() -> Error {
    let what = "stopped; nothing was loaded";
    Error::new(ErrorKind::FailedPrecondition, what)
}
