//! Writes the tasks of an import to the database.

use std::collections::{HashMap, HashSet};

use super::{
    batches::Batch,
    entry::Entry,
    field::quoted,
    intake::Intake,
    option_names::{Advised, OptionNames},
    options::OnConflict,
    record::Record,
    report::ImportReport,
    store::Store,
};
use crate::{
    db::NewResults,
    domain::{target::OrdinalResult, task::NewTask},
    error::{Error, ErrorKind, Fault, Reason, Result, Violation},
};

/// The side of an import that writes to the database.
pub(super) struct Loader<'a> {
    store: Store<'a>,
    intake: Intake,
    names: OptionNames,
    on_conflict: OnConflict,
    drop_results: bool,
    report: ImportReport,
}

impl<'a> Loader<'a> {
    pub(super) async fn new(
        mut store: Store<'a>,
        intake: Intake,
        names: OptionNames,
        on_conflict: OnConflict,
        drop_results: bool,
    ) -> Result<Self> {
        if on_conflict == OnConflict::Replace {
            store.wait_for_turn().await?;
        }
        Ok(Self {
            store,
            intake,
            names,
            on_conflict,
            drop_results,
            report: ImportReport::default(),
        })
    }

    /// Loads one batch.
    pub(super) async fn load(&mut self, mut batch: Batch<Record>) -> Result<()> {
        self.intake.begin(&mut batch);
        let entries = batch.entries;
        let chosen: Vec<&str> = entries.iter().filter_map(chosen_id).collect();
        let taken = match chosen.is_empty() {
            true => HashSet::new(),
            false => self.store.tasks_taken(&chosen).await?,
        };
        // The records to load; one that a later record replaces becomes `None`.
        let mut good: Vec<Option<NewTask>> = Vec::with_capacity(entries.len());
        // The ids of this batch with the index of their record in `good`.
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(chosen.len());
        let mut replaced = Vec::new();
        // The records that replaced these tasks, if a later record of the batch replaces them.
        let mut first: HashMap<String, NewTask> = HashMap::new();
        for Entry { line, raw, record } in entries {
            self.intake.record();
            let Record {
                task,
                generated,
                repeated,
                repairs,
            } = match record {
                Ok(record) => record,
                Err(violations) => {
                    self.intake.bad(line, &raw, &violations).await?;
                    continue;
                }
            };
            if !generated {
                let earlier = seen.get(&task.task_id).copied();
                let is_taken = earlier.is_some() || taken.contains(&task.task_id);
                match self.on_conflict {
                    _ if !is_taken => {}
                    OnConflict::Fail => {
                        let why = format!("{} is taken", quoted(&task.task_id));
                        let why = match earlier {
                            Some(_) => Fault::new(Reason::Repeated, why),
                            None => why.into(),
                        };
                        let violation = Violation::of_record("task_id", why);
                        self.intake.bad(line, &raw, &[violation]).await?;
                        continue;
                    }
                    OnConflict::Skip => {
                        self.report.skipped += 1;
                        continue;
                    }
                    OnConflict::Replace => {
                        self.report.replaced += 1;
                        match earlier.and_then(|earlier| good[earlier].take()) {
                            Some(earlier) => {
                                self.report.dropped_results += lost(&earlier, &task);
                                if taken.contains(&task.task_id) {
                                    first.entry(task.task_id.clone()).or_insert(earlier);
                                }
                            }
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
            let new = good.iter().copied();
            let new = new.filter(|task| !first.contains_key(&task.task_id));
            let new: Vec<&NewTask> = new.chain(first.values()).collect();
            self.delete(&replaced, &new).await?;
        }
        let loaded = &mut self.report.loaded;
        if !good.is_empty() {
            self.store.tasks_load(&good).await?;
            loaded.tasks += good.len() as u64;
            loaded.targets += good.iter().map(|t| t.targets.len() as u64).sum::<u64>();
            self.intake.loaded(loaded.tasks);
        }
        Ok(())
    }

    /// Deletes the tasks with the ids `replaced`, and counts their results that are newer than those of the records which
    /// replace them, or that these do not have.
    async fn delete(&mut self, replaced: &[String], new: &[&NewTask]) -> Result<()> {
        let replaced: HashSet<&str> = replaced.iter().map(String::as_str).collect();
        let new = new.iter().copied();
        let new = NewResults::of(new.filter(|task| replaced.contains(task.task_id.as_str())));
        let kept = match new.is_empty() {
            true => 0,
            false => self.store.results_kept(&new).await?,
        };
        let replaced: Vec<&str> = replaced.into_iter().collect();
        let deleted = self.store.tasks_delete(&replaced).await?;
        self.report.loaded.tasks -= deleted.own.tasks;
        self.report.loaded.targets -= deleted.own.targets;
        // A result that another writer adds in between is counted as dropped.
        self.report.dropped_results += deleted.results.saturating_sub(kept);
        Ok(())
    }

    /// Completes the file of rejects. INVALID_ARGUMENT if there are bad records and no such file; FAILED_PRECONDITION if
    /// results would be dropped that may not be. A dry run keeps this in its report.
    pub(super) async fn finish(mut self, is_dry_run: bool) -> Result<(ImportReport, Store<'a>)> {
        self.report.has_rejects = self.intake.has_rejects();
        let (rejected, refusal) = self.intake.finish().await?;
        self.report.rejected = rejected;
        let dropped = self.report.dropped_results;
        let refusal = refusal.or_else(|| {
            (dropped > 0 && !self.drop_results).then(|| {
                let what = format!(
                    "the replaced tasks have {dropped} results of calls that are missing or older in the file, so nothing was \
                    loaded; {} drops them",
                    self.names.of(Advised::DropResults)
                );
                Error::new(ErrorKind::FailedPrecondition, what)
            })
        });
        match refusal {
            Some(error) if !is_dry_run => Err(error),
            refusal => {
                self.report.refusal = refusal.map(|error| error.to_string());
                Ok((self.report, self.store))
            }
        }
    }
}

/// How many results a record has that the one which replaces it does not have, or has older ones of.
fn lost(earlier: &NewTask, later: &NewTask) -> u64 {
    fn by_customer(task: &NewTask) -> impl Iterator<Item = (&str, &OrdinalResult)> {
        let results = task.results.iter();
        results.map(|result| (task.targets[result.ordinal].as_str(), result))
    }
    let kept: HashMap<&str, &OrdinalResult> = by_customer(later).collect();
    by_customer(earlier)
        .filter(|(customer, was)| kept.get(customer).is_none_or(|is| is.rank() < was.rank()))
        .count() as u64
}

/// The id of a good record that brings its own, which may exist already.
fn chosen_id(entry: &Entry<Record>) -> Option<&str> {
    let record = entry.record.as_ref().ok()?;
    (!record.generated).then_some(record.task.task_id.as_str())
}
