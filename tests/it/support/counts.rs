//! Writers of random changes, and the counts held against the tasks.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use fastrand::Rng;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Statement};

/// One of the things writers do, on keys that many of them share.
fn random_change(random: &mut Rng) -> String {
    let id = |random: &mut Rng| format!("'t{}'", random.u32(0..900));
    let (one, other) = (id(random), id(random));
    let hours = random.u32(0..300);
    let status = random.u32(1..=6);
    let insert = format!(
        "INSERT INTO tasks SELECT 'demo', id, 'n', start, start + interval '{hours} hours', {status}, 0,
            timestamptz '2020-01-01Z' + interval '1 hour' * (hashtext(id) & 15), start, 0, '{{}}'
         FROM (SELECT 't' || n AS id, timestamptz '2020-01-01Z' + interval '1 hour' * ((n * 7 + {hours}) % 300) AS start
            FROM generate_series({0}, {0} + {1}) n) AS new ON CONFLICT DO NOTHING",
        random.u32(0..900),
        random.u32(0..20),
    );
    let change = match random.u32(0..20) {
        0..=3 => insert,
        4 | 5 => format!("UPDATE tasks SET status = {status} WHERE tenant_id = 'demo' AND task_id = {one}"),
        6 => format!(
            "UPDATE tasks SET start_time = start_time + interval '{hours} hours', end_time = end_time + interval '400 hours'
             WHERE tenant_id = 'demo' AND task_id IN ({one}, {other})"
        ),
        7 => format!("DELETE FROM tasks WHERE tenant_id = 'demo' AND task_id = {one}"),
        9 => format!("UPDATE tasks SET status = {status} WHERE tenant_id = 'demo' AND task_id LIKE 't{}%'", random.u32(10..90)),
        10 => insert.replace(
            "ON CONFLICT DO NOTHING",
            "ON CONFLICT (tenant_id, task_id) DO UPDATE SET status = excluded.status, start_time = excluded.start_time, \
                end_time = excluded.end_time",
        ),
        11 => format!(
            "UPDATE tasks SET status = {status}, start_time = start_time - interval '{hours} hours'
             WHERE tenant_id = 'demo' AND task_id IN ({one}, {other})"
        ),
        13 => format!("UPDATE tasks SET end_time = end_time + interval '{hours} hours' WHERE tenant_id = 'demo' AND task_id IN ({one}, {other})"),
        14 => format!("UPDATE tasks SET created_at = created_at + interval '{hours} hours' WHERE tenant_id = 'demo' AND task_id IN ({one}, {other})"),
        // Many tasks get the same time.
        15 => format!(
            "UPDATE tasks SET created_at = '2020-01-02Z', end_time = start_time, status = {status}
             WHERE tenant_id = 'demo' AND task_id LIKE 't{}%'",
            random.u32(10..90)
        ),
        16 => format!("UPDATE tasks SET created_at = updated_at, status = {status} WHERE tenant_id = 'demo' AND task_id = {one}"),
        17 => format!(
            "UPDATE tasks SET labels = '{{k,k={hours},l,l=1}}' WHERE tenant_id = 'demo' AND task_id LIKE 't{}%'",
            random.u32(10..90)
        ),
        18 => format!(
            "UPDATE tasks SET labels = '{{k,k=1}}', status = {status}, start_time = start_time + interval '{hours} hours'
             WHERE tenant_id = 'demo' AND task_id LIKE 't{}%'",
            random.u32(10..90)
        ),
        19 => format!("UPDATE tasks SET labels = NULL WHERE tenant_id = 'demo' AND task_id IN ({one}, {other})"),
        8 => format!("DELETE FROM tasks WHERE tenant_id = 'demo' AND task_id LIKE 't{}%' AND status = {status}", random.u32(10..90)),
        _ => format!("UPDATE tasks SET task_id = 'x' || task_id || '-' || {} WHERE tenant_id = 'demo' AND task_id = {one}", random.u64(..)),
    };
    let end = if random.u32(0..8) == 0 {
        "ROLLBACK"
    } else {
        "COMMIT"
    };
    format!("BEGIN; {change}; {end}")
}

/// How many changes writers make.
pub enum Pace {
    /// One every four milliseconds at most: at full speed they would measure the vacuum, not the
    /// counts.
    ByTime,
    /// One for each permit. Their number, and with it the processor time, is then the same on a
    /// busy machine as on an idle one.
    ByPermit(Arc<Semaphore>),
}

impl Pace {
    async fn wait(&self) {
        match self {
            Self::ByTime => tokio::time::sleep(Duration::from_millis(4)).await,
            Self::ByPermit(permits) => permits.acquire().await.unwrap().forget(),
        }
    }
}

/// Makes random changes for as long as the connection lasts.
pub async fn write(client: &Client, random: &mut Rng, pace: &Pace) {
    loop {
        pace.wait().await;
        // Two that wait for each other's rows, or want the same id: PostgreSQL ends one of them.
        if client.batch_execute(&random_change(random)).await.is_err()
            && client.batch_execute("ROLLBACK").await.is_err()
        {
            return;
        }
    }
}

/// What the counts say and what is there, in one statement, so in one snapshot.
const COMPARE: &str = "
    WITH facts AS (SELECT start_time, created_at, end_time, task_id FROM tasks WHERE tenant_id = 'demo' AND status = ANY ($1)),
    wanted AS (SELECT (count(*) * $3::float8)::bigint AS ordinal FROM facts)
    SELECT task_total('demo', $1), (SELECT count(*) FROM facts),
        task_rank('demo', $1, $2), (SELECT count(*) FROM facts WHERE start_time < $2),
        (SELECT k.skip + (SELECT count(*) FROM facts f WHERE (f.start_time, f.task_id) < (k.start_time, k.task_id))
            FROM task_seek('demo', 1::smallint, $1, ordinal) k),
        (SELECT k.skip + (SELECT count(*) FROM facts f WHERE f.task_id < k.task_id)
            FROM task_seek('demo', 2::smallint, $1, ordinal) k),
        ordinal,
        (SELECT k.skip + (SELECT count(*) FROM facts f WHERE (f.created_at, f.task_id) < (k.start_time, k.task_id))
            FROM task_seek('demo', 3::smallint, $1, ordinal) k),
        (SELECT k.skip + (SELECT count(*) FROM facts f WHERE (f.end_time, f.task_id) < (k.start_time, k.task_id))
            FROM task_seek('demo', 4::smallint, $1, ordinal) k),
        task_rank_in('demo', 3::smallint, $1, $2), (SELECT count(*) FROM facts WHERE created_at < $2),
        task_rank_in('demo', 4::smallint, $1, $2), (SELECT count(*) FROM facts WHERE end_time < $2),
        (SELECT last - first FROM task_range('demo', 3::smallint, $1, $4, $5)),
        (SELECT count(*) FROM facts WHERE created_at >= coalesce($4, '-infinity') AND created_at < coalesce($5, 'infinity')),
        (SELECT last - first FROM task_range('demo', 4::smallint, $1, $4, $5)),
        (SELECT count(*) FROM facts WHERE end_time >= coalesce($4, '-infinity') AND end_time < coalesce($5, 'infinity')),
        coalesce((SELECT task_label_count(n, $1) FROM task_label_counts n WHERE n.tenant_id = 'demo' AND n.label = 'k'), 0)
            + coalesce((SELECT sum(task_change_count(c, $1)) FROM task_changes c
                WHERE c.tenant_id = 'demo' AND c.labels @> '{k}'), 0),
        (SELECT count(*) FROM tasks WHERE tenant_id = 'demo' AND status = ANY ($1) AND labels @> '{k}')
    FROM wanted";

/// Compares at random instants and ordinals, again and again.
pub struct Comparison {
    client: Client,
    compare: Statement,
    random: Rng,
}

impl Comparison {
    pub async fn new(client: Client, seed: u64) -> Self {
        Self {
            compare: client.prepare(COMPARE).await.unwrap(),
            random: Rng::with_seed(seed),
            client,
        }
    }

    pub async fn make(&mut self) {
        let random = &mut self.random;
        let statuses: Vec<i16> = (1..=6).filter(|_| random.bool()).collect();
        let mut instant = || {
            let seconds = 1_577_836_800 + random.i64(-10..310) * 3600 + random.i64(0..2) * 1799;
            UNIX_EPOCH + Duration::from_secs(seconds as u64)
        };
        let before = instant();
        let (one, other) = (instant(), instant());
        // One bound, two, or none.
        let lower = random.bool().then_some(one.min(other));
        let upper = random.bool().then_some(one.max(other));
        let row = self
            .client
            .query_one(
                &self.compare,
                &[&statuses, &before, &random.f64(), &lower, &upper],
            )
            .await
            .unwrap();
        let [total, tasks, rank, earlier, by_time, by_id, ordinal] =
            [0, 1, 2, 3, 4, 5, 6].map(|n| row.get::<_, i64>(n));
        assert_eq!((total, rank), (tasks, earlier), "{statuses:?} {before:?}");
        if ordinal < tasks {
            assert_eq!((by_time, by_id), (ordinal, ordinal), "{statuses:?}");
        }
        let [by_creation, by_end] = [7, 8].map(|n| row.get::<_, i64>(n));
        if ordinal < tasks {
            assert_eq!((by_creation, by_end), (ordinal, ordinal), "{statuses:?}");
        }
        for n in [9, 11, 13, 15, 17] {
            let [counted, there] = [n, n + 1].map(|n| row.get::<_, i64>(n));
            let asked = format!("column {n}: {statuses:?} {before:?} {lower:?} {upper:?}");
            assert_eq!(counted, there, "{asked}");
        }
    }
}
