//! Imports of files that callers send in chunks. The reader and the loaders are those of the commands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    chunks::Chunks,
    format::ImportFormat,
    intake::Intake,
    lead_columns::LeadColumns,
    lead_loader::LeadLoader,
    loader::Loader,
    options::{OnConflict, ReadOptions},
    progress::ImportProgress,
    reader::{self, Opening},
    report::{ImportReport, ReadAs},
    store::Store,
};
use crate::{
    app::{
        App, Caller, UploadPermit,
        figures::{Transfer, Transfers},
    },
    db::{Loaded, Transaction},
    error::{Error, ErrorKind, Result, Violation, Violations},
};

/// The maximum number of bad records that a report lists.
const LISTED: usize = 100;
/// The maximum number of violations that a report lists of a record.
const LISTED_OF_RECORD: usize = 10;

/// The parameters of an import of tasks by a caller.
#[derive(Debug)]
pub struct TaskUpload {
    /// The format of the file.
    pub format: ImportFormat,
    /// How to read it.
    pub reading: ReadOptions,
    /// What to do with records if their id exists already.
    pub on_conflict: OnConflict,
    /// Whether tasks that are replaced may lose results of calls that their new records do not have, or have older
    /// ones of.
    pub drop_results: bool,
    /// Whether to do all of the work and then to undo it, for its report.
    pub is_dry_run: bool,
}

/// The parameters of an import of a lead list by a caller.
#[derive(Debug)]
pub struct LeadUpload {
    /// The format of the file.
    pub format: ImportFormat,
    /// How to read it.
    pub reading: ReadOptions,
    /// What its columns hold.
    pub columns: LeadColumns,
    /// Whether to do all of the work and then to undo it, for its report.
    pub is_dry_run: bool,
}

/// What came of an import by a caller.
#[derive(Debug)]
pub struct Uploaded {
    /// What was loaded.
    pub report: ImportReport,
    /// How the file was read.
    pub read_as: Option<ReadAs>,
    /// The first bad records; empty unless it was a dry run.
    pub bad: Vec<BadRecord>,
}

/// A bad record of a file.
#[derive(Debug, Clone)]
pub struct BadRecord {
    /// The line on which it starts, from 1.
    pub line: u64,
    /// Its number, from 1.
    pub record: u64,
    /// What is wrong with it, at most ten violations.
    pub violations: Vec<Violation>,
}

impl App {
    /// Imports all tasks of a file or none, and none in a dry run.
    ///
    /// INVALID_ARGUMENT if the file cannot be read or has bad records, FAILED_PRECONDITION if results would be lost,
    /// ALREADY_EXISTS if a concurrent writer creates a task with the same id.
    pub async fn task_upload(
        &self,
        caller: &Caller,
        upload: TaskUpload,
        file: Chunks,
        permit: Arc<UploadPermit>,
    ) -> Result<Uploaded> {
        let TaskUpload {
            format,
            reading,
            on_conflict,
            drop_results,
            is_dry_run,
        } = upload;
        let transfer = self.counted.imports.begin();
        let noted = Arc::new(Noted::new(self, permit));
        let progress: Arc<dyn ImportProgress> = Arc::clone(&noted) as _;
        let loaded = async {
            let opening = Opening::of_upload(file, format, reading);
            let names = opening.input.option_names();
            let mut records = reader::tasks(opening, &progress).await?;
            let intake = Intake::new(Arc::clone(&progress), None, format, None).await?;
            let store = Store::Insert {
                transaction: Box::new(self.db.tenant(&caller.tenant).begin_alone().await?),
                key_id: caller.key_id.as_str(),
            };
            let mut loader = Loader::new(store, intake, names, on_conflict, drop_results).await?;
            while let Some(batch) = records.next().await? {
                loader.load(batch).await?;
            }
            let (report, store) = loader.finish(is_dry_run).await?;
            match store {
                Store::Insert { transaction, .. } => Ok((report, *transaction)),
                Store::Copy(_) => Err(Error::internal("an import by a caller used COPY")),
            }
        };
        let loaded = loaded.await;
        let rows = |loaded: &Loaded| loaded.tasks;
        self.end_upload(caller, loaded, is_dry_run, (&noted, transfer), rows)
            .await
    }

    /// Adds all customers of a lead list to their tasks or none, and none in a dry run.
    ///
    /// INVALID_ARGUMENT if the file cannot be read or has bad rows, NOT_FOUND if the task does not exist,
    /// FAILED_PRECONDITION if it has ended.
    pub async fn lead_upload(
        &self,
        caller: &Caller,
        upload: LeadUpload,
        file: Chunks,
        permit: Arc<UploadPermit>,
    ) -> Result<Uploaded> {
        let LeadUpload {
            format,
            reading,
            columns,
            is_dry_run,
        } = upload;
        let transfer = self.counted.imports.begin();
        let noted = Arc::new(Noted::new(self, permit));
        let progress: Arc<dyn ImportProgress> = Arc::clone(&noted) as _;
        let only = columns.task_id.clone();
        let loaded = async {
            // First of all, so that a client need not send a large file to learn that the task does not exist.
            let intake = Intake::new(Arc::clone(&progress), None, format, None).await?;
            let (tenant, key_id) = (&caller.tenant, caller.key_id.as_str());
            let mut loader = LeadLoader::new(self, tenant, key_id, only, intake).await?;
            let opening = Opening::of_upload(file, format, reading);
            let mut records = reader::leads(opening, columns, &progress).await?;
            while let Some(batch) = records.next().await? {
                loader.load(batch).await?;
            }
            loader.finish(is_dry_run).await
        };
        let loaded = loaded.await;
        let rows = |loaded: &Loaded| loaded.targets;
        self.end_upload(caller, loaded, is_dry_run, (&noted, transfer), rows)
            .await
    }

    /// Commits an import, or rolls a dry run back. `rows` are what the metrics count.
    async fn end_upload(
        &self,
        caller: &Caller,
        loaded: Result<(ImportReport, Transaction<'_>)>,
        is_dry_run: bool,
        (noted, mut transfer): (&Noted, Transfer),
        rows: impl Fn(&Loaded) -> u64,
    ) -> Result<Uploaded> {
        let (report, mut transaction) = loaded.map_err(|error| noted.explained(error))?;
        match is_dry_run {
            true => transaction.rollback().await,
            false => {
                let checked = self.check_before_commit(caller, &mut transaction).await;
                transaction.end(checked).await?;
            }
        }
        transfer.succeed();
        if !is_dry_run {
            transfer.add_rows(rows(&report.loaded));
        }
        let State { read_as, bad } = std::mem::take(&mut *noted.lock());
        Ok(Uploaded {
            report,
            read_as,
            bad,
        })
    }
}

/// Notes what a report contains besides the counts, and counts the bytes of the file.
struct Noted {
    state: Mutex<State>,
    imports: Arc<Transfers>,
    /// Held until the reader's thread ends too: it still unpacks a workbook when its call has been cancelled.
    _permit: Arc<UploadPermit>,
}

#[derive(Default)]
struct State {
    read_as: Option<ReadAs>,
    bad: Vec<BadRecord>,
}

impl Noted {
    fn new(app: &App, permit: Arc<UploadPermit>) -> Self {
        Self {
            state: Mutex::default(),
            imports: Arc::clone(&app.counted.imports),
            _permit: permit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error about the file with its violations: those of the bad records, or of the chunks.
    fn explained(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::InvalidArgument || !error.violations().is_empty() {
            return error;
        }
        let bad = std::mem::take(&mut self.lock().bad);
        if bad.is_empty() {
            let violation = Violation::of_record("chunk", error.message());
            return Error::invalid(vec![violation]);
        }
        let mut violations = Violations::new();
        for BadRecord {
            line,
            violations: of_record,
            ..
        } in bad
        {
            violations.extend(of_record.into_iter().map(|mut violation| {
                violation.field = format!("line {line}: {}", violation.field);
                violation
            }));
        }
        Error::invalid(violations).introduced(error.message())
    }
}

impl ImportProgress for Noted {
    fn size(&self, _: u64) {}

    fn read(&self, bytes: u64) {
        self.imports.add_bytes(bytes);
    }

    fn loaded(&self, _: u64) {}

    fn read_as(&self, how: ReadAs) {
        self.lock().read_as = Some(how);
    }

    fn bad(&self, line: u64, record: u64, violations: &[Violation]) {
        let bad = &mut self.lock().bad;
        if bad.len() < LISTED {
            let violations = violations.iter().take(LISTED_OF_RECORD);
            bad.push(BadRecord {
                line,
                record,
                violations: violations.cloned().collect(),
            });
        }
    }
}
