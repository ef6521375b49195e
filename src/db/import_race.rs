//! Names the tasks for which an import lost a race with another writer.

use super::ImportTransaction;
use crate::{
    domain::task::NewTask,
    error::{Error, ErrorKind},
};

impl ImportTransaction {
    /// Names the ids of `tasks` that another writer has taken, after `error` said that there are some. They are asked for
    /// on another connection, because this transaction has failed. `error` itself if that is impossible, or if the tasks
    /// are gone again.
    pub async fn name_taken(&self, tasks: &[&NewTask], error: Error) -> Error {
        if error.kind() != ErrorKind::AlreadyExists {
            return error;
        }
        let ids: Vec<&str> = tasks.iter().map(|task| &*task.task_id).collect();
        let named = async {
            let other = self.db.tenant(&self.tenant).import_begin().await?;
            other.tasks_taken(&ids).await
        };
        match named.await {
            Ok(taken) if !taken.is_empty() => {
                let taken: Vec<&str> = ids.into_iter().filter(|id| taken.contains(*id)).collect();
                Error::task_ids_taken_meanwhile(&taken)
            }
            _ => error,
        }
    }
}
