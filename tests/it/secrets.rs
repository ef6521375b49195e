//! No key, nor its secret part, is in logs, metrics or responses, however it is sent and whatever is logged.

use http::Method;
use outbound_tasks::pb::{
    GetOutboundTaskRequest, outbound_task_service_client::OutboundTaskServiceClient,
};
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::support::{
    database::Database,
    http::Http,
    process::Process,
    server::request_with,
    wire::{Caller, WIRES, Wire},
};

async fn create_key(database: &Database, name: &str) -> String {
    let create = [
        "keys",
        "create",
        "--tenant=demo",
        "--name",
        name,
        "--scope=read",
    ];
    let key = database.succeed(&create, b"").await;
    key.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_in_no_log_no_metric_and_no_answer() {
    let database = Database::demo().await;
    let good = create_key(&database, "good").await;
    let revoked = create_key(&database, "revoked").await;
    let (id, _) = revoked["otk_".len()..].rsplit_once('_').unwrap();
    database.succeed(&["keys", "revoke", id], b"").await;
    // A key with a typo in the middle: not a key any more, but still most of the secret.
    let (secret_begins, half) = (good.rfind('_').unwrap() + 1, good.len() - 20);
    let typo = format!("{}-{}", &good[..half], &good[half..]);

    let mut seen = String::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        let program = Process::serve(
            &database,
            &["--log", &format!("outbound_tasks=info,{level}")],
        )
        .await;
        let caller = Caller::new(program.address);
        let url = format!("http://{}", program.address);
        let mut grpc =
            OutboundTaskServiceClient::new(Channel::from_shared(url).unwrap().connect_lazy());
        for key in [&good, &revoked, &typo] {
            let bearer = format!("Bearer {key}");
            for wire in WIRES {
                for headers in [
                    vec![("x-api-key", &**key)],
                    vec![("authorization", &*bearer)],
                ] {
                    seen += &caller.list(wire, &headers).await.sent;
                }
                let query = format!("api_key={key}&limit=7");
                seen += &caller.try_list(wire, &query, &[]).await.unwrap().sent;
            }
            // Requests that fail for other reasons.
            for query in ["page=0", "colour=red", "page_token=x", "api_key=twice"] {
                let query = format!("{query}&api_key={key}");
                let answer = caller.try_list(Wire::Json1, &query, &[]).await.unwrap();
                seen += &answer.sent;
            }
            let http = Http::new(program.address, key);
            // With a typo, the first part of the secret looks like a word.
            let unmarked = key.strip_prefix("otk_").filter(|_| *key != typo);
            let secret = unmarked.and_then(|key| key.rsplit_once('_'));
            // A key in the wrong field, or its secret without the prefix: as a path, a value, a name, an id.
            let list = "/api/v1/outboundtasks";
            for key in [Some(&**key), unmarked, secret.map(|(_, secret)| secret)]
                .into_iter()
                .flatten()
            {
                for path in [
                    format!("/{key}"),
                    format!("{list}/{key}"),
                    format!("{list}?status={key}"),
                    format!("{list}?page={key}"),
                    format!("{list}?{key}=1"),
                ] {
                    let headers = [
                        ("x-api-key", &*good),
                        ("x-request-id", key),
                        ("user-agent", key),
                        ("grpc-timeout", key),
                    ];
                    for headers in [&headers[..3], &headers] {
                        let answer = http.send(Method::GET, &path, headers, Vec::new()).await;
                        seen += &format!("{:?}", answer.headers);
                        seen += &String::from_utf8_lossy(&answer.body);
                    }
                }
                let message = GetOutboundTaskRequest {
                    task_id: key.to_owned(),
                    ..GetOutboundTaskRequest::default()
                };
                let status = grpc.get_outbound_task(request_with(&good, message)).await;
                let status = status.unwrap_err();
                seen += &format!("{status:?} {:?}", status.get_error_details());
            }
            for path in ["/nowhere", "/api/v1/outboundtasks"] {
                let headers = [("x-api-key", &**key)];
                let path = format!("{path}?api_key={key}");
                let answer = http.send(Method::DELETE, &path, &headers, Vec::new()).await;
                seen += &String::from_utf8_lossy(&answer.body);
            }
        }
        let admin = Http::new(program.admin, "");
        let metrics = admin.send(Method::GET, "/metrics", &[], Vec::new()).await;
        seen += &String::from_utf8(metrics.body).unwrap();
        seen += &program.log();
    }
    assert!(seen.contains("TRACE") && seen.contains("outbound_tasks_calls_total"));
    for part in [
        &good[secret_begins..],
        &revoked[secret_begins..],
        &good[secret_begins..half],
        &good[half..],
    ] {
        let leak = seen.lines().find(|line| line.contains(part));
        assert_eq!(leak, None, "it holds {part}");
    }
}
