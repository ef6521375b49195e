//! Quotas: calls and database time of keys and tenants, what callers are told about them, and that nobody pays for others.

use std::time::{Duration, Instant};

use http::Method;
use outbound_tasks::{
    domain::rate::{Limit, Unit},
    pb::{self, CreateKeyRequest, KeyScope},
    quota::Limits,
};
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::Client,
    eventually,
    key_service::{Keys, named},
    keys::{create, id_of, unknown_key},
    server::{Server, options},
    wire::{Caller, Outcome, WIRES, Wire},
};

fn calls(text: &str) -> Limit {
    Limit::parse(text, Unit::Calls).unwrap()
}

fn cost(text: &str) -> Limit {
    Limit::parse(text, Unit::Cost).unwrap()
}

/// A server with these limits and a cache of lists that is off, so that each list takes database time.
async fn start(limits: Limits) -> Server {
    Server::start_limited(options(), limits).await
}

async fn list(server: &Server, wire: Wire, key: &str) -> Outcome {
    Caller::new(server.address)
        .list(wire, &[("x-api-key", key)])
        .await
}

fn header<'a>(outcome: &'a Outcome, name: &str) -> &'a str {
    let value = outcome.headers.get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_beyond_its_rate_is_refused_on_every_wire() {
    let server = start(Limits {
        key_calls: calls("7/1h"),
        ..Limits::OFF
    })
    .await;
    for (n, wire) in WIRES.into_iter().enumerate() {
        let answer = list(&server, wire, &server.key).await;
        assert_eq!(answer.code, Code::Ok, "{wire:?}: {answer:?}");
        assert_eq!(header(&answer, "ratelimit-policy"), "\"key\";q=7;w=3600");
        let left = header(&answer, "ratelimit");
        assert!(
            left.starts_with(&format!("\"key\";r={};t=", 6 - n)),
            "{left}"
        );
    }
    for wire in WIRES {
        let answer = list(&server, wire, &server.key).await;
        assert_eq!(answer.code, Code::ResourceExhausted, "{wire:?}: {answer:?}");
        assert!(
            answer.error.contains("QUOTA_USED_UP"),
            "{wire:?}: {answer:?}"
        );
        let why = "the quota of this key is used up: 7 calls in 1h";
        assert!(answer.error.contains(why), "{wire:?}: {answer:?}");
        // A seventh of an hour, since one call flows back in that time.
        let after = answer.retry_after.expect("a delay");
        let range = Duration::from_secs(400)..=Duration::from_secs(515);
        assert!(range.contains(&after), "{wire:?}: {after:?}");
        assert!(
            header(&answer, "ratelimit").starts_with("\"key\";r=0;t="),
            "{answer:?}"
        );
    }
    // Another key of the same tenant has a quota of its own, and a caller without a valid key has none.
    let other = server.another_key("demo").await;
    assert_eq!(list(&server, Wire::Grpc, &other).await.code, Code::Ok);
    let unknown = list(&server, Wire::Grpc, &unknown_key("demo")).await;
    assert_eq!(unknown.code, Code::Unauthenticated);
    assert_eq!(header(&unknown, "ratelimit-policy"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_delay_the_call_is_allowed() {
    let server = start(Limits {
        key_calls: calls("2/4s"),
        ..Limits::OFF
    })
    .await;
    let refused = async || {
        let answer = list(&server, Wire::Grpc, &server.key).await;
        (answer.code != Code::Ok).then_some(answer)
    };
    let answer = loop {
        if let Some(answer) = refused().await {
            break answer;
        }
    };
    let after = answer.retry_after.expect("a delay");
    assert!(after <= Duration::from_secs(2), "{after:?}");
    tokio::time::sleep(after).await;
    let answer = list(&server, Wire::Grpc, &server.key).await;
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_tenant_share_its_quota_and_other_tenants_do_not() {
    let server = start(Limits {
        tenant_calls: calls("4/1h"),
        ..Limits::OFF
    })
    .await;
    let other = server.another_key("demo").await;
    let foreign = server.tenant("acme").await;
    for key in [&server.key, &other, &server.key, &other] {
        assert_eq!(list(&server, Wire::Json1, key).await.code, Code::Ok);
    }
    for key in [&server.key, &other] {
        let answer = list(&server, Wire::Json1, key).await;
        assert_eq!(answer.code, Code::ResourceExhausted, "{answer:?}");
        assert!(answer.error.contains("this tenant"), "{answer:?}");
    }
    // The quota outlives the second for which a key is cached.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let answer = list(&server, Wire::Json1, &other).await;
    assert_eq!(answer.code, Code::ResourceExhausted, "{answer:?}");
    assert_eq!(list(&server, Wire::Json1, &foreign).await.code, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn database_time_is_charged_and_waiting_for_a_connection_is_not() {
    let server = start(Limits {
        key_cost: cost("1s/1h"),
        ..Limits::OFF
    })
    .await;
    let caller = Caller::new(server.address);
    let other = server.another_key("demo").await;
    let headers = [("x-api-key", &*server.key)];
    let first = caller.list(Wire::Grpc, &headers).await;
    assert_eq!(first.code, Code::Ok, "{first:?}");
    let policy = "\"key-cost\";q=1000;qu=\"database-milliseconds\";w=3600";
    assert_eq!(header(&first, "ratelimit-policy"), policy);
    // A statement that takes more than a second, because it waits for a lock.
    let lock = server.database.lock_tasks().await;
    let slow = tokio::spawn({
        let (caller, key) = (caller.clone(), server.key.clone());
        async move { caller.list(Wire::Grpc, &[("x-api-key", &key)]).await }
    });
    let observer = server.database.client().await;
    let waits = async || server.database.count_waiting(&observer).await == 1;
    eventually("the statement waits", PATIENCE, waits).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(lock);
    assert_eq!(slow.await.unwrap().code, Code::Ok);
    let answer = caller.list(Wire::Grpc, &headers).await;
    assert_eq!(answer.code, Code::ResourceExhausted, "{answer:?}");
    let why = "the quota of this key is used up: 1s of database time in 1h";
    assert!(answer.error.contains(why), "{answer:?}");
    assert!(
        answer.retry_after > Some(Duration::from_secs(600)),
        "{answer:?}"
    );
    assert_eq!(list(&server, Wire::Grpc, &other).await.code, Code::Ok);
}

/// The limits of a key replace those of the service, in both directions, and only for that key.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_have_limits_of_its_own() {
    let server = start(Limits {
        key_calls: calls("3/1h"),
        ..Limits::OFF
    })
    .await;
    let create = async |more: &[&str]| create(&server.database, "read", more).await;
    let small = create(&["--rate=1/1h", "--cost=500ms/10m"]).await;
    let large = create(&["--rate", "off"]).await;
    let caller = Caller::new(server.address);
    let allowed = async |key: &str| {
        for n in 0..6 {
            let answer = caller.list(Wire::Json2, &[("x-api-key", key)]).await;
            if answer.code != Code::Ok {
                assert_eq!(answer.code, Code::ResourceExhausted, "{answer:?}");
                return n;
            }
        }
        6
    };
    assert_eq!(allowed(&small).await, 1);
    assert_eq!(allowed(&server.key).await, 3);
    assert_eq!(allowed(&large).await, 6);
    let answer = list(&server, Wire::Grpc, &small).await;
    let policy = header(&answer, "ratelimit-policy");
    let cost = "\"key-cost\";q=500;qu=\"database-milliseconds\";w=600";
    assert_eq!(policy, format!("\"key\";q=1;w=3600, {cost}"));
    let listed = server.database.succeed(&["keys", "list"], b"").await;
    let line = |key: &str| {
        let mut lines = listed.lines();
        lines.find(|line| line.starts_with(&id_of(key))).unwrap()
    };
    assert!(
        line(&small).ends_with("\trate 1/1h\tcost 500ms/10m"),
        "{listed}"
    );
    assert!(
        line(&large).ends_with("\trate off\tdefault cost"),
        "{listed}"
    );
    assert!(
        line(&server.key).ends_with("\tdefault rate\tdefault cost"),
        "{listed}"
    );
    for bad in [
        "--rate=0/s",
        "--rate=100",
        "--rate=1s/s",
        "--cost=100/s",
        "--rate=1/2d",
    ] {
        let arguments = [
            "keys",
            "create",
            "--tenant=demo",
            "--name=n",
            "--scope=read",
            bad,
        ];
        let output = server.database.run(&arguments, b"").await;
        assert_eq!(output.status.code(), Some(2), "{bad}: {output:?}");
    }
}

/// A tenant cannot keep limits for which the operator's were high enough once; the operator's own keys keep theirs.
#[tokio::test(flavor = "multi_thread")]
async fn lowered_limits_hold_for_the_keys_that_tenants_made() {
    let server = start(Limits::OFF).await;
    let keys = Keys::new(&server, &server.key).await;
    let large = CreateKeyRequest {
        rate: "off".into(),
        cost: "9s/s".into(),
        ..named("large", &[KeyScope::Read])
    };
    let small = CreateKeyRequest {
        rate: "2/1h".into(),
        cost: "50ms/1s".into(),
        ..named("small", &[KeyScope::Read])
    };
    let (_, large) = keys.create(large).await.unwrap();
    let (_, small) = keys.create(small).await.unwrap();
    let operators = create(&server.database, "read", &["--rate=999/1h", "--cost=8s/1s"]).await;
    let lowered = server
        .beside_limited(Limits {
            key_calls: calls("5/1h"),
            key_cost: cost("100ms/1s"),
            ..Limits::OFF
        })
        .await;
    for (key, expected) in [
        (large, [5, 100]),
        (small, [2, 50]),
        (operators, [999, 8_000]),
    ] {
        let client = Client::with_key(&lowered, &key).await;
        let quotas = client.get_quota(pb::GetQuotaRequest {}).await.unwrap();
        let quotas: Vec<_> = quotas.into_inner().quotas.iter().map(|q| q.limit).collect();
        assert_eq!(quotas, expected);
    }
}

/// It is the same over gRPC and HTTP, costs nothing, and is answered when a quota is used up.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_can_read_its_quotas() {
    let server = start(Limits {
        key_calls: calls("5/1h"),
        key_cost: Limit::Off,
        tenant_calls: calls("20/2h"),
        tenant_cost: cost("90s/10m"),
    })
    .await;
    let client = Client::new(&server).await;
    for used in 0..=5 {
        let answer = client.get_quota(pb::GetQuotaRequest {}).await.unwrap();
        let pb::GetQuotaResponse { quotas, key_name } = answer.into_inner();
        assert_eq!(key_name, "test");
        let facts = |q: &pb::Quota| (q.name.clone(), q.unit(), q.limit, q.window_seconds);
        let known: Vec<_> = quotas.iter().map(facts).collect();
        let of_calls = pb::QuotaUnit::Calls;
        assert_eq!(
            known,
            [
                ("key".to_owned(), of_calls, 5, 3600),
                ("tenant".to_owned(), of_calls, 20, 7200),
                (
                    "tenant-cost".to_owned(),
                    pb::QuotaUnit::DatabaseMilliseconds,
                    90_000,
                    600
                ),
            ]
        );
        assert_eq!(
            (quotas[0].remaining, quotas[1].remaining),
            (5 - used, 20 - used)
        );
        // A fifth of an hour for each call.
        assert!(
            (720 * used - 30..=720 * used).contains(&quotas[0].reset_seconds),
            "{quotas:?}"
        );
        assert!(
            quotas[2].remaining <= 90_000 && quotas[2].remaining > 60_000,
            "{quotas:?}"
        );
        let http = server.http().get("/api/v1/quota").await;
        assert_eq!(http.status, 200);
        let json = http.json();
        let key = &json["quotas"][0];
        assert_eq!(
            (&key["name"], &key["unit"]),
            (&"key".into(), &"calls".into())
        );
        assert_eq!(key["remaining"], 5 - used, "{json}");
        assert_eq!(json["quotas"][2]["unit"], "database_milliseconds");
        let expected = if used < 5 {
            Code::Ok
        } else {
            Code::ResourceExhausted
        };
        assert_eq!(list(&server, Wire::Grpc, &server.key).await.code, expected);
    }
    let http = server.http().get("/api/v1/quota?page=1").await;
    assert_eq!(http.status, 400);
    // Without quotas there is nothing to report.
    let server = Server::start().await;
    let http = server.http().get("/api/v1/quota").await;
    let none = serde_json::json!({ "quotas": [], "key_name": "test" });
    assert_eq!(http.json(), none);
    assert!(!http.headers.contains_key("ratelimit"));
}

/// Checks the cost of a quota: it must be far below what a call costs.
#[test]
fn a_check_costs_less_than_a_microsecond() {
    use outbound_tasks::quota::Account;
    let limits = Limits {
        key_calls: calls("2147483647/s"),
        key_cost: cost("500h/24h"),
        tenant_calls: calls("2147483647/s"),
        tenant_cost: cost("500h/24h"),
    };
    let account = Account::new(Default::default(), Default::default(), limits).unwrap();
    // The best of several rounds, because other work disturbs some of them.
    let round = || {
        let began = Instant::now();
        for _ in 0..10_000 {
            account.admit().unwrap();
        }
        began.elapsed() / 10_000
    };
    let best = (0..50).map(|_| round()).min().unwrap();
    // Without optimization the check takes several times as long.
    let limit = Duration::from_nanos(if cfg!(debug_assertions) { 5_000 } else { 1_000 });
    assert!(best < limit, "{best:?}");
}

/// A browser's `EventSource` gives up for ever on an error status, but a quota is free again soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_reconnects_beyond_its_quota_is_sent_when_to_come_back() {
    let server = start(Limits {
        key_calls: calls("1/1h"),
        ..Limits::OFF
    })
    .await;
    let http = server.http();
    let watch = "/api/v1/outboundtasks:watch";
    assert_eq!(list(&server, Wire::Json1, &server.key).await.code, Code::Ok);
    assert_eq!(http.get(watch).await.status, 429);
    let headers = [("x-api-key", &*server.key), ("last-event-id", "x")];
    let answer = http.send(Method::GET, watch, &headers, Vec::new()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = String::from_utf8(answer.body).unwrap();
    let delay = text.strip_prefix("retry: ").unwrap().trim_end();
    let delay: u64 = delay.parse().unwrap();
    assert!((3_000_000..=3_600_000).contains(&delay), "{delay} ms");
}
