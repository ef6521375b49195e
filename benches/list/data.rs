//! The database under test: its rows, the pages asked of it, and their right answers.
//!
//! Every value is a hash of the row's number and the seed, so the same seed gives the same rows, whatever order they
//! are made in. Tasks are made in the order of their creation over four years, as a call centre makes them; status and
//! length are spread at random. The right answers come from plain SQL of this file's own, not from the service's.

use chrono::{DateTime, NaiveDate, Utc};
use outbound_tasks::domain::{
    filter::{OrderBy, TaskOrder},
    list::{DEFAULT_LIMIT, ListRequest},
    page::TokenKey,
    status::TaskStatus,
};
use tokio_postgres::{Client, NoTls};

use crate::Result;

/// The tenant whose tasks are listed.
pub(crate) const TENANT: &str = "bench";
/// Rows written by one statement.
const CHUNK: i64 = 500_000;

/// A connection of the benchmark's own.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Writes `tasks` tasks of the tenant and a tenth as many of others. Indexes and counts are made afterwards, which is
/// several times faster when there are millions of rows.
pub(crate) async fn fill(client: &Client, tasks: i64, seed: i64) -> Result<()> {
    let others = "INSERT INTO tenants SELECT 'other-' || n, sha256(n::text::bytea) FROM generate_series(0, 9) n";
    client.batch_execute(others).await?;
    let indexes = drop_indexes(client).await?;
    // Without triggers: the counts are made in one go at the end.
    client
        .batch_execute("SET session_replication_role = replica")
        .await?;
    insert(client, &format!("'{TENANT}'"), tasks, seed).await?;
    insert(client, "'other-' || i % 10", tasks / 10, seed).await?;
    for index in indexes {
        client.batch_execute(&index).await?;
    }
    client
        .batch_execute("SELECT task_counts_rebuild(tenant_id) FROM tenants")
        .await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Drops the indexes of `tasks` that no constraint needs; answers the statements that make them again.
async fn drop_indexes(client: &Client) -> Result<Vec<String>> {
    let sql = "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i \
        WHERE indrelid = 'tasks'::regclass \
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)";
    let mut definitions = Vec::new();
    for row in client.query(sql, &[]).await? {
        let name: String = row.get(0);
        definitions.push(row.get(1));
        client.batch_execute(&format!("DROP INDEX {name}")).await?;
    }
    Ok(definitions)
}

async fn insert(client: &Client, tenant: &str, tasks: i64, seed: i64) -> Result<()> {
    let mut first = 1;
    while first <= tasks {
        let last = tasks.min(first + CHUNK - 1);
        let sql = insert_statement(tenant, first, last, tasks, seed);
        client.batch_execute(&sql).await?;
        first = last + 1;
    }
    Ok(())
}

/// 80 in 100 tasks are completed, 4 each of the other statuses; windows last up to 8 hours, one in ten up to 8 days.
fn insert_statement(tenant: &str, first: i64, last: i64, tasks: i64, seed: i64) -> String {
    // A number below `below`, for the row i.
    let hash = |nth: i64, below: i64| {
        let seed = seed.wrapping_mul(16).wrapping_add(nth);
        format!("((hashint8extended(i, {seed}) & 9223372036854775807) % {below})")
    };
    let customer = |nth| format!("'cust' || lpad({}::text, 7, '0')", hash(nth, 10_000_000));
    format!(
        "INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
            target_count, target) \
         SELECT {tenant}, \
            substr(ms, 1, 8) || '-' || substr(ms, 9, 4) || '-7' || substr(r, 1, 3) || '-8' || substr(r, 4, 3) \
                || '-' || substr(r, 7, 12), \
            (ARRAY['续费提醒', '满意度回访', '账单通知', 'Renewal reminder', 'Satisfaction survey', 'Overdue notice']) \
                [{kind} + 1] || ' ' || to_char(start, 'YYYY-MM-DD') || ' #' || i, \
            start, start + length, status, CASE status WHEN 4 THEN 100 WHEN 1 THEN 0 ELSE {percent} END, \
            created, greatest(created, CASE WHEN status > 3 THEN start + length ELSE start END), 3, \
            ARRAY[{one}, {two}, {three}] \
         FROM generate_series({first}::bigint, {last}) i, \
         LATERAL (SELECT timestamptz '2022-01-01Z' + i * (interval '1461 days' / {tasks}) AS made) a, \
         LATERAL (SELECT date_bin('15 min', made, timestamptz '2022-01-01Z') + {quarter} * interval '15 min' AS start, \
            made - interval '1 day' AS created, \
            (1 + {quarters}) * CASE {long} WHEN 0 THEN interval '6 hours' ELSE interval '15 min' END AS length, \
            (CASE WHEN {state} < 80 THEN 4 ELSE (ARRAY[1, 2, 3, 5, 6])[1 + {state} % 5] END)::smallint AS status) b, \
         LATERAL (SELECT lpad(to_hex((extract(epoch FROM created) * 1000)::bigint), 12, '0') AS ms, \
            md5('{seed}' || i) AS r) c",
        kind = hash(0, 6),
        percent = hash(1, 100),
        quarter = hash(2, 30 * 96),
        quarters = hash(3, 32),
        long = hash(4, 10),
        state = hash(5, 100),
        one = customer(6),
        two = customer(7),
        three = customer(8),
    )
}

/// A list that is asked for, and what it must answer.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// What is asked.
    pub(crate) request: ListRequest,
    /// How many tasks match.
    pub(crate) total: i64,
    /// The page's tasks.
    pub(crate) ids: Vec<String>,
    condition: String,
    order: &'static str,
    offset: i64,
}

impl Kind {
    fn new(name: &'static str, condition: &str, order: &'static str, request: ListRequest) -> Self {
        Self {
            name,
            request,
            total: 0,
            ids: Vec::new(),
            condition: condition.to_owned(),
            order,
            offset: 0,
        }
    }

    /// The list that this one, a page by number, is turned into once its token is known: the page after it.
    pub(crate) fn after(mut self, page_token: String) -> Self {
        self.request.page = None;
        self.request.page_token = page_token;
        self.offset += DEFAULT_LIMIT;
        self
    }

    /// Asks the database for the right answer.
    pub(crate) async fn learn(&mut self, client: &Client) -> Result<()> {
        let matching = format!(
            "FROM tasks WHERE tenant_id = '{TENANT}' AND {}",
            self.condition
        );
        let total = format!("SELECT count(*) {matching}");
        self.total = client.query_one(&total, &[]).await?.get(0);
        let page = format!(
            "SELECT task_id {matching} ORDER BY {}, task_id LIMIT {DEFAULT_LIMIT} OFFSET {}",
            self.order, self.offset
        );
        let rows = client.query(&page, &[]).await?;
        self.ids = rows.iter().map(|row| row.get(0)).collect();
        Ok(())
    }
}

/// The default list, which the main rows are about.
pub(crate) fn default_list() -> Kind {
    Kind::new(
        "no filter, by start_time",
        "true",
        "start_time",
        ListRequest::default(),
    )
}

/// The page in the middle of the default list, by number.
pub(crate) fn middle_page(tasks: i64) -> Kind {
    let page = (tasks / DEFAULT_LIMIT / 2).max(1);
    let list = default_list().request;
    numbered(
        "page by token, from the middle",
        "true",
        "start_time",
        list,
        page,
    )
}

fn numbered(
    name: &'static str,
    condition: &str,
    order: &'static str,
    request: ListRequest,
    page: i64,
) -> Kind {
    let page_request = ListRequest {
        page: Some(page),
        ..request
    };
    let mut kind = Kind::new(name, condition, order, page_request);
    kind.offset = (page - 1) * DEFAULT_LIMIT;
    kind
}

/// The other lists that are measured.
pub(crate) fn other_lists(tasks: i64) -> Vec<Kind> {
    let status = |statuses: &[TaskStatus]| ListRequest {
        statuses: statuses.iter().copied().collect(),
        ..ListRequest::default()
    };
    let month = ListRequest {
        start: Some(first_of(2024, 1)),
        end: Some(first_of(2024, 2)),
        ..ListRequest::default()
    };
    let by_name = ListRequest {
        order: TaskOrder {
            by: OrderBy::Name,
            ..TaskOrder::default()
        },
        ..ListRequest::default()
    };
    let by_id = ListRequest {
        order: TaskOrder {
            by: OrderBy::TaskId,
            ..TaskOrder::default()
        },
        ..ListRequest::default()
    };
    let last = tasks / DEFAULT_LIMIT;
    let middle = last / 2;
    let in_month = "start_time >= '2024-01-01Z' AND start_time < '2024-02-01Z'";
    let start = "start_time";
    vec![
        Kind::new(
            "status running",
            "status = 2",
            start,
            status(&[TaskStatus::Running]),
        ),
        Kind::new(
            "active (three statuses)",
            "status IN (1, 2, 3)",
            start,
            status(&TaskStatus::ACTIVE),
        ),
        Kind::new("one month", in_month, start, month),
        Kind::new("no filter, by name", "true", "name", by_name),
        numbered(
            "the middle page by number",
            "true",
            start,
            ListRequest::default(),
            middle,
        ),
        numbered(
            "the last page by number",
            "true",
            start,
            ListRequest::default(),
            last,
        ),
        numbered(
            "the middle page by task_id",
            "true",
            "task_id",
            by_id,
            middle,
        ),
        numbered(
            "a middle page of active",
            "status IN (1, 2, 3)",
            start,
            status(&TaskStatus::ACTIVE),
            (middle / 10).max(1),
        ),
    ]
}

fn first_of(year: i32, month: u32) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(year, month, 1).expect("every month has a first day");
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// The tenant's key for page tokens.
pub(crate) async fn token_key(client: &Client) -> Result<TokenKey> {
    let sql = "SELECT page_token_key FROM tenants WHERE tenant_id = $1";
    let bytes: Vec<u8> = client.query_one(sql, &[&TENANT]).await?.get(0);
    TokenKey::from_bytes(&bytes).ok_or_else(|| "the tenant's token key is not 32 bytes long".into())
}
