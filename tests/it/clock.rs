//! A service whose clock is wrong: whatever is compared with times in the database goes by PostgreSQL's clock.

use std::time::Duration;

use futures_util::future::join_all;
use outbound_tasks::domain::key::Scope;
use tonic::Code;

use crate::support::{
    database::Database,
    eventually,
    keys::create,
    server::{Server, options},
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// The clocks of PostgreSQL that are tried, by how far they are off from the service's.
const OFFSETS: [&str; 2] = ["-3 years", "8 hours"];

#[tokio::test(flavor = "multi_thread")]
async fn keys_expire_and_are_used_by_the_databases_clock() {
    join_all(OFFSETS.map(async |offset| {
        let server = Server::start_on(Database::with_clock(offset).await, options()).await;
        let caller = Caller::new(server.address);
        let code = async |key: &str| caller.list(Wire::Grpc, &[("x-api-key", key)]).await.code;
        let sql = server.database.client().await;
        // Made by the command, and by hand.
        let by_command = create(&server.database, "read", &["--expires-in=1h"]).await;
        let expires = "SELECT extract(epoch FROM expires_at - now())::float8 FROM api_keys WHERE expires_at IS NOT NULL";
        let left: f64 = sql.query_one(expires, &[]).await.unwrap().get(0);
        assert!((3500.0..=3600.0).contains(&left), "{offset}: {left}");
        assert_eq!(code(&by_command).await, Code::Ok, "{offset}");
        let set = async |expires_at: &str| {
            let set = format!(
                "UPDATE api_keys SET expires_at = {expires_at} WHERE expires_at IS NOT NULL"
            );
            sql.batch_execute(&set).await.unwrap();
        };
        // The moment is met within the second for which a key's record is kept.
        set("now() + interval '2 seconds'").await;
        assert_eq!(code(&by_command).await, Code::Ok, "{offset}");
        let expired = async || code(&by_command).await == Code::Unauthenticated;
        eventually("the key expires", 10 * SECOND, expired).await;
        let over = "SELECT count(*) FROM api_keys WHERE expires_at <= now() + interval '1 second'";
        assert_eq!(sql.query_one(over, &[]).await.unwrap().get::<_, i64>(0), 1);

        let noted = async || {
            code(&server.key).await;
            let age = "SELECT abs(extract(epoch FROM now() - last_used_at))::float8 FROM api_keys WHERE name = 'test'
                AND expires_at IS NULL";
            let age: Option<f64> = sql.query_one(age, &[]).await.unwrap().get(0);
            age.is_some_and(|age| age < 30.0)
        };
        eventually("the use is noted", 10 * SECOND, noted).await;
        for wrong in ["- interval '61 seconds'", "+ interval '1 day'"] {
            let set = format!("UPDATE api_keys SET last_used_at = now() {wrong}");
            sql.batch_execute(&set).await.unwrap();
            eventually("the next use is noted", 10 * SECOND, noted).await;
        }
        server
            .app
            .authenticate(Some(&server.key), Scope::Admin)
            .await
            .unwrap();
    }))
    .await;
}
