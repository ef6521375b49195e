//! Cached lists while a check or a list statement is under way: what a statement did not see is not missing from the answer
//! to a call that came later.
//!
//! The statements wait inside of their snapshot: the schema has a `statement_timestamp()` of its own that waits for a lock.

use tokio::task::JoinHandle;

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    server::{Server, options},
};

const CHECK: &str = "%s.log_trimmed, l.xid%";
const LIST: &str = "SELECT c.total%";

/// A service whose statements can be held, and who holds them.
struct Held {
    server: Server,
    holder: tokio_postgres::Client,
    lock: String,
}

impl Held {
    /// Statements like `pattern` wait while they are held.
    async fn start(pattern: &str) -> Self {
        let database = Database::with_clock("0 seconds").await;
        let lock = format!("hashtext('{}')", database.application);
        database
            .execute(&format!(
                "CREATE OR REPLACE FUNCTION statement_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN
                    IF current_query() LIKE '{pattern}' THEN
                        PERFORM pg_advisory_lock_shared({lock}); PERFORM pg_advisory_unlock_shared({lock});
                    END IF;
                    RETURN pg_catalog.statement_timestamp();
                END $$"
            ))
            .await;
        let server = Server::start_on(database, options()).await;
        server.database.add_tasks("demo", 3).await;
        let holder = server.database.client().await;
        Self {
            server,
            holder,
            lock,
        }
    }

    async fn hold(&self) {
        let sql = format!("SELECT pg_advisory_lock({})", self.lock);
        self.holder.batch_execute(&sql).await.unwrap();
    }

    async fn release(&self) {
        let sql = format!("SELECT pg_advisory_unlock({})", self.lock);
        self.holder.batch_execute(&sql).await.unwrap();
    }

    /// Waits until this many statements are held.
    async fn wait_for(&self, count: i64) {
        let database = &self.server.database;
        let held = async || database.count_waiting(&self.holder).await == count;
        eventually("the statements wait", PATIENCE, held).await;
    }

    /// Changes all tasks, and commits.
    async fn change(&self, name: &str) {
        let sql = format!("UPDATE tasks SET name = '{name}'");
        self.server.database.execute(&sql).await;
    }

    /// The names of the tasks of a list.
    fn list(&self, query: &str) -> JoinHandle<Vec<String>> {
        let (http, query) = (self.server.http(), query.to_owned());
        tokio::spawn(async move {
            let list = http.list(&query).await.json();
            let tasks = list["tasks"].as_array().unwrap().iter();
            tasks
                .map(|task| task["name"].as_str().unwrap().to_owned())
                .collect()
        })
    }

    async fn assert_list(&self, query: &str, name: &str) {
        assert_eq!(self.list(query).await.unwrap(), [name; 3]);
    }
}

/// A check that was sent before a call came does not answer it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_check_that_is_sent_after_it_came() {
    let held = Held::start(CHECK).await;
    held.change("first").await;
    held.assert_list("", "first").await;
    held.assert_list("", "first").await;
    held.hold().await;
    let early = held.list("");
    held.wait_for(1).await;
    held.change("second").await;
    let late = held.list("");
    // It has come once it waits for its check, which no statement shows.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    held.release().await;
    // The early one began before the change.
    early.await.unwrap();
    assert_eq!(late.await.unwrap(), ["second"; 3]);
    held.assert_list("", "second").await;
}

/// A list statement that was sent before a call came does not answer it either.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_list_that_is_sent_after_it_came() {
    let held = Held::start(LIST).await;
    held.change("first").await;
    held.hold().await;
    let early = held.list("");
    held.wait_for(1).await;
    held.change("second").await;
    let late = held.list("");
    // It does not wait for the end of the one under way.
    held.wait_for(2).await;
    held.release().await;
    assert_eq!(early.await.unwrap(), ["first"; 3]);
    assert_eq!(late.await.unwrap(), ["second"; 3]);
    held.assert_list("", "second").await;
}

/// The answer of a statement that a check has overtaken is not kept for the epoch that the check began.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_an_epoch_that_has_ended_is_not_kept() {
    let held = Held::start(LIST).await;
    held.change("first").await;
    held.assert_list("limit=10", "first").await;
    held.hold().await;
    let early = held.list("limit=11");
    held.wait_for(1).await;
    held.change("second").await;
    // Its check ends the epoch.
    let checks = held.server.app.list_cache().checks;
    let checking = held.list("limit=10");
    held.wait_for(2).await;
    assert_eq!(held.server.app.list_cache().checks, checks + 1);
    held.release().await;
    assert_eq!(early.await.unwrap(), ["first"; 3]);
    assert_eq!(checking.await.unwrap(), ["second"; 3]);
    held.assert_list("limit=11", "second").await;
    held.assert_list("limit=11", "second").await;
}
