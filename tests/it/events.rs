//! Events: who changed what in a task, when and why, for the retention period.

use chrono::TimeDelta;
use outbound_tasks::{
    domain::{event::EventKind, words::Word},
    pb::{
        ListTaskEventsRequest, ListTaskEventsResponse, OutboundTask, RemoveTaskTargetsRequest,
        ReportTargetResultsRequest, SortOrder, TargetState, TaskAction, TaskEvent, TaskEventKind,
        UpdateOutboundTaskRequest,
    },
};
use tokio_postgres::error::SqlState;
use tonic::Status;

use crate::support::{
    client::{Act, Client, START, assert_not_found, at, fields, new_task, part, result},
    keys::{create, id_of},
    server::{Server, kept},
};

async fn list(
    client: &Client,
    request: ListTaskEventsRequest,
) -> Result<ListTaskEventsResponse, Status> {
    let page = client.list_task_events(request).await?;
    Ok(page.into_inner())
}

/// A field, before and after.
type Change<'a> = (&'a str, &'a str, &'a str);

fn changes(event: &TaskEvent) -> Vec<Change<'_>> {
    let changes = event.changes.iter();
    changes
        .map(|c| (&*c.field, &*c.old_value, &*c.new_value))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_write_records_who_did_what_and_why() {
    let server = Server::start().await;
    let first = Client::new(&server).await;
    let key = create(&server.database, "read,write", &[]).await;
    let second = Client::with_key(&server, &key).await;
    first.create(new_task("a", &["c1", "c2"])).await;
    let update = UpdateOutboundTaskRequest {
        task: Some(OutboundTask {
            task_id: "a".into(),
            name: "名".into(),
            start_time: at(START),
            end_time: at(START + 7200),
            ..Default::default()
        }),
        ..Default::default()
    };
    second.update_outbound_task(update).await.unwrap();
    for (client, action, reason) in [
        (&first, TaskAction::Start, "早班"),
        (&second, TaskAction::Pause, ""),
        (&first, TaskAction::Resume, "go on"),
    ] {
        let act = Act {
            task_id: "a",
            reason,
            ..Act::default()
        };
        client.act(action, act).await.unwrap();
    }
    second
        .add_task_targets(vec![part("a", &["c2", "c3", "c4"])])
        .await
        .unwrap();
    let report = ReportTargetResultsRequest {
        task_id: "a".into(),
        results: vec![
            result("c1", TargetState::Answered, 1, 5),
            result("c2", TargetState::Busy, 1, 5),
        ],
        ..Default::default()
    };
    first.report_target_results(report).await.unwrap();
    let remove = RemoveTaskTargetsRequest {
        task_id: "a".into(),
        customer_ids: vec!["c2".into(), "c3".into()],
        ..Default::default()
    };
    second.remove_task_targets(remove).await.unwrap();
    let task = first
        .act(
            TaskAction::Complete,
            Act {
                task_id: "a",
                ..Act::default()
            },
        )
        .await
        .unwrap()
        .into_inner();
    second.delete("a").await;

    use TaskEventKind as Kind;
    let (one, two) = (&*id_of(&first.key), &*id_of(&second.key));
    let wanted: [(Kind, &str, &str, &[Change]); 10] = [
        (
            Kind::Created,
            one,
            "",
            &[
                ("name", "", "task a"),
                ("start_time", "", "2033-05-18T03:33:20Z"),
                ("end_time", "", "2033-05-18T04:33:20Z"),
                ("target_count", "", "2"),
            ],
        ),
        (
            Kind::Updated,
            two,
            "",
            &[
                ("name", "task a", "名"),
                ("end_time", "2033-05-18T04:33:20Z", "2033-05-18T05:33:20Z"),
            ],
        ),
        (
            Kind::Started,
            one,
            "早班",
            &[("status", "pending", "running")],
        ),
        (Kind::Paused, two, "", &[("status", "running", "paused")]),
        (
            Kind::Resumed,
            one,
            "go on",
            &[("status", "paused", "running")],
        ),
        (Kind::TargetsAdded, two, "", &[("target_count", "2", "4")]),
        (
            Kind::ResultsReported,
            one,
            "",
            &[
                ("progress", "0", "25"),
                ("target_counts.answered", "0", "1"),
                ("target_counts.busy", "0", "1"),
            ],
        ),
        (
            Kind::TargetsRemoved,
            two,
            "",
            &[
                ("target_count", "4", "2"),
                ("progress", "25", "50"),
                ("target_counts.busy", "1", "0"),
            ],
        ),
        (
            Kind::Completed,
            one,
            "",
            &[("status", "running", "completed")],
        ),
        (
            Kind::Deleted,
            two,
            "",
            &[
                ("name", "名", ""),
                ("status", "completed", ""),
                ("target_count", "2", ""),
            ],
        ),
    ];
    let events = first.events("a").await;
    assert_eq!(events.len(), wanted.len());
    for (event, (kind, key_id, reason, changed)) in events.iter().zip(wanted) {
        assert_eq!(
            (event.kind(), &*event.key_id, &*event.reason),
            (kind, key_id, reason)
        );
        assert_eq!(changes(event), changed, "{kind:?}");
    }
    let instant = |event: &TaskEvent| event.at.map(|t| (t.seconds, t.nanos)).unwrap();
    assert!(
        events
            .windows(2)
            .all(|w| w[0].event_id < w[1].event_id && instant(&w[0]) <= instant(&w[1]))
    );
    let completed = task
        .status_changed_at
        .map(|t| (t.seconds, t.nanos))
        .unwrap();
    assert!(instant(&events[7]) <= completed && completed <= instant(&events[9]));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_paged_in_both_directions() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for id in ["a", "b"] {
        client.create(new_task(id, &[])).await;
        client.acted(TaskAction::Start, id).await;
    }
    for _ in 0..60 {
        for id in ["b", "a"] {
            client.acted(TaskAction::Pause, id).await;
            client.acted(TaskAction::Resume, id).await;
        }
    }
    let all = client.events("a").await;
    assert_eq!(all.len(), 122);
    for (order, reversed) in [
        (SortOrder::Unspecified, false),
        (SortOrder::Asc, false),
        (SortOrder::Desc, true),
    ] {
        let mut wanted = all.clone();
        if reversed {
            wanted.reverse();
        }
        for limit in [1, 61, 121, 122, 123, 1000, 0] {
            let mut request = ListTaskEventsRequest {
                task_id: "a".into(),
                limit,
                order: order as i32,
                page_token: String::new(),
            };
            let size = if limit == 0 { 100 } else { limit as usize };
            let mut walked = Vec::new();
            for page in wanted.chunks(size) {
                let got = list(&client, request.clone()).await.unwrap();
                assert_eq!(got.events, page, "{order:?} {limit}");
                walked.extend(got.events);
                assert_eq!(got.next_page_token.is_empty(), walked.len() == wanted.len());
                request.page_token = got.next_page_token;
            }
            assert_eq!(walked, wanted);
        }
    }
    let first = ListTaskEventsRequest {
        task_id: "a".into(),
        limit: 1,
        ..Default::default()
    };
    let token = list(&client, first.clone()).await.unwrap().next_page_token;
    for (task_id, order) in [("b", 0), ("a", SortOrder::Desc as i32)] {
        let foreign = ListTaskEventsRequest {
            task_id: task_id.into(),
            order,
            page_token: token.clone(),
            limit: 1,
        };
        assert_eq!(
            fields(&list(&client, foreign).await.unwrap_err()),
            ["page_token"]
        );
    }
    let bad = ListTaskEventsRequest {
        task_id: "\0".into(),
        limit: 1001,
        page_token: "x".into(),
        order: 3,
    };
    assert_eq!(
        fields(&list(&client, bad).await.unwrap_err()),
        ["order", "task_id", "limit", "page_token"]
    );
    let negative = ListTaskEventsRequest { limit: -1, ..first };
    assert_eq!(
        fields(&list(&client, negative).await.unwrap_err()),
        ["limit"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_as_long_as_the_operator_says() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let other = server.tenant("other").await;
    let theirs = Client::with_key(&server, &other).await;
    for client in [&client, &theirs] {
        for id in ["a", "b", "gone"] {
            client.create(new_task(id, &[])).await;
        }
        client.acted(TaskAction::Start, "a").await;
        client.delete("gone").await;
    }
    let app = &server.app;
    let month = TimeDelta::days(30);
    app.clean(kept(month)).await.unwrap();
    assert_eq!(client.events("a").await.len(), 2);
    let age = "UPDATE task_events SET at = now() - interval '30 days 1 minute' WHERE kind IN ('created', 'deleted')";
    server.database.execute(age).await;
    // More than one DELETE statement removes.
    let fill = "INSERT INTO task_events (tenant_id, task_id, at, key_id, kind, reason, changes)
        SELECT 'demo', 'b', now() - interval '31 days', '', 'updated', '', '[]' FROM generate_series(1, 2500)";
    server.database.execute(fill).await;
    app.clean(kept(TimeDelta::MAX)).await.unwrap();
    app.clean(kept(TimeDelta::days(31) + TimeDelta::hours(1)))
        .await
        .unwrap();
    assert_eq!(client.events("b").await.len(), 1000);
    let deleted = client.events("gone").await;
    assert_eq!(deleted.iter().map(|e| e.kind).collect::<Vec<_>>(), [1, 3]);
    app.clean(kept(month)).await.unwrap();
    for client in [&client, &theirs] {
        let kept: Vec<_> = client.events("a").await.iter().map(|e| e.kind()).collect();
        assert_eq!(kept, [TaskEventKind::Started]);
        // A task without events gives an empty list. With neither a task nor events the answer is NOT_FOUND.
        assert_eq!(client.events("b").await, []);
        for id in ["gone", "nobody's"] {
            let request = ListTaskEventsRequest {
                task_id: id.into(),
                ..Default::default()
            };
            assert_not_found(&list(client, request).await.unwrap_err(), id);
        }
    }
    // The service's retention worker does the same.
    let old = "UPDATE task_events SET at = now() - interval '400 days'";
    server.database.execute(old).await;
    let second = outbound_tasks::app::App::new(&server.database.options()).unwrap();
    let worker =
        tokio::spawn(std::sync::Arc::new(second).run_retention(kept(TimeDelta::days(365))));
    let gone = async || client.events("a").await.is_empty();
    crate::support::eventually("old events go", crate::support::PATIENCE, gone).await;
    worker.abort();
}

/// Other programs write to the table too. An event with such a value would make every page that holds it an error.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_answer_can_show_is_refused() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let sql = server.database.client().await;
    for set in [
        "kind = 'renamed'",
        "kind = ''",
        "changes = 'null'",
        "changes = '{}'",
        r#"changes = '"name"'"#,
        "changes = '[null]'",
        "changes = '[1]'",
        r#"changes = '["name", "a", "b"]'"#,
        "changes = '[[]]'",
        r#"changes = '[["name", "a"]]'"#,
        r#"changes = '[["name", "a", null]]'"#,
        r#"changes = '[["name", 1, "b"]]'"#,
        r#"changes = '[[["name"], "a", "b"]]'"#,
        r#"changes = '[["name", "a", "b", true]]'"#,
        r#"changes = '[["name", "a", "b", true, "true"]]'"#,
        r#"changes = '[["name", "a", "b", null, true]]'"#,
        r#"changes = '[["name", "a", "b", true, true, true]]'"#,
        r#"changes = '[["name", "a", "b"], ["name"]]'"#,
        r#"changes = '[["name", "a", "b"], {"field": "name"}]'"#,
        "at = 'infinity'",
        "at = '10000-01-01T00:00:00Z'",
        "customer_ids = '{NULL}'",
        "customer_ids = '{{a,b},{c,d}}'",
    ] {
        let refused = sql
            .batch_execute(&format!("UPDATE task_events SET {set}"))
            .await;
        let code = refused.unwrap_err().code().cloned();
        assert_eq!(code, Some(SqlState::CHECK_VIOLATION), "{set}");
    }
    // Each kind, as services store it.
    let before = client.events("a").await;
    let store = r#"INSERT INTO task_events (tenant_id, task_id, key_id, kind, reason, changes, customer_ids)
        VALUES ('demo', 'a', '', $1, '', '[["name", "a", "b"], ["labels.x", "", "", false, true]]', '{}')"#;
    for kind in EventKind::all() {
        sql.execute(store, &[&kind.word()]).await.unwrap();
    }
    let events = &client.events("a").await[before.len()..];
    let kinds: Vec<i32> = events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        EventKind::all().map(|k| k as i32).collect::<Vec<_>>()
    );
    for event in events {
        assert_eq!(changes(event), [("name", "a", "b"), ("labels.x", "", "")]);
        let label = &event.changes[1];
        assert_eq!((label.old_is_set, label.new_is_set), (false, true));
    }
}
