//! Imports tasks from a file, all or nothing.
//!
//! A thread reads and parses (`reader`). The loader takes one batch at a time, resolves conflicts of ids, separates bad
//! records and loads the good ones, all in one transaction. Memory holds about three batches, whatever the size of the
//! input.

mod batches;
mod csv;
mod document;
mod draft;
mod field;
mod progress;
mod reader;
mod record;
mod rejects;
mod results;
mod source;
mod spoilt;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    pin::pin,
    sync::Arc,
};

use futures_util::future::{Either, join, select};
use tokio::sync::mpsc;

pub use progress::ImportProgress;
pub(super) use source::Compression;
pub use source::{ImportFormat, Source};

use self::{
    batches::{Batch, Entry},
    record::Record,
    rejects::Rejects,
};
use super::App;
use crate::{
    db::{ImportTransaction, Loaded},
    domain::{task::NewTask, tenant::TenantId},
    error::{Error, ErrorKind, Result, Violation},
};

/// From this number of imported tasks on, the tables are vacuumed immediately.
const VACUUM_FROM: u64 = 10_000;

/// What to do with a record if its task id exists already, as a task or as an earlier record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Treat the record as bad.
    #[default]
    Fail,
    /// Leave the record out.
    Skip,
    /// Replace the task, including its targets.
    Replace,
}

/// The parameters of an import.
#[derive(Debug, Clone)]
pub struct Import {
    /// The input.
    pub source: Source,
    /// The format of the input.
    pub format: ImportFormat,
    /// What to do with records if their id exists already.
    pub on_conflict: OnConflict,
    /// The file for bad records; without it, one bad record undoes the whole import.
    pub rejects: Option<PathBuf>,
}

impl Import {
    /// An import with the defaults and the format according to the file name.
    pub fn new(source: Source) -> Self {
        let format = match &source {
            Source::File(path) => ImportFormat::of(path),
            Source::Stdin => ImportFormat::Ndjson,
        };
        Self {
            source,
            format,
            on_conflict: OnConflict::default(),
            rejects: None,
        }
    }
}

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The tasks and targets that were loaded.
    pub loaded: Loaded,
    /// Records left out because their id exists already.
    pub skipped: u64,
    /// Tasks or earlier records that were replaced.
    pub replaced: u64,
    /// Bad records, all of which are in the file of rejects.
    pub rejected: u64,
    /// Customers that a loaded task named more than once.
    pub repeated: u64,
    /// Texts of CSV in loaded tasks from which surrounding blanks were removed.
    pub trimmed: u64,
    /// Why the tables could not be vacuumed; the import is complete regardless.
    pub not_vacuumed: Option<String>,
}

impl App {
    /// Imports all tasks or none. If `stop` resolves first, nothing is imported.
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
        let load = pin!(self.load(tenant, import, progress));
        let (mut report, transaction) = match select(load, pin!(stop)).await {
            Either::Left((loaded, _)) => loaded?,
            // Dropping the future closes its connection, so PostgreSQL rolls the transaction back.
            Either::Right(_) => {
                let what = "stopped; nothing was loaded";
                return Err(Error::new(ErrorKind::FailedPrecondition, what));
            }
        };
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
            on_conflict,
            rejects,
        } = import;
        let (sender, mut batches) = mpsc::channel(1);
        let reader = {
            let (source, progress, keep_raw) =
                (source.clone(), progress.clone(), rejects.is_some());
            move || reader::run(source, format, keep_raw, &progress, sender)
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
                trimmed,
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
            self.report.trimmed += trimmed;
            good.push(Some(task));
        }

        let loaded = &mut self.report.loaded;
        if !replaced.is_empty() {
            let replaced: Vec<&str> = replaced.iter().map(String::as_str).collect();
            let own = self.transaction.tasks_delete(&replaced).await?;
            loaded.tasks -= own.tasks;
            loaded.targets -= own.targets;
        }
        let good: Vec<&NewTask> = good.iter().flatten().collect();
        if !good.is_empty() {
            self.transaction.tasks_copy(&good).await?;
            loaded.tasks += good.len() as u64;
            loaded.targets += good.iter().map(|t| t.targets.len() as u64).sum::<u64>();
            self.progress.loaded(loaded.tasks);
        }
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

    /// Completes the file of rejects; INVALID_ARGUMENT if there are bad records and no such file.
    async fn finish(self) -> Result<(ImportReport, ImportTransaction)> {
        match self.rejects {
            // The bad records must be stored before the good ones are committed.
            Some(rejects) => rejects.finish().await?,
            None if self.report.rejected > 0 => {
                let (bad, all) = (self.report.rejected, self.records);
                let what = format!("{bad} of {all} records are bad, so nothing was loaded");
                return Err(Error::new(ErrorKind::InvalidArgument, what));
            }
            None => {}
        }
        Ok((self.report, self.transaction))
    }
}

/// The id of a good record that brings its own, which may exist already.
fn chosen_id(entry: &Entry) -> Option<&str> {
    let record = entry.record.as_ref().ok()?;
    (!record.generated).then_some(record.task.task_id.as_str())
}
