//! Lists from the cache while the tenant changes, and what a check of the change log costs by itself.

use std::time::Duration;

use diesel::pg::Pg;
use outbound_tasks::{db::CheckStatement, domain::tenant::TenantId};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_postgres::Client;

use crate::{
    Result,
    client::Caller,
    data::{self, TENANT},
    floors::Script,
    load,
    run::Bench,
    table::{Table, rate, refused},
};

/// Changes per second beside the lists.
const CHANGES: u32 = 50;
/// The changed tasks, none of which is on the listed page.
const CHANGED: &str = "SELECT task_id FROM tasks WHERE tenant_id = $1 AND status = 4 \
    ORDER BY start_time, task_id OFFSET 100 LIMIT 500";
const ROUNDS: usize = 3;
const CALLERS: usize = 32;

/// The check of the change log, as the service sends it when no transaction was open.
pub(crate) fn check_script() -> Result<Script> {
    let tenant = TenantId::parse(TENANT)?;
    let statement = CheckStatement::new(&tenant, &[]);
    Script::read(&diesel::debug_query::<Pg, _>(&statement).to_string())
}

impl Bench<'_> {
    /// The table rows about a repeated list whose tenant changes.
    pub(crate) async fn changing_lists(&self, table: &mut Table) -> Result<()> {
        let sql = data::connect(&self.url).await?;
        let rows = sql.query(CHANGED, &[&TENANT]).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let writer = tokio::spawn(change(sql, ids));
        let (mut grpc, mut json, mut ready_made) = (0.0_f64, 0.0_f64, 0.0_f64);
        let mut figures = [String::new(), String::new()];
        for _ in 0..ROUNDS {
            let phase = self.settings.phase;
            let work = Caller::grpc(&self.service.address, CALLERS, &self.grpc).await?;
            let seen = load::closed(work, phase).await?;
            if seen.rate > grpc {
                grpc = seen.rate;
                figures[0] = format!("{}{}", rate(seen.rate), refused(&seen));
            }
            let work = Caller::json(CALLERS, &self.json).await?;
            let seen = load::closed(work, phase).await?;
            if seen.rate > json {
                json = seen.rate;
                figures[1] = format!("{}{}", rate(seen.rate), refused(&seen));
            }
            let work = Caller::grpc(&self.ready_made.address, CALLERS, &self.grpc).await?;
            ready_made = load::closed(work, phase).await?.rate.max(ready_made);
        }
        if writer.is_finished() {
            writer.await??;
            return Err("the writer ended early".into());
        }
        writer.abort();
        for ((name, reached), figure) in [("gRPC", grpc), ("JSON", json)].into_iter().zip(figures) {
            table.row(
                &format!("{name}, {CHANGES} changes/s of the tenant, {CALLERS} callers"),
                figure,
                Some((
                    format!("ready-made {}", rate(ready_made)),
                    reached / ready_made,
                )),
            );
        }
        let restore =
            "UPDATE tasks SET progress = 100 WHERE tenant_id = $1 AND status = 4 AND progress = 99";
        self.sql.execute(restore, &[&TENANT]).await?;
        Ok(())
    }
}

/// Changes one task after the other, until it is aborted. Ends only with an error.
async fn change(sql: Client, ids: Vec<String>) -> Result<()> {
    let update = "UPDATE tasks SET progress = 199 - progress WHERE tenant_id = $1 AND task_id = $2";
    let update = sql.prepare(update).await?;
    let mut due = interval(Duration::from_secs(1) / CHANGES);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for id in ids.iter().cycle() {
        let late = due.tick().await.elapsed();
        if late > Duration::from_secs(1) {
            return Err(format!("changes are {late:?} late").into());
        }
        if sql.execute(&update, &[&TENANT, id]).await? != 1 {
            return Err(format!("{id} was not changed at {:?}", Instant::now()).into());
        }
    }
    Ok(())
}
