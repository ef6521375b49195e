//! Collects the records of a list of customers, of which each has one customer, into tasks: those with the same `task_id`
//! are one task, with the other fields of the first.
//!
//! Memory is bounded. When the customers need too much of it, all tasks are complete except that of the current record, so
//! a file in which the records of a task stand together may be of any size. If a task comes again later, the file must
//! be sorted first.

use std::collections::{HashMap, HashSet};

use super::{
    entry::{Entry, Parsed},
    field::quoted,
    option_names::{Advised, OptionNames},
};

/// The memory that the customers of incomplete tasks may need, in MiB; of numbers, about 300,000.
const MAX_MIB: usize = 16;
/// The maximum number of tasks in a file. More mean that the column of the task is a wrong one.
const MAX_TASKS: usize = 100_000;

/// The tasks whose records may not all have been read.
pub(super) struct Groups<R> {
    /// In the order of their first records, all of which are good.
    open: Vec<Entry<R>>,
    /// The index in `open` for each `task_id`.
    index: HashMap<String, usize>,
    /// The ids of complete tasks.
    complete: HashSet<String>,
    /// The memory of `open`.
    bytes: usize,
}

impl<R> Default for Groups<R> {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            index: HashMap::new(),
            complete: HashSet::new(),
            bytes: 0,
        }
    }
}

impl<R: Parsed> Groups<R> {
    /// Adds a record, and returns the tasks that are complete by that; a bad record is one of its own. An error says why
    /// the file cannot be read on.
    pub(super) fn add(
        &mut self,
        entry: Entry<R>,
        names: OptionNames,
    ) -> Result<Vec<Entry<R>>, String> {
        let id = match &entry.record {
            Ok(record) => record.group(),
            Err(_) => None,
        };
        let Some(id) = id.map(str::to_owned) else {
            return Ok(vec![entry]);
        };
        let at = match self.index.get(&id) {
            Some(at) => {
                self.bytes += entry.memory() - size_of::<Entry<R>>();
                merge(&mut self.open[*at], entry);
                *at
            }
            None => {
                self.check_new(&id, names)?;
                self.bytes += entry.memory();
                self.index.insert(id.clone(), self.open.len());
                self.open.push(entry);
                self.open.len() - 1
            }
        };
        if self.bytes <= MAX_MIB << 20 {
            return Ok(Vec::new());
        }
        let current = self.open.swap_remove(at);
        self.bytes = current.memory();
        if self.bytes > MAX_MIB << 20 {
            return Err(format!(
                "the customers of task {} need more than {MAX_MIB} MiB of memory; create the task without them and \
                add them with {}",
                quoted(&id),
                names.of(Advised::TargetImport)
            ));
        }
        self.index.remove(&id);
        self.complete.extend(self.index.drain().map(|(id, _)| id));
        self.index.insert(id, 0);
        let mut complete = std::mem::replace(&mut self.open, vec![current]);
        // `swap_remove` moved the last one.
        complete.sort_unstable_by_key(|entry| entry.line);
        Ok(complete.into_iter().map(completed).collect())
    }

    /// Checks that a task may begin here.
    fn check_new(&self, id: &str, names: OptionNames) -> Result<(), String> {
        if self.complete.contains(id) {
            return Err(format!(
                "task {} comes again after others that have {MAX_MIB} MiB of customers; sort the file by task",
                quoted(id)
            ));
        }
        match self.open.len() + self.complete.len() {
            MAX_TASKS.. => Err(format!(
                "the file has more than {MAX_TASKS} tasks; {} task_id=… names the column of the task",
                names.of(Advised::Map)
            )),
            _ => Ok(()),
        }
    }

    /// All tasks that are left.
    pub(super) fn finish(self) -> Vec<Entry<R>> {
        self.open.into_iter().map(completed).collect()
    }
}

/// Adds the customers of a good record to its task.
fn merge<R: Parsed>(task: &mut Entry<R>, entry: Entry<R>) {
    let (Ok(into), Ok(from)) = (&mut task.record, entry.record) else {
        return;
    };
    into.merge(from);
    if !entry.raw.is_empty() {
        task.raw.push(b'\n');
        task.raw.extend(entry.raw);
    }
}

/// A task with all of its customers, each once.
fn completed<R: Parsed>(mut task: Entry<R>) -> Entry<R> {
    if let Ok(record) = &mut task.record {
        record.complete();
    }
    task
}
