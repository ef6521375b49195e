//! Imports tasks from a file, all or nothing.
//!
//! A thread reads and parses (`reader`). The loader takes one batch at a time, resolves conflicts of ids, separates bad
//! records and loads the good ones, all in one transaction. Memory holds about three batches, whatever the size of the
//! input.
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
//! A file of our own goes the same way without repairs, so that an export and its import lose nothing: CSV with exactly
//! the header of our export, and JSON records with the fields that only our lists have.

mod batches;
mod columns;
mod csv;
mod customers;
mod delimiter;
mod dialect;
mod document;
mod draft;
mod encoding;
mod field;
mod object;
mod options;
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
mod text;
mod time_text;
mod times;
mod values;
mod words;
mod workbook;

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::Arc,
};

use futures_util::future::{Either, join, select};
use tokio::sync::mpsc;

pub use delimiter::Delimiter;
pub use encoding::Encoding;
pub use field::Field as ImportField;
pub use options::{Import, OnConflict, ReadOptions};
pub use progress::ImportProgress;
pub use report::{ImportReport, ReadAs, Repairs};
pub(super) use source::Compression;
pub use source::{ImportFormat, Source};

use self::{
    batches::{Batch, Entry},
    record::Record,
    rejects::Rejects,
};
use super::App;
use crate::{
    db::ImportTransaction,
    domain::{task::NewTask, tenant::TenantId},
    error::{Error, ErrorKind, Result, Violation},
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
            Either::Right(_) => {
                let what = "stopped; nothing was loaded";
                return Err(Error::new(ErrorKind::FailedPrecondition, what));
            }
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
        let (compacted, mut vacuumed) = join(of_tenant.counts_compact(), vacuum).await;
        compacted?;
        if is_large {
            // Removes the deltas that were compacted. Not earlier, because the snapshot of the other vacuum's ANALYZE
            // could be older than the compaction, and would keep them.
            vacuumed = vacuumed.and(self.db.counts_vacuum().await);
        }
        if let Err(error) = vacuumed {
            let cause = error.internal_cause().unwrap_or_default();
            report.not_vacuumed = Some(format!("{error}: {cause}"));
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
        let (sender, mut batches) = mpsc::channel(1);
        let reader = {
            let (source, progress, keep_raw) =
                (source.clone(), progress.clone(), rejects.is_some());
            move || reader::run(source, format, reading, keep_raw, &progress, sender)
        };
        let reader = tokio::task::spawn_blocking(reader);
        // The first batch, possibly empty, proves that the input can be opened and read. Only then an existing file of
        // rejects is truncated.
        let mut next = batches.recv().await;
        if next.is_none() {
            reader.await.map_err(Error::internal)??;
            return Err(Error::internal("the reader ended without a batch"));
        }
        let rejects = match rejects {
            Some(path) => Some(Rejects::create(&path, format, &source).await?),
            None => None,
        };
        let mut loader = Loader {
            transaction: self.db.tenant(tenant).import_begin().await?,
            rejects,
            on_conflict,
            drop_results,
            is_dry_run,
            progress,
            report: ImportReport::default(),
            records: 0,
        };
        if on_conflict == OnConflict::Replace {
            loader.transaction.wait_for_turn().await?;
        }
        while let Some(batch) = next {
            loader.load(batch).await?;
            next = batches.recv().await;
        }
        reader.await.map_err(Error::internal)??;
        loader.finish().await
    }
}

/// The side of an import that writes to the database.
struct Loader {
    transaction: ImportTransaction,
    rejects: Option<Rejects>,
    on_conflict: OnConflict,
    drop_results: bool,
    is_dry_run: bool,
    progress: Arc<dyn ImportProgress>,
    report: ImportReport,
    /// The number of records so far, including bad ones.
    records: u64,
}

impl Loader {
    /// Loads one batch.
    async fn load(&mut self, batch: Batch) -> Result<()> {
        let Batch { entries, header } = batch;
        if let (Some(rejects), Some(header)) = (&mut self.rejects, header) {
            rejects.header(header);
        }
        let chosen: Vec<&str> = entries.iter().filter_map(chosen_id).collect();
        let taken = match chosen.is_empty() {
            true => HashSet::new(),
            false => self.transaction.tasks_taken(&chosen).await?,
        };
        // The records to load; one that a later record replaces becomes `None`.
        let mut good: Vec<Option<NewTask>> = Vec::with_capacity(entries.len());
        // The ids of this batch with the index of their record in `good`.
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(chosen.len());
        let mut replaced = Vec::new();
        for Entry { line, raw, record } in entries {
            self.records += 1;
            let Record {
                task,
                generated,
                repeated,
                repairs,
            } = match record {
                Ok(record) => record,
                Err(violations) => {
                    self.bad(line, &raw, &violations).await?;
                    continue;
                }
            };
            if !generated {
                let earlier = seen.get(&task.task_id).copied();
                let is_taken = earlier.is_some() || taken.contains(&task.task_id);
                match self.on_conflict {
                    _ if !is_taken => {}
                    OnConflict::Fail => {
                        let why = format!("{} is taken", field::quoted(&task.task_id));
                        let violation = Violation::of_record("task_id", why);
                        self.bad(line, &raw, &[violation]).await?;
                        continue;
                    }
                    OnConflict::Skip => {
                        self.report.skipped += 1;
                        continue;
                    }
                    OnConflict::Replace => {
                        self.report.replaced += 1;
                        match earlier {
                            Some(earlier) => good[earlier] = None,
                            None => replaced.push(task.task_id.clone()),
                        }
                    }
                }
                seen.insert(task.task_id.clone(), good.len());
            }
            self.report.repeated += repeated;
            self.report.repairs.add(&repairs);
            good.push(Some(task));
        }

        let good: Vec<&NewTask> = good.iter().flatten().collect();
        if !replaced.is_empty() {
            self.delete(&replaced, &good).await?;
        }
        let loaded = &mut self.report.loaded;
        if !good.is_empty() {
            self.transaction.tasks_copy(&good).await?;
            loaded.tasks += good.len() as u64;
            loaded.targets += good.iter().map(|t| t.targets.len() as u64).sum::<u64>();
            self.progress.loaded(loaded.tasks);
        }
        Ok(())
    }

    /// Deletes the tasks with the ids `replaced`, and counts the results that their new records do not have.
    async fn delete(&mut self, replaced: &[String], good: &[&NewTask]) -> Result<()> {
        let replaced: HashSet<&str> = replaced.iter().map(String::as_str).collect();
        let with_results = good
            .iter()
            .filter(|task| !task.results.is_empty() && replaced.contains(task.task_id.as_str()));
        let (task_ids, customer_ids): (Vec<&str>, Vec<&str>) = with_results
            .flat_map(|task| {
                let customer = |ordinal: usize| task.targets[ordinal].as_str();
                let results = task.results.iter();
                results.map(move |result| (task.task_id.as_str(), customer(result.ordinal)))
            })
            .unzip();
        let kept = match task_ids.is_empty() {
            true => 0,
            false => {
                self.transaction
                    .results_of(&task_ids, &customer_ids)
                    .await?
            }
        };
        let replaced: Vec<&str> = replaced.into_iter().collect();
        let deleted = self.transaction.tasks_delete(&replaced).await?;
        self.report.loaded.tasks -= deleted.own.tasks;
        self.report.loaded.targets -= deleted.own.targets;
        // A result that another writer adds in between is counted as dropped.
        self.report.dropped_results += deleted.results.saturating_sub(kept);
        Ok(())
    }

    /// Reports a bad record and writes it to the file of rejects.
    async fn bad(&mut self, line: u64, raw: &[u8], violations: &[Violation]) -> Result<()> {
        self.report.rejected += 1;
        self.progress.bad(line, self.records, violations);
        match &mut self.rejects {
            Some(rejects) => rejects.write(raw).await,
            None => Ok(()),
        }
    }

    /// Completes the file of rejects. INVALID_ARGUMENT if there are bad records and no such file; FAILED_PRECONDITION if
    /// results would be dropped that may not be. A dry run keeps this in its report.
    async fn finish(mut self) -> Result<(ImportReport, ImportTransaction)> {
        let has_rejects = self.rejects.is_some();
        // The bad records must be stored before the good ones are committed.
        if let Some(rejects) = self.rejects {
            rejects.finish().await?;
        }
        let (bad, all, dropped) = (
            self.report.rejected,
            self.records,
            self.report.dropped_results,
        );
        let refusal = if bad > 0 && !has_rejects {
            let what = format!("{bad} of {all} records are bad, so nothing was loaded");
            Some(Error::new(ErrorKind::InvalidArgument, what))
        } else if dropped > 0 && !self.drop_results {
            let what = format!(
                "the replaced tasks have {dropped} results of calls that the file does not have, so nothing was loaded; \
                --drop-results drops them"
            );
            Some(Error::new(ErrorKind::FailedPrecondition, what))
        } else {
            None
        };
        match refusal {
            Some(error) if !self.is_dry_run => Err(error),
            refusal => {
                self.report.refusal = refusal.map(|error| error.to_string());
                Ok((self.report, self.transaction))
            }
        }
    }
}

/// The id of a good record that brings its own, which may exist already.
fn chosen_id(entry: &Entry) -> Option<&str> {
    let record = entry.record.as_ref().ok()?;
    (!record.generated).then_some(record.task.task_id.as_str())
}
