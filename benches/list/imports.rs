//! Loading many tasks: `outbound-tasks import`, compared with psql's `\copy` of the same rows into the same tables
//! without triggers, and with an import without triggers.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use tokio::{io::AsyncWriteExt, process::Command};
use tokio_postgres::Client;

use crate::{
    Result,
    data::{self, TENANT},
    run::{self, Bench, DATABASE},
    service,
    table::{Table, rate, thousands},
};

const IMPORTS: &str = "bench_imports";
const MOST: i64 = 1_000_000;
/// Runs of each import, of which the best counts: the first large write finds no WAL files to reuse.
const ROUNDS: usize = 2;
/// Interval between two reads of the import's memory. Linux records the peak.
const LOOK: Duration = Duration::from_millis(20);
const TABLES: [(&str, &str); 2] = [
    (
        "tasks",
        "tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, target",
    ),
    ("task_targets", "tenant_id, task_id, position, customer_id"),
];

impl Bench<'_> {
    /// The table rows about imports, in a database of their own.
    pub(crate) async fn imports(&self, dir: &Path, table: &mut Table) -> Result<()> {
        let tasks = self.settings.tasks.min(MOST);
        eprintln!("importing {} tasks", thousands(tasks));
        let file = dir.join("tasks.ndjson");
        self.export(tasks, &file).await?;
        let drop = format!("DROP DATABASE IF EXISTS {IMPORTS} WITH (FORCE)");
        self.sql.batch_execute(&drop).await?;
        self.sql
            .batch_execute(&format!("CREATE DATABASE {IMPORTS}"))
            .await?;
        let url = self
            .url
            .replace(&format!("/{DATABASE}?"), &format!("/{IMPORTS}?"));
        run::prepare(&url).await?;
        let sql = data::connect(&url).await?;

        // Triggers delete the dependent rows of the tasks.
        let empty = "TRUNCATE tasks; CHECKPOINT";
        let mut best = [Duration::MAX; 3];
        let mut memory = 0.0_f64;
        for round in 0..ROUNDS {
            let (with, most) = import(&url, &file).await?;
            memory = memory.max(most);
            check(&sql, tasks).await?;
            if round == 0 {
                for (name, columns) in TABLES {
                    let to = format!(
                        "\\copy {name} ({columns}) TO '{}'",
                        dir.join(name).display()
                    );
                    psql(&url, &to).await?;
                }
            }
            sql.batch_execute(empty).await?;
            let began = Instant::now();
            for (name, columns) in TABLES {
                let from = format!(
                    "\\copy {name} ({columns}) FROM '{}'",
                    dir.join(name).display()
                );
                psql(&without_triggers(&url), &from).await?;
            }
            let copy = began.elapsed();
            sql.batch_execute(empty).await?;
            let (without, _) = import(&without_triggers(&url), &file).await?;
            sql.batch_execute(empty).await?;
            for (best, took) in best.iter_mut().zip([with, copy, without]) {
                *best = took.min(*best);
            }
        }
        let [imported, copied, uncounted] = best.map(|took| tasks as f64 / took.as_secs_f64());
        let what = format!("import of {} tasks with 3 targets each", thousands(tasks));
        table.row(
            &what,
            rate(imported),
            Some((format!("\\copy {}", rate(copied)), imported / copied)),
        );
        let floor = (
            format!("without triggers {}", rate(uncounted)),
            imported / uncounted,
        );
        table.row(
            "the same, what counts, names and log cost",
            rate(imported),
            Some(floor),
        );
        table.row(
            "memory of the import, highest",
            format!("{memory:.0} MiB"),
            None,
        );
        self.sql.batch_execute(&drop).await?;
        Ok(())
    }

    /// Writes tasks into a file, as `import` reads them.
    async fn export(&self, tasks: i64, path: &Path) -> Result<()> {
        let sql = format!(
            "COPY (SELECT json_build_object('task_id', task_id, 'name', name, 'target', target, \
                'start_time', start_time, 'end_time', end_time, \
                'status', (ARRAY['pending', 'running', 'paused', 'completed', 'stopped', 'failed'])[status], \
                'progress', progress, 'created_at', created_at, 'updated_at', updated_at) \
             FROM tasks WHERE tenant_id = '{TENANT}' LIMIT {tasks}) TO STDOUT"
        );
        let mut rows = std::pin::pin!(self.sql.copy_out(&sql).await?);
        let mut file = tokio::io::BufWriter::new(tokio::fs::File::create(path).await?);
        while let Some(part) = rows.try_next().await? {
            file.write_all(&part).await?;
        }
        file.flush().await?;
        Ok(())
    }
}

/// Checks that all tasks are there and the counts are right.
async fn check(sql: &Client, tasks: i64) -> Result<()> {
    let row = sql
        .query_one(
            "SELECT task_counts_verify($1), (SELECT count(*) FROM tasks)",
            &[&TENANT],
        )
        .await?;
    let (wrong, loaded): (i64, i64) = (row.get(0), row.get(1));
    if wrong != 0 || loaded != tasks {
        let what =
            format!("after the import {loaded} tasks are there, and {wrong} counts are wrong");
        return Err(what.into());
    }
    Ok(())
}

/// The same database, through sessions in which no trigger fires.
fn without_triggers(url: &str) -> String {
    format!("{url}&options=-c%20session_replication_role%3Dreplica")
}

/// Runs the program. Returns its duration and its peak memory in MiB.
async fn import(url: &str, file: &Path) -> Result<(Duration, f64)> {
    let began = Instant::now();
    let mut child = service::program()
        .args(["import", "--tenant", TENANT])
        .arg(file)
        .env("DATABASE_URL", url)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let pid = child.id().unwrap_or_default();
    let mut memory = 0.0;
    loop {
        memory = service::memory(pid, "VmHWM").max(memory);
        let Ok(ended) = tokio::time::timeout(LOOK, child.wait()).await else {
            continue;
        };
        return match ended?.success() {
            true => Ok((began.elapsed(), memory)),
            false => Err("the import failed".into()),
        };
    }
}

async fn psql(url: &str, command: &str) -> Result<()> {
    let done = Command::new(PathBuf::from("psql"))
        .args(["--no-psqlrc", "--quiet", "--command", command, url])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status();
    match done.await?.success() {
        true => Ok(()),
        false => Err(format!("psql could not do this: {command}").into()),
    }
}
