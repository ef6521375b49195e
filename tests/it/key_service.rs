//! Keys that callers with the scope `admin` manage over gRPC.

use std::time::Duration;

use outbound_tasks::{
    domain::{
        key::ApiKey,
        rate::{Limit, Unit},
    },
    pb::{self, CreateKeyRequest, KeyScope, TaskAction, key_service_client::KeyServiceClient},
    quota::Limits,
};
use tonic::{Code, transport::Channel};

use crate::support::{
    client::{Client, fields, new_task},
    database::Database,
    eventually,
    key_service::{Keys, named},
    keys::{create, id_of, unknown_key},
    process::Process,
    server::{Server, options},
};

/// Whether a list with this key is answered.
async fn may_list(server: &Server, key: &str) -> Code {
    let client = Client::with_key(server, key).await;
    match client.list_outbound_tasks(Default::default()).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_key_manages_the_keys_of_its_tenant() {
    // As a service whose role can reach one tenant only.
    let server = Server::start_on(Database::restricted().await, options()).await;
    let admin = create(&server.database, "admin", &["--rate=700/s"]).await;
    let keys = Keys::new(&server, &admin).await;
    let request = CreateKeyRequest {
        // Each scope once, in whichever order and however often it is named.
        scopes: [2, 1, 2].to_vec(),
        expires_in: Some(prost_types::Duration {
            seconds: 3600,
            nanos: 0,
        }),
        rate: "100/s".into(),
        cost: "off".into(),
        ..named("Dialler 外呼", &[])
    };
    let (made, secret) = keys.create(request).await.unwrap();
    let parsed = ApiKey::parse(&secret).unwrap();
    assert_eq!(parsed.id.as_str(), made.key_id);
    let (created, expires) = (made.created_at.unwrap(), made.expires_at.unwrap());
    let wanted = pb::ApiKey {
        key_id: id_of(&secret),
        name: "Dialler 外呼".into(),
        scopes: vec![KeyScope::Read as i32, KeyScope::Write as i32],
        created_at: Some(created),
        expires_at: Some(prost_types::Timestamp {
            seconds: created.seconds + 3600,
            nanos: created.nanos,
        }),
        rate: "100/1s".into(),
        cost: "off".into(),
        created_by: id_of(&admin),
        ..Default::default()
    };
    assert_eq!(expires.seconds - created.seconds, 3600);
    assert_eq!(made, wanted);
    // The key works at once, and allows what it says.
    let caller = Client::with_key(&server, &secret).await;
    caller.create(new_task("a", &["c1"])).await;
    caller.acted(TaskAction::Start, "a").await;
    let lacking = Keys::new(&server, &secret).await.page(0, "").await;
    assert_eq!(lacking.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(may_list(&server, &admin).await, Code::PermissionDenied);

    let listed = keys.page(0, "").await.unwrap();
    assert_eq!(listed.next_page_token, "");
    let ids: Vec<&str> = listed.keys.iter().map(|key| &*key.key_id).collect();
    assert_eq!(ids, [&*id_of(&server.key), &*id_of(&admin), &*made.key_id]);
    let own = &listed.keys[1];
    assert_eq!(
        (&*own.name, &*own.scopes, &*own.rate, &*own.created_by),
        ("made", &[KeyScope::Admin as i32][..], "700/1s", "")
    );
    let used = async || {
        keys.page(0, "").await.unwrap().keys[2]
            .last_used_at
            .is_some()
    };
    eventually(
        "the use of a key is recorded",
        Duration::from_secs(10),
        used,
    )
    .await;

    let revoked = keys.revoke(&made.key_id).await.unwrap();
    assert!(revoked.revoked_at.is_some() && revoked.revoked_by == id_of(&admin));
    // At once on the server that revoked it.
    assert_eq!(may_list(&server, &secret).await, Code::Unauthenticated);
    // A repeated call, also of another key, keeps the first time and author.
    let (second, second_secret) = keys.create(named("2", &[KeyScope::Admin])).await.unwrap();
    let second_keys = Keys::new(&server, &second_secret).await;
    for keys in [&keys, &second_keys] {
        let again = keys.revoke(&made.key_id).await.unwrap();
        assert_eq!(
            (again.revoked_at, &again.revoked_by),
            (revoked.revoked_at, &revoked.revoked_by)
        );
    }
    // The events keep the name of the revoked key.
    let reader = Client::new(&server).await;
    let events = reader.events("a").await;
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(
            (&event.key_id, &*event.key_name),
            (&made.key_id, "Dialler 外呼")
        );
    }
    // A key may revoke itself.
    second_keys.revoke(&second.key_id).await.unwrap();
    let gone = second_keys.page(0, "").await.unwrap_err();
    assert_eq!(gone.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_tenant_are_out_of_reach() {
    let server = Server::start_on(Database::restricted().await, options()).await;
    let theirs = server.tenant("other").await;
    let keys = Keys::new(&server, &server.key).await;
    let of_others = Keys::new(&server, &theirs).await;
    for id in [
        id_of(&theirs),
        id_of(&unknown_key("demo")),
        id_of(&unknown_key("other")),
    ] {
        let refused = keys.revoke(&id).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        assert_eq!(refused.message(), format!("the key {id} does not exist"));
    }
    assert_eq!(may_list(&server, &theirs).await, Code::Ok);
    for keys in [&keys, &of_others] {
        let (made, _) = keys.create(named("new", &[KeyScope::Read])).await.unwrap();
        let tenant = keys.key["otk_".len()..].split_once('.').unwrap().0;
        assert!(made.key_id.starts_with(&format!("{tenant}.")), "{made:?}");
        let listed = keys.page(0, "").await.unwrap().keys;
        let own = |key: &pb::ApiKey| key.key_id.starts_with(&format!("{tenant}."));
        assert!(listed.len() == 2 && listed.iter().all(own), "{listed:?}");
    }
    // A token of another tenant's list, or of another list.
    let token = of_others.page(1, "").await.unwrap().next_page_token;
    let client = Client::new(&server).await;
    for id in ["a", "b"] {
        client.create(new_task(id, &[])).await;
    }
    let list = pb::ListOutboundTasksRequest {
        limit: 1,
        ..Default::default()
    };
    let tasks = client.list_outbound_tasks(list).await.unwrap();
    for token in [token, tasks.into_inner().next_page_token, "x".into()] {
        let refused = keys.page(0, &token).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_token"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_paged_in_the_order_of_their_creation() {
    let server = Server::start().await;
    let keys = Keys::new(&server, &server.key).await;
    for n in 0..20 {
        keys.create(named(&n.to_string(), &[KeyScope::Read]))
            .await
            .unwrap();
    }
    // Several of the same time.
    let same = "UPDATE api_keys SET created_at = date_trunc('minute', now()) - interval '1 hour' WHERE name < '2'";
    server.database.execute(same).await;
    let all = keys.page(1000, "").await.unwrap().keys;
    assert_eq!(all.len(), 21);
    for limit in [1, 2, 7, 20, 21] {
        let (mut walked, mut token) = (Vec::new(), String::new());
        loop {
            let page = keys.page(limit, &token).await.unwrap();
            assert!(page.keys.len() <= limit as usize);
            walked.extend(page.keys);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(walked, all, "{limit}");
    }
    for limit in [-1, 1001] {
        assert_eq!(fields(&keys.page(limit, "").await.unwrap_err()), ["limit"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_needs_the_scope_and_a_valid_request() {
    let limits = Limits {
        key_calls: Limit::parse("1000/s", Unit::Calls).unwrap(),
        key_cost: Limit::parse("10s/10s", Unit::Cost).unwrap(),
        ..Limits::OFF
    };
    let server = Server::start_limited(options(), limits).await;
    let other = create(&server.database, "read,write", &[]).await;
    let lacking = Keys::new(&server, &other).await;
    let none = Keys::new(&server, &unknown_key("demo")).await;
    for (keys, code) in [
        (&lacking, Code::PermissionDenied),
        (&none, Code::Unauthenticated),
    ] {
        let created = keys.create(named("x", &[KeyScope::Read])).await;
        assert_eq!(created.unwrap_err().code(), code);
        assert_eq!(keys.page(0, "").await.unwrap_err().code(), code);
        let revoked = keys.revoke(&id_of(&server.key)).await;
        assert_eq!(revoked.unwrap_err().code(), code);
    }
    let keys = Keys::new(&server, &server.key).await;
    let refused = keys.create(CreateKeyRequest::default()).await.unwrap_err();
    assert_eq!(fields(&refused), ["name", "scopes"]);
    let second = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let refused = CreateKeyRequest {
        name: "x".repeat(257),
        scopes: vec![1, 0, 4],
        expires_in: second(0),
        rate: "100".into(),
        cost: "1/s".into(),
    };
    let refused = keys.create(refused).await.unwrap_err();
    let mut wrong = fields(&refused);
    wrong.sort();
    assert_eq!(
        wrong,
        [
            "cost",
            "expires_in",
            "name",
            "rate",
            "scopes[1]",
            "scopes[2]"
        ]
    );
    // Limits above the server's, which a key of the tenant must not lift.
    for (rate, cost) in [
        ("1001/s", ""),
        ("2000/10s", ""),
        ("off", ""),
        ("", "off"),
        ("", "2s/s"),
        ("", "11s/20s"),
    ] {
        let request = CreateKeyRequest {
            rate: rate.into(),
            cost: cost.into(),
            ..named("x", &[KeyScope::Read])
        };
        let refused = keys.create(request).await.unwrap_err();
        let field = if rate.is_empty() { "cost" } else { "rate" };
        assert_eq!(fields(&refused), [field], "{rate} {cost}");
        assert!(
            refused
                .message()
                .contains("at most the limit of the server"),
            "{refused:?}"
        );
    }
    let allowed = CreateKeyRequest {
        rate: "999/s".into(),
        cost: "500ms/s".into(),
        expires_in: second(36_525 * 24 * 3600),
        ..named("x", &[KeyScope::Read])
    };
    keys.create(allowed).await.unwrap();
    let half = Some(prost_types::Duration {
        seconds: 1,
        nanos: 500_000_000,
    });
    for expires_in in [second(-1), second(36_525 * 24 * 3600 + 1), half] {
        let request = CreateKeyRequest {
            expires_in,
            ..named("x", &[KeyScope::Read])
        };
        assert_eq!(
            fields(&keys.create(request).await.unwrap_err()),
            ["expires_in"]
        );
    }
    // A whole key instead of its id is not repeated.
    for key_id in ["", "demo", &server.key] {
        let refused = keys.revoke(key_id).await.unwrap_err();
        assert_eq!(fields(&refused), ["key_id"]);
        assert!(!refused.message().contains("otk_demo"), "{refused:?}");
    }
    // The server makes no more keys than this; the operator's command does.
    let fill = "INSERT INTO api_keys (tenant_id, key_id, name, secret_hash, scopes)
        SELECT 'demo', 'demo.' || lpad(n::text, 8, '0'), 'filled', sha256(n::text::bytea), '{read}' FROM generate_series(1, 1000) n";
    server.database.execute(fill).await;
    let refused = keys
        .create(named("x", &[KeyScope::Read]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    create(&server.database, "read", &[]).await;
    let some =
        "UPDATE api_keys SET revoked_at = now() WHERE name = 'filled' AND key_id < 'demo.00000500'";
    server.database.execute(some).await;
    keys.create(named("x", &[KeyScope::Read])).await.unwrap();
}

/// A revoked key makes no successor, even where a server has not noticed the revocation yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_makes_no_successor() {
    let server = Server::start().await;
    let admin = create(&server.database, "admin", &[]).await;
    let keys = Keys::new(&server, &admin).await;
    for end in ["revoked_at", "expires_at"] {
        keys.create(named("before", &[KeyScope::Admin]))
            .await
            .unwrap();
        let set = format!(
            "UPDATE api_keys SET {end} = now() WHERE key_id = '{}'",
            id_of(&admin)
        );
        server.database.execute(&set).await;
        let refused = keys
            .create(named("successor", &[KeyScope::Admin]))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{end}");
        let sql = server.database.client().await;
        let count = "SELECT count(*) FROM api_keys WHERE name = 'successor'";
        let count: i64 = sql.query_one(count, &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{end}");
        let undo = format!("UPDATE api_keys SET {end} = NULL");
        server.database.execute(&undo).await;
        let valid = async || keys.page(1, "").await.is_ok();
        eventually("the key is valid again", Duration::from_secs(10), valid).await;
    }
}

/// Other servers refuse a revoked key within 2 seconds, the log says who did it, and no log holds a secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_reaches_other_servers_and_the_log() {
    let server = Server::start().await;
    let other = Process::serve(&server.database, &["--log", "outbound_tasks=info,trace"]).await;
    let url = format!("http://{}", other.address);
    let channel = Channel::from_shared(url).unwrap().connect_lazy();
    let theirs = Keys {
        grpc: KeyServiceClient::new(channel),
        key: server.key.clone(),
    };
    let (made, secret) = theirs
        .create(named("made", &[KeyScope::Read]))
        .await
        .unwrap();
    assert_eq!(may_list(&server, &secret).await, Code::Ok);
    theirs.revoke(&made.key_id).await.unwrap();
    let began = std::time::Instant::now();
    while may_list(&server, &secret).await == Code::Ok {
        assert!(began.elapsed() < Duration::from_secs(2));
    }
    let said = async || other.log().matches(&made.key_id).count() >= 2;
    eventually("both are logged", Duration::from_secs(10), said).await;
    let log = other.log();
    for what in ["a key was created", "a key was revoked"] {
        let line = log.lines().find(|line| line.contains(what)).unwrap();
        assert!(
            line.contains(&made.key_id) && line.contains(&id_of(&server.key)),
            "{line}"
        );
    }
    // The operator's list names them too.
    let listed = server.database.succeed(&["keys", "list"], b"").await;
    let line = |id: &str| listed.lines().find(|l| l.starts_with(id)).unwrap();
    let by = format!("Z by {}", id_of(&server.key));
    assert_eq!(line(&made.key_id).matches(&by).count(), 2, "{listed}");
    assert!(!line(&id_of(&server.key)).contains(" by "), "{listed}");
    let hidden = secret.rsplit_once('_').unwrap().1;
    assert!(log.contains("TRACE") && !log.contains(hidden));
}
