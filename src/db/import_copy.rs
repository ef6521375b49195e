//! The binary COPY of tasks and of their targets, grouped by the columns that they need.

use std::{pin::pin, time::SystemTime};

use tokio_postgres::{
    Statement,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::{
    import_session::ImportSession,
    row::{ALL_COLUMNS, COPIED_COLUMNS, FRESH_COLUMNS, copy_row},
};
use crate::{
    domain::{target::TargetState, task::NewTask, tenant::TenantId},
    error::{Error, Result},
};

const CLOCK: &str = "SELECT statement_timestamp()";
const COPY_TARGETS: &str =
    "COPY task_targets (tenant_id, task_id, position, customer_id) FROM STDIN (FORMAT binary)";
/// For the targets of tasks that have results.
const COPY_CALLED: &str = "COPY task_targets (tenant_id, task_id, position, customer_id, state, attempt, result_at) \
    FROM STDIN (FORMAT binary)";
/// The column types of [`COPY_CALLED`]; [`COPY_TARGETS`] has the first [`UNCALLED_COLUMNS`] of them.
const TARGET_TYPES: [Type; 7] = [
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::TEXT,
    Type::INT2,
    Type::INT4,
    Type::TIMESTAMPTZ,
];
const UNCALLED_COLUMNS: usize = 4;

/// The statements, prepared.
pub(super) struct Copies {
    clock: Statement,
    fresh: CopyIn,
    lived: CopyIn,
    uncalled: CopyIn,
    called: CopyIn,
}

/// A COPY from the client.
struct CopyIn {
    text: String,
    statement: Statement,
    /// The number of columns that it has.
    columns: usize,
}

impl CopyIn {
    async fn prepare(session: &ImportSession, text: String, columns: usize) -> Result<Self> {
        Ok(Self {
            statement: session.prepare(&text).await?,
            text,
            columns,
        })
    }
}

impl Copies {
    pub(super) async fn prepare(session: &ImportSession) -> Result<Self> {
        let tasks = async |columns| CopyIn::prepare(session, copy_tasks(columns), columns).await;
        let targets =
            async |text: &str, columns| CopyIn::prepare(session, text.to_owned(), columns).await;
        Ok(Self {
            clock: session.prepare(CLOCK).await?,
            fresh: tasks(FRESH_COLUMNS).await?,
            lived: tasks(ALL_COLUMNS).await?,
            uncalled: targets(COPY_TARGETS, UNCALLED_COLUMNS).await?,
            called: targets(COPY_CALLED, TARGET_TYPES.len()).await?,
        })
    }

    /// Loads tasks and their targets.
    pub(super) async fn load(
        &self,
        session: &ImportSession,
        tenant: &TenantId,
        tasks: &[&NewTask],
    ) -> Result<()> {
        let has_lived = |t: &&NewTask| {
            let texts = [&t.status_reason, &t.copied_from];
            texts.into_iter().any(|text| !text.is_empty())
                || t.status_changed_at.is_some()
                || !t.results.is_empty()
                || !t.labels.is_empty()
        };
        let tenant = tenant.as_str();
        // Most indexes of tasks begin with the status. In its order a row mostly goes to the page of the row before.
        // A plain \copy of 200,000 tasks took an eighth less time so. Targets stay in the order of the input, since in
        // most files that is the order of the ids.
        let mut by_status = tasks.to_vec();
        by_status.sort_by_key(|task| task.status as i16);
        let (lived, fresh): (Vec<&NewTask>, Vec<&NewTask>) =
            by_status.into_iter().partition(has_lived);
        self.load_rows(session, tenant, &fresh, &self.fresh).await?;
        self.load_rows(session, tenant, &lived, &self.lived).await?;
        let with_targets = tasks.iter().filter(|t| !t.targets.is_empty());
        let (called, uncalled): (Vec<&NewTask>, Vec<&NewTask>) =
            with_targets.partition(|t| !t.results.is_empty());
        load_targets(session, tenant, &uncalled, &self.uncalled).await?;
        load_targets(session, tenant, &called, &self.called).await
    }

    /// Loads the rows of tasks.
    async fn load_rows(
        &self,
        session: &ImportSession,
        tenant: &str,
        tasks: &[&NewTask],
        copy: &CopyIn,
    ) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        // Read after the replaced tasks were locked and deleted, so it is later than any change of them.
        let now = session.client.query_one(&self.clock, &[]);
        let now = session.run(CLOCK, now).await;
        let now: SystemTime = now
            .and_then(|row| row.try_get(0))
            .map_err(|error| session.failed(error))?;
        let types = COPIED_COLUMNS[..copy.columns].iter();
        let types: Vec<Type> = types.map(|(_, of)| of.clone()).collect();
        let copied = async {
            let sink = session.client.copy_in(&copy.statement).await;
            let sink = sink.map_err(|error| session.failed(error))?;
            let mut rows = pin!(BinaryCopyInWriter::new(sink, &types));
            for task in tasks {
                let target_count = count(task.targets.len())?;
                copy_row(rows.as_mut(), copy.columns, tenant, task, target_count, now)
                    .await
                    .map_err(|error| session.failed(error))?;
            }
            rows.finish().await.map_err(|error| session.failed(error))?;
            Ok(())
        };
        session.run_copy(&copy.text, copied).await
    }
}

/// Loads the targets of tasks.
async fn load_targets(
    session: &ImportSession,
    tenant: &str,
    tasks: &[&NewTask],
    copy: &CopyIn,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let copied = async {
        let sink = session.client.copy_in(&copy.statement).await;
        let sink = sink.map_err(|error| session.failed(error))?;
        let mut rows = pin!(BinaryCopyInWriter::new(sink, &TARGET_TYPES[..copy.columns]));
        for task in tasks {
            let mut results = task.results.iter().peekable();
            for (ordinal, customer) in task.targets.iter().enumerate() {
                let result = results.next_if(|r| r.ordinal == ordinal);
                let (state, attempt, time) = match result {
                    Some(r) => (r.state, r.attempt, Some(SystemTime::from(r.time))),
                    None => (TargetState::Pending, 0, None),
                };
                let values: [&(dyn ToSql + Sync); 7] = [
                    &tenant,
                    &task.task_id,
                    &count(ordinal)?,
                    customer,
                    &(state as i16),
                    &attempt,
                    &time,
                ];
                rows.as_mut()
                    .write(&values[..copy.columns])
                    .await
                    .map_err(|error| session.failed(error))?;
            }
        }
        rows.finish().await.map_err(|error| session.failed(error))?;
        Ok(())
    };
    session.run_copy(&copy.text, copied).await
}

/// The statement that copies tasks into the first `columns` of [`COPIED_COLUMNS`].
fn copy_tasks(columns: usize) -> String {
    let names = COPIED_COLUMNS[..columns].iter().map(|(name, _)| *name);
    let names: Vec<&str> = names.collect();
    format!(
        "COPY tasks ({}) FROM STDIN (FORMAT binary)",
        names.join(", ")
    )
}

fn count(of: usize) -> Result<i32> {
    i32::try_from(of).map_err(Error::internal)
}
