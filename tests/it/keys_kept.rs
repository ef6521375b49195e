//! What the database and the memory hold about a key and its use.

use std::time::{Duration, Instant};

use outbound_tasks::{
    domain::key::Scope,
    error::{Error, ErrorKind},
};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{
    eventually,
    keys::{create, id_of, unknown_key},
    server::Server,
    wire::{Caller, WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn only_the_hash_of_a_key_is_stored() {
    let server = Server::start().await;
    let key = create(&server.database, "read", &[]).await;
    let (_, secret) = key.rsplit_once('_').unwrap();
    let list = server.database.succeed(&["keys", "list"], b"").await;
    assert!(
        list.contains(&id_of(&key)) && !list.contains(secret),
        "{list}"
    );
    let client = server.database.client().await;
    let rows = client
        .query("SELECT api_keys::text FROM api_keys", &[])
        .await
        .unwrap();
    let rows: String = rows
        .iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect();
    let hash: String = Sha256::digest(&key)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert!(rows.contains(&hash) && !rows.contains(secret), "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_last_use_is_written_at_most_once_a_minute() {
    let server = Server::start().await;
    let (caller, client) = (Caller::new(server.address), server.database.client().await);
    let age = async || -> Option<f64> {
        let sql = "SELECT extract(epoch FROM now() - last_used_at)::float8 FROM api_keys";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let used_until_noted = async || {
        caller.list(Wire::Grpc, &[("x-api-key", &server.key)]).await;
        age().await.is_some_and(|age| age < 10.0)
    };
    assert_eq!(age().await, None);
    eventually("the first use is noted", 2 * SECOND, used_until_noted).await;
    let set = "UPDATE api_keys SET last_used_at = now() - interval '1 second' * ";
    server.database.execute(&format!("{set} 40")).await;
    // Longer than the memory holds a record of the key.
    let began = Instant::now();
    while began.elapsed() < 3 * SECOND {
        assert!(!used_until_noted().await, "noted again after 40 s");
        tokio::time::sleep(SECOND / 20).await;
    }
    server.database.execute(&format!("{set} 61")).await;
    eventually("the next use is noted", 3 * SECOND, used_until_noted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_invented_keys_does_not_harm_other_callers() {
    let server = Server::start().await;
    let mut floods = JoinSet::new();
    for _ in 0..8 {
        let app = server.app.clone();
        floods.spawn(async move {
            for _ in 0..1300 {
                let key = unknown_key("demo");
                let refused = app.authenticate(Some(&key), Scope::Read).await.unwrap_err();
                assert_eq!(refused.message(), Error::unauthenticated().message());
            }
        });
    }
    let caller = Caller::new(server.address);
    let mut calls = 0;
    while !floods.is_empty() {
        while let Some(flood) = floods.try_join_next() {
            flood.unwrap();
        }
        let answer = caller
            .list(WIRES[calls % WIRES.len()], &[("x-api-key", &server.key)])
            .await;
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
        calls += 1;
    }
    assert!(calls > 10, "only {calls} calls beside the flood");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_of_unknown_keys_leave_most_of_the_pool_to_others() {
    let server = Server::start().await;
    let lock = server.database.client().await;
    let sql = "BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE";
    lock.batch_execute(sql).await.unwrap();
    let mut flood = JoinSet::new();
    for _ in 0..20 {
        let app = server.app.clone();
        flood.spawn(async move {
            let key = unknown_key("demo");
            app.authenticate(Some(&key), Scope::Read).await.unwrap_err()
        });
    }
    // All calls except those that query the database are refused after a while.
    for _ in 0..19 {
        let busy = flood.join_next().await.unwrap().unwrap();
        assert_eq!(busy.kind(), ErrorKind::Unavailable);
        let (used, _, waiting) = server.app.pool_status();
        assert!((used, waiting) <= (1, 0), "{used} used, {waiting} wait");
    }
    lock.batch_execute("ROLLBACK").await.unwrap();
    let unknown = flood.join_next().await.unwrap().unwrap();
    assert_eq!(unknown.kind(), ErrorKind::Unauthenticated);
}
