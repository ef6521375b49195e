//! Adds the customers of a lead list to tasks, all or nothing.
//!
//! It is one transaction on a connection of its own, as an upload of targets is: new targets are inserted beside other
//! changes of their tasks, whose rows are locked and counted only at the end.

use std::{collections::HashMap, path::PathBuf, pin::pin, sync::Arc};

use futures_util::future::{Either, select};

use super::{
    batches::Batch,
    entry::Entry,
    field::quoted,
    format::ImportFormat,
    intake::Intake,
    lead_columns::LeadColumns,
    leads::Lead,
    options::ReadOptions,
    progress::ImportProgress,
    reader::{self, Opening},
    report::ImportReport,
    source::{Input, Source},
    stopped,
};
use crate::{
    app::{App, target_upload::check_open, targets::recount},
    db::{self, Transaction},
    domain::{
        event::EventKind,
        get::{GetQuery, Shown},
        limits::{MAX_ID_CHARS, MAX_IDS, check_text},
        task::Task,
        tenant::TenantId,
        write::valid,
    },
    error::{Error, ErrorKind, ErrorReason, Result, Violation, Violations},
};

/// The parameters of an import of a lead list.
#[derive(Debug, Clone)]
pub struct LeadImport {
    /// The input.
    pub source: Source,
    /// The format of the input: CSV or a workbook.
    pub format: ImportFormat,
    /// How to read the input.
    pub reading: ReadOptions,
    /// What its columns hold.
    pub columns: LeadColumns,
    /// Whether to do all of the work and then to undo it, for its report.
    pub is_dry_run: bool,
    /// The file for bad rows; without it, one bad row undoes the whole import.
    pub rejects: Option<PathBuf>,
}

impl LeadImport {
    /// An import with the defaults and the format that is given, or else according to the file name. BAD_USAGE if that
    /// names a file of records, which is no list.
    pub fn new(source: Source, columns: LeadColumns, format: Option<ImportFormat>) -> Result<Self> {
        let named = match &source {
            Source::File(path) => ImportFormat::named(path),
            Source::Stdin => None,
        };
        let format = match format.or(named).unwrap_or(ImportFormat::Csv) {
            ImportFormat::Ndjson | ImportFormat::Json => {
                let name = source.name();
                let what = format!(
                    "a lead list is CSV or a workbook, but {name} is JSON by its name; --format csv reads it as CSV"
                );
                return Err(Error::new(ErrorKind::BadUsage, what));
            }
            format => format,
        };
        Ok(Self {
            source,
            format,
            reading: ReadOptions::default(),
            columns,
            is_dry_run: false,
            rejects: None,
        })
    }
}

impl App {
    /// Adds all customers of a lead list to their tasks or none, and none in a dry run. If `stop` resolves first, nothing
    /// is added.
    ///
    /// INVALID_ARGUMENT if the input cannot be read or has bad rows, NOT_FOUND if the tenant or the task does not exist,
    /// FAILED_PRECONDITION if the task has ended.
    pub async fn target_import(
        &self,
        tenant: &TenantId,
        import: LeadImport,
        progress: Arc<dyn ImportProgress>,
        stop: impl Future<Output = ()>,
    ) -> Result<ImportReport> {
        let is_dry_run = import.is_dry_run;
        let add = pin!(self.add_leads(tenant, import, progress));
        let (report, transaction) = match select(add, pin!(stop)).await {
            Either::Left((added, _)) => added?,
            // Dropping the future ends its connection, so PostgreSQL rolls the transaction back.
            Either::Right(_) => return Err(stopped()),
        };
        match is_dry_run {
            true => transaction.rollback().await,
            // `stop` is ignored from here on, because the commit may already have happened.
            false => transaction.end(Ok(())).await?,
        }
        Ok(report)
    }

    /// Everything except the end of the transaction.
    async fn add_leads<'a>(
        &'a self,
        tenant: &'a TenantId,
        import: LeadImport,
        progress: Arc<dyn ImportProgress>,
    ) -> Result<(ImportReport, Transaction<'a>)> {
        self.tenant_check(tenant).await?;
        let LeadImport {
            source,
            format,
            reading,
            columns,
            is_dry_run,
            rejects,
        } = import;
        let opening = Opening {
            input: Input::Source(source.clone()),
            format,
            options: reading,
            keep_raw: rejects.is_some(),
        };
        let only = columns.task_id.clone();
        let mut records = reader::leads(opening, columns, &progress).await?;
        // Only now, because an existing file of rejects is truncated.
        let intake = Intake::new(progress, rejects, format, Some(&source)).await?;
        // The service itself is the author of events: a command has no key.
        let mut loader = LeadLoader::new(self, tenant, "", only, intake).await?;
        while let Some(batch) = records.next().await? {
            loader.load(batch).await?;
        }
        loader.finish(is_dry_run).await
    }
}

/// The side of an import of a lead list that writes to the database.
pub(super) struct LeadLoader<'a> {
    tenant: db::TenantDb<'a>,
    key_id: &'a str,
    transaction: Transaction<'a>,
    intake: Intake,
    /// The task of all rows, if they do not name theirs.
    only: Option<String>,
    /// The tasks seen so far, by their ids.
    tasks: HashMap<String, Known>,
    report: ImportReport,
}

/// What is known about a task of the list.
enum Known {
    Open(Filling),
    /// It takes no customers, for this reason.
    Refused(Error),
}

/// A task that is being filled.
struct Filling {
    /// Distinguishes the task from a later one with the same id.
    generation: Option<i64>,
    /// The ordinal of the first target that this import adds.
    first: i32,
    /// The next free ordinal among its targets.
    next: i32,
    added: u32,
}

impl<'a> LeadLoader<'a> {
    /// Begins the transaction. If there is only one task, it must exist and not have ended.
    pub(super) async fn new(
        app: &'a App,
        tenant: &'a TenantId,
        key_id: &'a str,
        only: Option<String>,
        intake: Intake,
    ) -> Result<Self> {
        if let Some(task_id) = &only {
            let mut violations = Violations::new();
            check_text("task_id", task_id, MAX_ID_CHARS, &mut violations);
            valid(violations)?;
        }
        let tenant = app.db.tenant(tenant);
        let mut loader = Self {
            tenant,
            key_id,
            transaction: tenant.begin_alone().await?,
            intake,
            only,
            tasks: HashMap::new(),
            report: ImportReport::default(),
        };
        match loader.only.clone() {
            Some(task_id) => {
                loader.meet(vec![task_id.clone()]).await?;
                if let Some(Known::Refused(error)) = loader.tasks.get(&task_id) {
                    return Err(error.clone());
                }
            }
            // Two such imports could otherwise take turns at the same tasks in different orders and deadlock.
            None => loader.transaction.import_turn().await?,
        }
        Ok(loader)
    }

    /// Looks up tasks that no row before has named, and takes their turns.
    async fn meet(&mut self, task_ids: Vec<String>) -> Result<()> {
        let mut generations = Vec::with_capacity(task_ids.len());
        for task_id in &task_ids {
            // Read first, so that everything read afterwards belongs to this task or a later one.
            generations.push(self.tenant.task_generation(task_id).await?);
        }
        let query = GetQuery::many(task_ids.clone(), Shown::default(), Violations::of_record())?;
        let mut found = self.tenant.task_get(&query).await?;
        for (task_id, generation) in task_ids.into_iter().zip(generations) {
            let task = found.remove(&task_id);
            let task = task.ok_or_else(|| Error::no_such_task(&task_id));
            let known = match task.and_then(|task| check_open(&task)) {
                Ok(()) => {
                    let first = self.transaction.target_turn(&task_id).await?;
                    Known::Open(Filling {
                        generation,
                        first,
                        next: first,
                        added: 0,
                    })
                }
                Err(error) => Known::Refused(error),
            };
            self.tasks.insert(task_id, known);
        }
        Ok(())
    }

    /// Adds the customers of one batch.
    pub(super) async fn load(&mut self, mut batch: Batch<Lead>) -> Result<()> {
        self.intake.begin(&mut batch);
        let mut unknown: Vec<String> = Vec::new();
        for lead in batch.entries.iter().filter_map(|e| e.record.as_ref().ok()) {
            if let Some(task_id) = &lead.task_id
                && !self.tasks.contains_key(task_id)
                && !unknown.contains(task_id)
            {
                unknown.push(task_id.clone());
                if self.tasks.len() + unknown.len() > MAX_IDS {
                    let what = format!(
                        "the file names more than {MAX_IDS} tasks; split it; nothing was loaded"
                    );
                    return Err(Error::new(ErrorKind::InvalidArgument, what));
                }
            }
        }
        if !unknown.is_empty() {
            self.meet(unknown).await?;
        }
        // The customers of each task, in the order of the file.
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for Entry { line, raw, record } in batch.entries {
            self.intake.record();
            let Lead {
                task_id,
                customers,
                repairs,
            } = match record {
                Ok(lead) => lead,
                Err(violations) => {
                    self.intake.bad(line, &raw, &violations).await?;
                    continue;
                }
            };
            let Some(task_id) = task_id.or_else(|| self.only.clone()) else {
                return Err(Error::internal("a row of a lead list without a task"));
            };
            if let Some(Known::Refused(error)) = self.tasks.get(&task_id) {
                let why = format!("{}: {error}", quoted(&task_id));
                let violation = Violation::of_record("task_id", why);
                self.intake.bad(line, &raw, &[violation]).await?;
                continue;
            }
            self.report.repairs.add(&repairs);
            match groups.iter_mut().find(|(id, _)| *id == task_id) {
                Some((_, of_task)) => of_task.extend(customers),
                None => groups.push((task_id, customers)),
            }
        }
        for (task_id, customers) in groups {
            self.add(&task_id, &customers).await?;
        }
        self.intake.loaded(self.report.loaded.targets);
        Ok(())
    }

    /// Adds customers to a task.
    async fn add(&mut self, task_id: &str, customers: &[String]) -> Result<()> {
        let Some(Known::Open(filling)) = self.tasks.get_mut(task_id) else {
            return Err(Error::internal("a task of a lead list is not known"));
        };
        let count = i32::try_from(customers.len()).map_err(Error::internal)?;
        let next = filling.next.checked_add(count).ok_or_else(|| {
            let what = format!("the task {} would have too many targets", quoted(task_id));
            Error::new(ErrorKind::InvalidArgument, what)
        })?;
        let adding = self
            .transaction
            .target_add(task_id, filling.next, customers);
        let added = adding.await?;
        filling.next = next;
        filling.added += added as u32; // at most `count`
        self.report.loaded.targets += added as u64;
        self.report.repeated += customers.len().saturating_sub(added) as u64;
        Ok(())
    }

    /// Completes the file of rejects and counts the targets of the tasks. INVALID_ARGUMENT if there are bad rows and no
    /// such file; a dry run keeps this in its report.
    pub(super) async fn finish(
        mut self,
        is_dry_run: bool,
    ) -> Result<(ImportReport, Transaction<'a>)> {
        self.report.has_rejects = self.intake.has_rejects();
        let (rejected, refusal) = self.intake.finish().await?;
        self.report.rejected = rejected;
        match refusal {
            Some(error) if !is_dry_run => return Err(error),
            refusal => self.report.refusal = refusal.map(|error| error.to_string()),
        }
        let filled = self
            .tasks
            .into_iter()
            .filter_map(|(task_id, known)| match known {
                Known::Open(filling) if filling.added > 0 => Some((task_id, filling)),
                _ => None,
            });
        let filled: HashMap<String, Filling> = filled.collect();
        self.report.loaded.tasks = filled.len() as u64;
        let task_ids: Vec<&str> = filled.keys().map(String::as_str).collect();
        let opening = db::Opening {
            tasks: &task_ids,
            ..db::Opening::default()
        };
        let mut found: HashMap<String, Task> = HashMap::new();
        for task in self.transaction.open(None, opening).await?.tasks {
            found.insert(task.task_id.clone(), task);
        }
        for (task_id, filling) in &filled {
            let task = found.remove(task_id);
            let task = task.ok_or_else(|| Error::no_such_task(task_id))?;
            let generation = self.transaction.task_generation(task_id).await?;
            if generation != filling.generation {
                let what = format!(
                    "the task {} was deleted and created again meanwhile; nothing was loaded",
                    quoted(task_id)
                );
                return Err(Error::new(ErrorKind::Aborted, what).because(ErrorReason::TaskReplaced));
            }
            check_open(&task)?;
            let mut counts = task.target_counts;
            if counts.total().checked_add_unsigned(filling.added).is_none() {
                let what = format!("the task {} would have too many targets", quoted(task_id));
                return Err(Error::new(ErrorKind::InvalidArgument, what));
            }
            counts.pending += filling.added as i32; // the sum was checked above
            let customers = db::EventCustomers::AddedFrom(filling.first);
            let kind = EventKind::TargetsAdded;
            let counted = recount(self.key_id, &task, counts, kind, customers);
            self.transaction.task_set_counts(task_id, counted).await?;
        }
        Ok((self.report, self.transaction))
    }
}
