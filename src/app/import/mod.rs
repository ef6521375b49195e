//! Importing tasks from a file, all or nothing.
//!
//! A thread reads and parses (`reader`); this side takes batch after batch, settles whose id is taken, sets bad
//! records apart and loads the good ones, all in one transaction. Memory holds about three batches, whatever the size
//! of the file.

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

use futures_util::future::{Either, select};
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

/// So many tasks change the tables enough to be vacuumed at once.
const VACUUM_FROM: u64 = 10_000;

/// What to do with a record whose task id is taken, by a task or by an earlier record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// The record is bad.
    #[default]
    Fail,
    /// The record is left out.
    Skip,
    /// The record takes the place of the task, its customers too.
    Replace,
}

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct Import {
    /// Where the records come from.
    pub source: Source,
    /// In what format.
    pub format: ImportFormat,
    /// What to do where an id is taken.
    pub on_conflict: OnConflict,
    /// Where bad records go; without it a bad record undoes the whole import.
    pub rejects: Option<PathBuf>,
}

impl Import {
    /// An import with the defaults; the format is what the file's name says.
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

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// What was loaded, and is there now.
    pub loaded: Loaded,
    /// Records left out because their id is taken.
    pub skipped: u64,
    /// Tasks, or earlier records, that a record took the place of.
    pub replaced: u64,
    /// Bad records, all of them in the file of rejects.
    pub rejected: u64,
    /// Customers named more than once in a task, in the tasks loaded.
    pub repeated: u64,
    /// Texts of CSV that blanks were taken off, in the tasks loaded.
    pub trimmed: u64,
    /// Why the tables could not be vacuumed, which is no more than a nuisance.
    pub not_vacuumed: Option<String>,
}

impl App {
    /// Imports tasks: all of them, or nothing. Where `stop` ends first, nothing.
    ///
    /// INVALID_ARGUMENT for input that cannot be read or has bad records, NOT_FOUND without the tenant,
    /// ALREADY_EXISTS where another writer takes an id meanwhile.
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
            // Dropping the work closes its connection, and with it goes all it did.
            Either::Right(_) => {
                let what = "stopped; nothing was loaded";
                return Err(Error::new(ErrorKind::FailedPrecondition, what));
            }
        };
        // From here on it is too late to stop: the tasks may be there.
        transaction.commit().await?;
        self.db.tenant(tenant).counts_fold().await?;
        if report.loaded.tasks > VACUUM_FROM {
            // Counts and lists read from the indexes alone, which works only on pages that a vacuum has marked as
            // visible to all; until autovacuum comes by, the first callers would read every row instead. It also
            // tells the planner how large the tables are now, and clears the changes that
            // were added to the counts out of their readers' way.
            if let Err(error) = self.db.tasks_vacuum().await {
                let cause = error.internal_cause().unwrap_or_default();
                report.not_vacuumed = Some(format!("{error}: {cause}"));
            }
        }
        Ok(report)
    }

    /// Everything but the commit.
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
        // A batch comes, be it an empty one, once the input could be opened and read: only then an older file of
        // rejects is emptied.
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

/// The part of an import that faces the database.
struct Loader {
    transaction: ImportTransaction,
    rejects: Option<Rejects>,
    on_conflict: OnConflict,
    progress: Arc<dyn ImportProgress>,
    report: ImportReport,
    records: u64,
}

impl Loader {
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
        // The records to load; one that a later record replaces leaves a gap.
        let mut good: Vec<Option<NewTask>> = Vec::with_capacity(entries.len());
        // The ids of this batch, and where in `good` their records stand.
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
                Err(faults) => {
                    self.bad(line, &raw, &faults).await?;
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
                        let fault = Violation::of_record("task_id", why);
                        self.bad(line, &raw, &[fault]).await?;
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

    /// Sets a bad record apart.
    async fn bad(&mut self, line: u64, raw: &[u8], faults: &[Violation]) -> Result<()> {
        self.report.rejected += 1;
        self.progress.bad(line, self.records, faults);
        match &mut self.rejects {
            Some(rejects) => rejects.write(raw).await,
            None => Ok(()),
        }
    }

    async fn finish(self) -> Result<(ImportReport, ImportTransaction)> {
        match self.rejects {
            // The good records may be committed only when the bad ones are safe.
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

/// The id to look up: that of a good record which brings its own.
fn chosen_id(entry: &Entry) -> Option<&str> {
    let record = entry.record.as_ref().ok()?;
    (!record.generated).then_some(record.task.task_id.as_str())
}
