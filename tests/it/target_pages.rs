//! The targets of a task page by page, over gRPC and HTTP.

use outbound_tasks::pb::{ListTaskTargetsRequest, ListTaskTargetsResponse, TaskTarget};
use prost_types::Timestamp;
use tonic::Status;

use crate::support::{
    client::{Client, assert_not_found, fields, new_task},
    server::{Server, request_with},
};

const PATH: &str = "/api/v1/outboundtasks";
const TARGETS: i32 = 250_000;
/// Of 20 targets six are answered, two have each of the other called states, and six are pending. Their order is not
/// that of their ids.
const FILL: &str = "
    INSERT INTO task_targets (tenant_id, task_id, position, customer_id, state, attempt, result_at)
    SELECT 'demo', 'a', n, 'c' || (n * 7919::bigint) % 1000003, state, CASE state WHEN 1 THEN 0 ELSE 1 + n % 3 END,
        CASE state WHEN 1 THEN NULL ELSE timestamptz 'epoch' + n * interval '1 s' END
    FROM (SELECT n, CASE WHEN n % 20 < 6 THEN 1 WHEN n % 20 < 12 THEN 2 ELSE 3 + (n % 20 - 12) / 2 END AS state
        FROM generate_series(0, 249999) n) AS seed;
    UPDATE tasks SET target_count = 250000, targets_answered = 75000, targets_no_answer = 25000, targets_busy = 25000,
        targets_failed = 25000, targets_skipped = 25000";

fn state_of(n: i32) -> i32 {
    match n % 20 {
        0..6 => 1,
        6..12 => 2,
        of => 3 + (of - 12) / 2,
    }
}

fn target(n: i32) -> TaskTarget {
    let is_pending = state_of(n) == 1;
    TaskTarget {
        customer_id: format!("c{}", i64::from(n) * 7919 % 1_000_003),
        state: state_of(n),
        attempt: if is_pending { 0 } else { 1 + n % 3 },
        time: (!is_pending).then_some(Timestamp {
            seconds: n.into(),
            nanos: 0,
        }),
    }
}

fn asked(task_id: &str, states: &[i32], limit: i32) -> ListTaskTargetsRequest {
    ListTaskTargetsRequest {
        task_id: task_id.into(),
        states: states.to_vec(),
        limit,
        page_token: String::new(),
        ..Default::default()
    }
}

async fn list(
    client: &Client,
    request: &ListTaskTargetsRequest,
) -> Result<ListTaskTargetsResponse, Status> {
    let page = client.list_task_targets(request.clone()).await?;
    Ok(page.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_have_every_target_once_and_in_order() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    server.database.execute(FILL).await;
    for states in [
        &[][..],
        &[2],
        &[6, 1],
        &[3, 4, 3],
        &[1, 2, 3, 4, 5, 6],
        &[5],
    ] {
        let is_asked = |n: &i32| states.is_empty() || states.contains(&state_of(*n));
        let mut wanted = (0..TARGETS).filter(is_asked);
        let total = wanted.clone().count();
        let mut request = asked("a", states, 1000);
        for page in 1.. {
            let got = list(&client, &request).await.unwrap();
            assert_eq!(got.total as usize, total);
            let is_last = page * 1000 >= total;
            assert_eq!(
                got.targets.len(),
                if is_last {
                    total - (page - 1) * 1000
                } else {
                    1000
                }
            );
            for target_there in got.targets {
                assert_eq!(
                    target_there,
                    target(wanted.next().unwrap()),
                    "{states:?} {page}"
                );
            }
            assert_eq!(got.next_page_token.is_empty(), is_last);
            if is_last {
                break;
            }
            request.page_token = got.next_page_token;
        }
        assert_eq!(wanted.next(), None);
    }
    // The limit may change between pages, and the default is 100.
    let first = list(&client, &asked("a", &[4], 0)).await.unwrap();
    assert_eq!(first.targets.len(), 100);
    let mut second = asked("a", &[4, 4], 7);
    second.page_token = first.next_page_token;
    let second = list(&client, &second).await.unwrap();
    let mut wanted = (0..TARGETS).filter(|n| state_of(*n) == 4).skip(100);
    assert_eq!(
        second.targets,
        wanted.by_ref().take(7).map(target).collect::<Vec<_>>()
    );
    // The same over HTTP.
    let mut token = second.next_page_token;
    for limit in [1, 1000, 2] {
        let path = format!("{PATH}/a/targets?state=busy,busy&limit={limit}&page_token={token}");
        let json = server.http().get(&path).await.json();
        assert_eq!(json["total"], 25_000);
        let targets = json["targets"].as_array().unwrap();
        assert_eq!(targets.len(), limit);
        for there in targets {
            let wanted = target(wanted.next().unwrap());
            let time = chrono::DateTime::from_timestamp(wanted.time.unwrap().seconds, 0).unwrap();
            let wanted = serde_json::json!({
                "customer_id": wanted.customer_id, "state": "busy", "attempt": wanted.attempt,
                "time": time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            });
            assert_eq!(*there, wanted);
        }
        token = json["next_page_token"].as_str().unwrap().to_owned();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_valid_for_its_own_list_only() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let client = Client::new(&server).await;
    let theirs = Client::with_key(&server, &other).await;
    for client in [&client, &theirs] {
        for id in ["a", "b"] {
            client.create(new_task(id, &["c1", "c2", "c3"])).await;
        }
    }
    let first = list(&client, &asked("a", &[1, 2], 1)).await.unwrap();
    let token = first.next_page_token;
    let tasks = outbound_tasks::pb::ListOutboundTasksRequest {
        limit: 1,
        ..Default::default()
    };
    let list_token = client
        .list_outbound_tasks(tasks.clone())
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    let events = outbound_tasks::pb::ListTaskEventsRequest {
        task_id: "a".into(),
        limit: 1,
        ..Default::default()
    };
    client
        .acted(outbound_tasks::pb::TaskAction::Start, "a")
        .await;
    let event_token = client
        .list_task_events(events.clone())
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    assert!(![&token, &list_token, &event_token].contains(&&String::new()));

    let with = |task_id: &str, states: &[i32], token: &str| ListTaskTargetsRequest {
        page_token: token.into(),
        ..asked(task_id, states, 1)
    };
    // The same states in another order or spelling.
    let same = list(&client, &with("a", &[2, 1, 2], &token)).await.unwrap();
    assert_eq!(same.targets[0].customer_id, "c2");
    let mut bad = vec![
        with("b", &[1, 2], &token),
        with("a", &[1], &token),
        with("a", &[], &token),
        with("a", &[1, 2], &list_token),
        with("a", &[1, 2], &event_token),
        with("a", &[1, 2], "x"),
        with("a", &[1, 2], &token[1..]),
        with("a", &[1, 2], &format!("{token}A")),
        with("a", &[1, 2], &format!("{token}=")),
    ];
    for index in 0..token.len() {
        let mut damaged = token.clone().into_bytes();
        damaged[index] = if damaged[index] == b'A' { b'B' } else { b'A' };
        bad.push(with("a", &[1, 2], std::str::from_utf8(&damaged).unwrap()));
    }
    for request in bad {
        let refused = list(&client, &request).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_token"], "{request:?}");
    }
    let refused = list(&theirs, &with("a", &[1, 2], &token))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["page_token"]);
    for foreign in [&token, &event_token] {
        let tasks = outbound_tasks::pb::ListOutboundTasksRequest {
            page_token: foreign.clone(),
            ..tasks.clone()
        };
        let refused = client.list_outbound_tasks(tasks).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_token"]);
    }
    for foreign in [&token, &list_token] {
        let events = outbound_tasks::pb::ListTaskEventsRequest {
            page_token: foreign.clone(),
            ..events.clone()
        };
        let refused = client.list_task_events(events).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_token"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_names_every_field() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    let bad = ListTaskTargetsRequest {
        page_token: "x".into(),
        ..asked("\0", &[1, 0, 7], -1)
    };
    let mut reported = fields(&list(&client, &bad).await.unwrap_err());
    reported.sort();
    assert_eq!(
        reported,
        ["limit", "page_token", "states[1]", "states[2]", "task_id"]
    );
    assert_eq!(
        fields(&list(&client, &asked("a", &[], 1001)).await.unwrap_err()),
        ["limit"]
    );
    assert_not_found(&list(&client, &asked("b", &[], 1)).await.unwrap_err(), "b");
    let none = list(&client, &asked("a", &[2, 3], 1)).await.unwrap();
    assert_eq!(
        (none.total, none.targets.len(), &*none.next_page_token),
        (0, 0, "")
    );
    let empty = client.create(new_task("empty", &[])).await;
    assert_eq!(empty.target_count, 0);
    assert_eq!(
        list(&client, &asked("empty", &[], 1)).await.unwrap().total,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_form_has_the_same_errors() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1", "c2"])).await;
    let http = server.http();
    for (path, field) in [
        ("a/targets?limit=0", "limit"),
        ("a/targets?limit=1001", "limit"),
        ("a/targets?limit=x", "limit"),
        ("a/targets?limit=1&limit=1", "limit"),
        ("a/targets?state=asleep", "state"),
        ("a/targets?state=busy,", "state"),
        ("a/targets?state=Busy", "state"),
        ("a/targets?page_token=x", "page_token"),
        ("a/targets?page=1", "page"),
        ("a/targets?status=running", "status"),
        ("a/targets?time_format=unix", "time_format"),
        ("a%00/targets", "task_id"),
        ("a%FF/targets", "task_id"),
    ] {
        let answer = http.get(&format!("{PATH}/{path}")).await;
        assert_eq!(answer.status, 400, "{path}");
        let error = &answer.json()["error"];
        assert_eq!(error["status"], "INVALID_ARGUMENT");
        let details = error["details"].as_array().unwrap();
        let fields: Vec<_> = details
            .iter()
            .map(|d| d["field"].as_str().unwrap())
            .collect();
        assert_eq!(fields, [field], "{path}");
    }
    let all = http
        .get(&format!(
            "{PATH}/{}/targets?limit=0&state=x&colour=red",
            "x".repeat(129)
        ))
        .await;
    let mut reported: Vec<_> = all.json()["error"]["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["field"].as_str().unwrap().to_owned())
        .collect();
    reported.sort();
    assert_eq!(reported, ["colour", "limit", "state", "task_id"]);
    let missing = http.get(&format!("{PATH}/b/targets")).await;
    assert_eq!(
        (missing.status.as_u16(), &missing.json()["error"]["status"]),
        (404, &"NOT_FOUND".into())
    );
    let path = format!("{PATH}/a/targets");
    let no_key = http.send(http::Method::GET, &path, &[], Vec::new()).await;
    assert_eq!(no_key.status, 401);
    assert!(no_key.headers.contains_key("www-authenticate"));
    let post = http
        .send(
            http::Method::POST,
            &path,
            &[("x-api-key", &http.key)],
            Vec::new(),
        )
        .await;
    assert_eq!(post.status, 405);
    let by_parameter = http
        .send(
            http::Method::GET,
            &format!("{path}?api_key={}", http.key),
            &[],
            Vec::new(),
        )
        .await;
    let json = by_parameter.json();
    let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(json["total"], 2);
    assert_eq!(json["next_page_token"], "");
    assert!(json["as_of"].is_string(), "{keys:?}");
    // A target that was not called has no time.
    assert_eq!(json["targets"][0]["state"], "pending");
    assert_eq!(json["targets"][0]["attempt"], 0);
    assert_eq!(
        json["targets"][0].get("time").cloned().unwrap_or_default(),
        serde_json::Value::Null
    );
}

/// Paging continues while targets are removed and added: a target that is there all the time comes once.
#[tokio::test(flavor = "multi_thread")]
async fn pages_by_token_skip_and_repeat_nothing_while_targets_change() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut task = new_task("a", &[]);
    task.target = (0..300).map(|n| format!("c{n}")).collect();
    client.create(task).await;
    let mut request = asked("a", &[], 50);
    let mut met = Vec::new();
    for round in 0.. {
        let page = list(&client, &request).await.unwrap();
        met.extend(page.targets.into_iter().map(|t| t.customer_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
        // One target that was returned (the last of the page, which the token names), and one that was not.
        let remove = outbound_tasks::pb::RemoveTaskTargetsRequest {
            task_id: "a".into(),
            customer_ids: vec![met.last().unwrap().clone(), format!("c{}", 299 - round)],
            ..Default::default()
        };
        let mut grpc = server.grpc().await;
        grpc.remove_task_targets(request_with(&client.key, remove))
            .await
            .unwrap();
        let add = crate::support::client::part("a", &[&format!("n{round}")]);
        client.add_task_targets(vec![add]).await.unwrap();
    }
    let wanted = (0..295)
        .map(|n| format!("c{n}"))
        .chain((0..5).map(|n| format!("n{n}")));
    assert_eq!(met, wanted.collect::<Vec<_>>());
}
