//! The plans that PostgreSQL used for the service's own statements, with its own settings. auto_explain sends each
//! plan, with the numbers of rows that it read, as a notice.

use std::future::poll_fn;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use outbound_tasks::{
    db::{SESSION_SETTINGS, list::ListStatement},
    domain::{list::ListQuery, tenant::TenantId},
};
use tokio::sync::mpsc;
use tokio_postgres::AsyncMessage;

use super::{database::Database, tasks::Json};

/// Number of the tenant's tasks after [`FILL`].
pub const TASKS: i64 = 200_000;
/// Tasks roughly in the order of their start, over four years, as in a call centre. One task in 400 is running, one in
/// 400 is paused, and windows last from an hour to two months. Names end with eight digits of their own: with all 32 of the
/// hash, an index of names takes three times as long to fill. Without triggers, since the counts are built afterwards:
/// otherwise 200,000 dead rows of changes, which no vacuum can remove while another test has a transaction open, would
/// count as read.
pub const FILL: &str = "SET session_replication_role = replica;
    INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
        target_count, target)
    SELECT CASE WHEN n % 11 = 0 THEN 'other' ELSE 'demo' END, 'task-' || n, 'Campaign ' || left(md5(n::text), 8), start,
        start + (1 + n % 9) * interval '1 hour' * CASE WHEN n % 50 = 0 THEN 150 ELSE 1 END,
        CASE WHEN n % 400 = 1 THEN 2 WHEN n % 400 = 2 THEN 3 WHEN n % 10 = 3 THEN 1 WHEN n % 20 = 4 THEN 5
            WHEN n % 20 = 14 THEN 6 ELSE 4 END,
        n % 101, start - interval '1 day' * (n % 17), start + interval '1 minute' * (n % 977), 0, '{}'
    FROM (SELECT n, timestamptz '2020-01-01Z' + interval '15 min' * (n * 140256::bigint / 220000 + (n::bigint * 7919) % 2880) AS start
        FROM generate_series(1, 220000) n) AS seed";

pub struct Explainer {
    pub connection: AsyncPgConnection,
    pub plans: mpsc::UnboundedReceiver<String>,
    /// The role of the service, if it is not the owner of the tables.
    role: Option<String>,
}

impl Explainer {
    pub async fn new(database: &Database) -> Self {
        let (client, mut driver) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls)
            .await
            .unwrap();
        let (sender, plans) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| driver.poll_message(context)).await {
                let message = message.unwrap();
                if let AsyncMessage::Notice(notice) = message {
                    let _ = sender.send(notice.message().to_owned());
                }
            }
        });
        let mut connection = AsyncPgConnection::try_from(client).await.unwrap();
        let settings = "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
            SET auto_explain.log_buffers = on; SET auto_explain.log_timing = off; SET auto_explain.log_format = json;
            SET auto_explain.log_level = notice;
            SET auto_explain.log_nested_statements = on";
        connection.batch_execute(settings).await.unwrap();
        for setting in SESSION_SETTINGS {
            let (name, value) = setting.split_once('=').unwrap();
            connection
                .batch_execute(&format!("SET {name} = '{value}'"))
                .await
                .unwrap();
        }
        if let Some(role) = &database.role {
            let restrict = format!("SET ROLE {role}; SET outbound_tasks.tenant = 'demo'");
            connection.batch_execute(&restrict).await.unwrap();
        }
        Self {
            connection,
            plans,
            role: database.role.clone(),
        }
    }

    /// SQL that the owner of the tables runs on the connection.
    pub fn as_owner(&self, sql: &str) -> String {
        match &self.role {
            Some(role) => format!("RESET ROLE; {sql}; SET ROLE {role}"),
            None => sql.to_owned(),
        }
    }

    /// The plan of the statement itself, and those of the statements in its functions.
    pub async fn plans(&mut self, query: &ListQuery) -> (Json, Vec<Json>) {
        let tenant = TenantId::parse("demo").unwrap();
        let statement = ListStatement::new(&tenant, query);
        diesel_async::RunQueryDsl::execute(statement, &mut self.connection)
            .await
            .unwrap();
        // Within a transaction, the notice comes when the portal ends.
        self.connection.batch_execute("CLOSE ALL").await.unwrap();
        let mut nested = Vec::new();
        loop {
            let text = self.plans.recv().await.unwrap();
            let Some((_, json)) = text.split_once("plan:\n") else {
                continue;
            };
            let plan: Json = serde_json::from_str(json).unwrap();
            // The outermost statement ends last.
            if plan["Query Text"]
                .as_str()
                .unwrap()
                .contains("statement_timestamp()")
            {
                return (plan["Plan"].clone(), nested);
            }
            nested.push(plan["Plan"].clone());
        }
    }

    /// Pages that a statement read by this plan. If they are more than `most`, the fewest of three runs: a session that
    /// fell behind the changes of other tests' schemas reads hundreds of pages of the catalogs anew.
    pub async fn pages(&mut self, query: &ListQuery, plan: &Json, most: f64) -> f64 {
        let pages = |plan: &Json| plan["Shared Hit Blocks"].as_f64().unwrap();
        let mut fewest = pages(plan);
        for _ in 0..2 {
            if fewest > most {
                fewest = fewest.min(pages(&self.plans(query).await.0));
            }
        }
        fewest
    }
}

/// All nodes of a plan, outermost first.
pub fn nodes(plan: &Json) -> Vec<&Json> {
    let children = plan["Plans"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    std::iter::once(plan)
        .chain(children.iter().flat_map(nodes))
        .collect()
}

/// A plan in short, for the message of a failure.
pub fn outline(node: &Json, depth: usize) -> String {
    let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let mut line = format!(
        "{:indent$}{} {} rows={} loops={} removed={} cond={} filter={}\n",
        "",
        text("Node Type"),
        text("Index Name"),
        node["Actual Rows"],
        node["Actual Loops"],
        node["Rows Removed by Filter"],
        text("Index Cond"),
        text("Filter"),
        indent = depth * 2,
    );
    for child in node["Plans"].as_array().into_iter().flatten() {
        line += &outline(child, depth + 1);
    }
    line
}
