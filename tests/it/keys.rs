//! API keys: the same error for every bad key, whatever is wrong with it; who sees what.

use std::{fs::File, process::Stdio, time::Duration};

use outbound_tasks::domain::key::ApiKey;
use tonic::Code;

use crate::support::{
    database::{Database, program},
    eventually,
    keys::{create, id_of, unknown_key},
    server::Server,
    wire::{Caller, WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// A key with the same id, another secret and the right checksum.
fn wrong_secret(key: &str) -> String {
    let alphabet = b"0123456789abcdefghjkmnpqrstvwxyz";
    let (body, _) = key.split_at(key.len() - 7);
    let last = if body.ends_with('0') { '1' } else { '0' };
    let body = format!("{}{last}", &body[..body.len() - 1]);
    let crc = crc32fast::hash(body.as_bytes());
    let checksum = (0..7).map(|i| char::from(alphabet[(crc >> (5 * i)) as usize & 31]));
    body.clone() + &checksum.collect::<String>()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_key_gets_the_same_answer() {
    let server = Server::start().await;
    let caller = Caller::new(server.address);
    let revoked = create(&server.database, "read", &[]).await;
    server
        .database
        .succeed(&["keys", "revoke", &id_of(&revoked)], b"")
        .await;
    let expired = create(&server.database, "read", &["--expires-in=1s"]).await;
    let past = async || {
        caller
            .list(Wire::Grpc, &[("x-api-key", &expired)])
            .await
            .code
            != Code::Ok
    };
    eventually("the key expires", 3 * SECOND, past).await;
    let typo = server.key.replace("otk_d", "otk_e");
    let wrong = wrong_secret(&server.key);
    assert!(ApiKey::parse(&wrong).is_some_and(|k| k.id.as_str() == id_of(&server.key)));
    let (unknown, nobody) = (unknown_key("demo"), unknown_key("nobody"));
    let long = "otk_".repeat(1000);
    let bearer = format!("Bearer {wrong}");
    let basic = format!("Basic {}", server.key);
    let cases: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![("x-api-key", "")],
        vec![("x-api-key", "garbage")],
        vec![("x-api-key", "otk_")],
        vec![("x-api-key", "ключ")],
        vec![("x-api-key", &long)],
        vec![("x-api-key", &typo)],
        vec![("x-api-key", &unknown)],
        vec![("x-api-key", &nobody)],
        vec![("x-api-key", &expired)],
        vec![("x-api-key", &revoked)],
        vec![("x-api-key", &wrong)],
        vec![("x-api-key", &server.key), ("x-api-key", &server.key)],
        vec![("authorization", &bearer)],
        vec![("authorization", &basic)],
        vec![("authorization", &server.key)],
    ];
    for wire in WIRES {
        let none = caller.list(wire, &[]).await;
        for headers in &cases {
            let answer = caller.list(wire, headers).await;
            assert_eq!(answer.code, Code::Unauthenticated, "{wire:?}: {headers:?}");
            assert_eq!(answer.error, none.error, "{wire:?}: {headers:?}");
            if matches!(wire, Wire::Json1 | Wire::Json2) || wire.is_connect() {
                assert!(answer.headers.contains_key("www-authenticate"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_read_from_where_the_contract_says() {
    let server = Server::start().await;
    let caller = Caller::new(server.address);
    let bad = unknown_key("demo");
    for wire in WIRES {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            let value = format!("{scheme} {}", server.key);
            let answer = caller.list(wire, &[("authorization", &value)]).await;
            assert_eq!(answer.code, Code::Ok, "{wire:?}: {scheme}");
        }
        let both = format!("Bearer {bad}");
        let headers = [("authorization", &*both), ("x-api-key", &*server.key)];
        assert_eq!(caller.list(wire, &headers).await.code, Code::Ok, "{wire:?}");
    }
    for (query, header, code) in [
        (&server.key, None, Code::Ok),
        (&bad, None, Code::Unauthenticated),
        (&bad, Some(&server.key), Code::Ok),
        (&server.key, Some(&bad), Code::Unauthenticated),
    ] {
        let headers: Vec<_> = header
            .iter()
            .map(|key| ("x-api-key", key.as_str()))
            .collect();
        let query = format!("api_key={query}");
        let answer = caller
            .try_list(Wire::Json1, &query, &headers)
            .await
            .unwrap();
        assert_eq!(answer.code, code, "the header wins: {headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_its_own_tenant_and_only_with_the_scope() {
    let server = Server::start().await;
    server.database.add_tasks("demo", 7).await;
    let other = server.tenant("other").await;
    server.database.add_tasks("other", 3).await;
    let writer = create(&server.database, "write,admin", &[]).await;
    let caller = Caller::new(server.address);
    for wire in WIRES {
        for (key, total) in [(&server.key, 7), (&other, 3)] {
            let answer = caller.list(wire, &[("x-api-key", key)]).await;
            assert_eq!(answer.total, Some(total), "{wire:?}: {answer:?}");
        }
        let answer = caller.list(wire, &[("x-api-key", &writer)]).await;
        assert_eq!(answer.code, Code::PermissionDenied, "{wire:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_in_force_within_two_seconds() {
    let server = Server::start().await;
    let key = create(&server.database, "read", &[]).await;
    let caller = Caller::new(server.address);
    for wire in WIRES {
        assert_eq!(
            caller.list(wire, &[("x-api-key", &key)]).await.code,
            Code::Ok,
            "{wire:?}"
        );
    }
    server
        .database
        .succeed(&["keys", "revoke", &id_of(&key)], b"")
        .await;
    let refused = async || {
        let answer = caller.list(Wire::Json2, &[("x-api-key", &key)]).await;
        answer.code == Code::Unauthenticated
    };
    eventually("the key is refused", 2 * SECOND, refused).await;
    for wire in WIRES {
        let code = caller.list(wire, &[("x-api-key", &key)]).await.code;
        assert_eq!(code, Code::Unauthenticated, "{wire:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_cannot_be_revoked() {
    let database = Database::demo().await;
    let key = create(&database, "read", &[]).await;
    for (id, code) in [("nokey", 2), (&*key, 2), ("demo.aaaaaaaa", 1)] {
        let output = database.run(&["keys", "revoke", id], b"").await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{id}: {said}");
        // A log must not show a whole key.
        assert!(!said.contains(&key), "{said}");
    }
}

/// A standard error on a full disk takes nothing from the outcome. A key that nobody has received is revoked.
#[tokio::test(flavor = "multi_thread")]
async fn full_outputs_leave_no_key_that_nobody_has() {
    let database = Database::new().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    let run = |name: &str, error: Stdio, output: Stdio| {
        let mut command = program();
        command.env("DATABASE_URL", &database.url).stdout(output);
        command.args(["keys", "create", "--tenant=demo", "--scope=read"]);
        let done = command.args(["--name", name]).stderr(error).output();
        let done = done.unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    let (code, key) = run("unheard", full(), Stdio::piped());
    assert!(code == Some(0) && key.starts_with("otk_"), "{code:?}");
    assert_eq!(run("full", Stdio::piped(), full()).0, Some(1));
    assert_eq!(run("unread", Stdio::piped(), closed()).0, Some(1));
    assert_eq!(run("lost", full(), full()).0, Some(1));
    let list = database.succeed(&["keys", "list"], b"").await;
    for (name, is_revoked) in [
        ("unheard", false),
        ("full", true),
        ("unread", true),
        ("lost", true),
    ] {
        let line = list.lines().find(|line| line.contains(name)).unwrap();
        assert_eq!(!line.contains("never revoked"), is_revoked, "{list}");
    }
}
