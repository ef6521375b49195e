//! Every rpc with another tenant's ids, wrong keys and bad messages.

use http::Method;
use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{self, TaskAction},
};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    case::{Case, case},
    client::{Client, assert_not_found, fields, new_task},
    descriptor::{Rpc, rpcs},
    http::Http,
    keys::unknown_key,
    server::Server,
};

/// Makes a call with one message. Returns the bytes of the answer's message.
async fn call(
    http: &Http,
    rpc: &Rpc,
    key: Option<&str>,
    message: &[u8],
) -> Result<Vec<u8>, Status> {
    let mut headers = vec![("content-type", "application/grpc"), ("te", "trailers")];
    headers.extend(key.map(|key| ("x-api-key", key)));
    if rpc.name == "WatchOutboundTasks" {
        // A watch would not end.
        headers.push(("grpc-timeout", "300m"));
    }
    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    let answer = http.send(Method::POST, &rpc.path, &headers, body).await;
    let (_, trailers) = answer.unary::<pb::DeleteOutboundTaskResponse>();
    let status = Status::from_header_map(&trailers).expect("an answer has a status");
    match status.code() {
        // A stream may end without a message.
        Code::Ok => Ok(answer.body.get(5..).unwrap_or_default().to_vec()),
        _ => Err(status),
    }
}

/// All data of the tenant `other`.
async fn theirs(sql: &tokio_postgres::Client) -> String {
    let all = ["tasks", "task_targets", "task_events", "idempotency_keys"].map(|table| {
        format!("(SELECT json_agg(t ORDER BY t::text) FROM {table} t WHERE tenant_id = 'other')")
    });
    let all = format!("SELECT json_build_array({})::text", all.join(", "));
    sql.query_one(&all, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_another_tenant_are_not_found() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let owner = Client::with_key(&server, &other).await;
    for id in ["theirs", "theirs2", "theirs3"] {
        owner.create(new_task(id, &["c1", "c2"])).await;
    }
    for step in [TaskAction::Start, TaskAction::Pause] {
        owner.acted(step, "theirs3").await;
    }
    // The same idempotency keys, too.
    let named = pb::StopOutboundTaskRequest {
        task_id: "theirs2".into(),
        idempotency_key: "k".into(),
        ..Default::default()
    };
    owner.stop_outbound_task(named).await.unwrap();
    let sql = server.database.client().await;
    let before = theirs(&sql).await;
    let totals = owner.totals().await;
    let http = Http::http2(server.address, &server.key);
    for rpc in rpcs() {
        let case = case(&rpc.name);
        let answer = call(&http, &rpc, Some(&server.key), &case.message).await;
        match &*rpc.name {
            "ListOutboundTasks" => {
                let list = pb::ListOutboundTasksResponse::decode(&*answer.unwrap()).unwrap();
                assert_eq!((list.total, list.tasks.len()), (0, 0));
            }
            "ExportOutboundTasks" => assert_eq!(answer.unwrap(), b""),
            "GetQuota" => {
                let quota = pb::GetQuotaResponse::decode(&*answer.unwrap()).unwrap();
                assert_eq!((quota.quotas.len(), &*quota.key_name), (0, "test"));
            }
            // Its file is empty.
            "ImportOutboundTasks" => {
                let imported = pb::ImportOutboundTasksResponse::decode(&*answer.unwrap()).unwrap();
                assert_eq!(imported.report.unwrap().tasks, 0);
            }
            "WatchOutboundTasks" => {
                assert_eq!(answer.unwrap_err().code(), Code::DeadlineExceeded);
            }
            "BatchGetOutboundTasks" => {
                let batch = pb::BatchGetOutboundTasksResponse::decode(&*answer.unwrap()).unwrap();
                assert_eq!(
                    (batch.tasks.len(), &*batch.missing_task_ids),
                    (0, &["theirs".to_owned()][..])
                );
            }
            "BulkChangeOutboundTasks" => {
                let bulk = pb::BulkChangeOutboundTasksResponse::decode(&*answer.unwrap()).unwrap();
                assert_eq!(bulk, pb::BulkChangeOutboundTasksResponse::default());
            }
            // An id is taken only within its own tenant.
            "CreateOutboundTask" | "BatchCreateOutboundTasks" => {
                answer.unwrap();
                let mine = "DELETE FROM tasks WHERE tenant_id = 'demo'; DELETE FROM idempotency_keys WHERE tenant_id = 'demo';
                    DELETE FROM task_events WHERE tenant_id = 'demo'";
                server.database.execute(mine).await;
            }
            name => {
                let refused = answer.expect_err(name);
                assert_not_found(&refused, "theirs");
            }
        }
        assert_eq!(theirs(&sql).await, before, "{}", rpc.name);
    }
    assert_eq!(owner.totals().await, totals);
    // The same over the gateway.
    for path in ["theirs", "theirs/targets"] {
        let answer = server
            .http()
            .get(&format!("/api/v1/outboundtasks/{path}"))
            .await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let mine = sql.query_one("SELECT (SELECT count(*) FROM idempotency_keys WHERE tenant_id = 'demo') + (SELECT count(*) \
        FROM task_events WHERE tenant_id = 'demo')", &[]).await.unwrap();
    assert_eq!(
        mine.get::<_, i64>(0),
        0,
        "what failed left something behind"
    );
    assert_eq!(
        server.database.succeed(&["counts", "verify"], b"").await,
        "demo\t0 counts differ\nother\t0 counts differ\n"
    );
}

/// A caller without a valid key learns neither what is wrong with the message nor what exists.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_checked_before_the_message() {
    let server = Server::start().await;
    let demo = TenantId::parse("demo").unwrap();
    let owner = Client::new(&server).await;
    owner.create(new_task("theirs", &["c1"])).await;
    let task = owner.get("theirs").await.unwrap();
    let key = async |scopes: &[Scope]| {
        server
            .operator
            .key_create(&demo, "k", scopes, None)
            .await
            .unwrap()
            .secret
    };
    let (reader, writer) = (key(&[Scope::Read]).await, key(&[Scope::Write]).await);
    let admin = key(&[Scope::Admin]).await;
    let unknown = unknown_key("demo");
    let http = Http::http2(server.address, "");
    for rpc in rpcs() {
        let Case {
            access,
            message,
            bad,
        } = case(&rpc.name);
        let lacking = if access == Scope::Read {
            &writer
        } else {
            &reader
        };
        for message in [&message, &bad.0, &Vec::new()] {
            for none in [None, Some(""), Some(&*unknown)] {
                let refused = call(&http, &rpc, none, message).await.unwrap_err();
                assert_eq!(
                    refused.code(),
                    Code::Unauthenticated,
                    "{}: {refused:?}",
                    rpc.name
                );
                assert!(refused.get_error_details().bad_request().is_none());
            }
            for lacking in [lacking, &admin] {
                let refused = call(&http, &rpc, Some(lacking), message).await.unwrap_err();
                assert_eq!(
                    refused.code(),
                    Code::PermissionDenied,
                    "{}: {refused:?}",
                    rpc.name
                );
                assert!(refused.get_error_details().bad_request().is_none());
            }
        }
    }
    assert_eq!(owner.get("theirs").await.unwrap(), task);
    assert_eq!(owner.events("theirs").await.len(), 1);
    assert_eq!(owner.totals().await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_reports_every_violation() {
    let server = Server::start().await;
    let http = Http::http2(server.address, &server.key);
    let owner = Client::new(&server).await;
    for rpc in rpcs() {
        let Case {
            message,
            bad: (bad, reported),
            ..
        } = case(&rpc.name);
        let key = Some(&*server.key);
        let refused = call(&http, &rpc, key, &bad).await.unwrap_err();
        assert_eq!(fields(&refused), reported, "{}", rpc.name);
        let refused = call(&http, &rpc, key, &[0xff; 3]).await.unwrap_err();
        assert_eq!(fields(&refused), ["message"], "{}", rpc.name);
        let mut large = message;
        // An unknown field of 256 KiB.
        large.extend([0x82, 0x7d, 0x80, 0x80, 0x10]);
        large.resize(large.len() + (256 << 10), b'x');
        let refused = call(&http, &rpc, key, &large).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{}", rpc.name);
    }
    assert_eq!(owner.totals().await.0, 0);
}
