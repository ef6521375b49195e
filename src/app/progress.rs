//! Reads the progress of a task over time.

use super::{App, Caller};
use crate::{
    domain::{
        limits::{MAX_ID_CHARS, check_text},
        progress::TaskProgress,
        write::valid,
    },
    error::{Error, Result, Violations},
};

impl App {
    /// The progress of a task over time; NOT_FOUND if the task does not exist.
    pub async fn progress_get(&self, caller: &Caller, task_id: &str) -> Result<TaskProgress> {
        let mut violations = Violations::new();
        check_text("task_id", task_id, MAX_ID_CHARS, &mut violations);
        valid(violations)?;
        let tenant = self.db.tenant(&caller.tenant);
        let history = tenant.progress_get(task_id).await?;
        let history = history.ok_or_else(|| Error::no_such_task(task_id))?;
        Ok(history.progress())
    }
}
