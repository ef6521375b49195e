//! Vacuums the tables that an import has filled.

use super::{Db, connector::Session, import_failure::failed};
use crate::error::Result;

impl Db {
    /// Vacuums and analyzes the tables that an import fills and a compaction only reads.
    pub async fn tasks_vacuum(&self) -> Result<()> {
        self.vacuum("task_targets, tasks, task_search").await
    }

    /// Vacuums and analyzes the tables that a compaction changes.
    pub async fn counts_vacuum(&self) -> Result<()> {
        self.vacuum("task_changes, task_segments").await
    }

    async fn vacuum(&self, tables: &str) -> Result<()> {
        let Session { client, errors, .. } = self.connect_client().await?;
        let work = "SET statement_timeout = 0";
        let failed = |error| failed(self.reports(), &errors, error);
        client.batch_execute(work).await.map_err(failed)?;
        // Sent alone, because VACUUM cannot run in a transaction, not even in that of a multi-statement query.
        let work = format!("VACUUM (ANALYZE) {tables}");
        client.batch_execute(&work).await.map_err(failed)
    }
}
