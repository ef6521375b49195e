//! Labels of tasks: who sets them, which are valid, and where they are seen.

use std::collections::BTreeMap;

use outbound_tasks::pb::{
    ImportFormat, ImportReport, NewOutboundTask, OutboundTask, TaskEventKind,
    UpdateOutboundTaskRequest,
};
use prost_types::FieldMask;
use serde_json::json;
use tonic::Status;
use tonic_types::StatusExt;

use crate::support::{
    client::{Client, copy_of, fields, new_task},
    connect::post,
    import::{import, options},
    server::Server,
};

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let labels = labels.iter();
    labels
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// A task with labels.
fn labelled(id: &str, given: &[(&str, &str)]) -> NewOutboundTask {
    NewOutboundTask {
        labels: labels(given),
        ..new_task(id, &["c1"])
    }
}

async fn update(
    client: &Client,
    given: &[(&str, &str)],
    mask: &[&str],
) -> Result<OutboundTask, Status> {
    let message = UpdateOutboundTaskRequest {
        task: Some(OutboundTask {
            task_id: "a".into(),
            labels: labels(given),
            ..Default::default()
        }),
        update_mask: Some(FieldMask {
            paths: mask.iter().map(|path| (*path).to_owned()).collect(),
        }),
        ..Default::default()
    };
    let answer = client.update_outbound_task(message).await?;
    Ok(answer.into_inner().task.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_names_all_labels_or_one() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let made = client
        .create(labelled("a", &[("region", "华东"), ("a.b/c", "")]))
        .await;
    assert_eq!(made.labels, labels(&[("region", "华东"), ("a.b/c", "")]));
    let mut last = made.etag;
    for (given, mask, wanted) in [
        // One label is set, another is removed because the message does not have it.
        (
            &[("tier", "gold")][..],
            &["labels.tier", "labels.region"][..],
            &[("a.b/c", ""), ("tier", "gold")][..],
        ),
        (
            &[("a.b/c", "=;x"), ("no", "1")],
            &["labels.a.b/c"],
            &[("a.b/c", "=;x"), ("tier", "gold")],
        ),
        // An empty value is a label, and its change is a change.
        (
            &[("tier", "")],
            &["labels.tier"],
            &[("a.b/c", "=;x"), ("tier", "")],
        ),
        (&[], &["labels.tier"], &[("a.b/c", "=;x")]),
        (&[("x", "1")], &["labels"], &[("x", "1")]),
        (&[("x", "2")], &[], &[("x", "2")]),
        (&[("y", "3")], &["labels", "labels.x"], &[("y", "3")]),
        (&[], &["labels"], &[]),
    ] {
        let after = update(&client, given, mask).await.unwrap();
        assert_eq!(after.labels, labels(wanted), "{mask:?}");
        assert_ne!(after.etag, last, "{mask:?}");
        assert_eq!(client.get("a").await.unwrap(), after);
        last = after.etag;
    }
    let unchanged = update(&client, &[], &["labels", "labels.x"]).await.unwrap();
    assert_eq!(unchanged.etag, last);
    let events = client.events("a").await;
    assert_eq!(events.len(), 9);
    let changes = |at: usize| -> Vec<(&str, &str, &str)> {
        let changes = events[at].changes.iter();
        let labels = changes.filter(|c| c.field.starts_with("labels"));
        labels
            .map(|c| (&*c.field, &*c.old_value, &*c.new_value))
            .collect()
    };
    assert_eq!(
        changes(0),
        [("labels.a.b/c", "", ""), ("labels.region", "", "华东")]
    );
    assert_eq!(events[1].kind(), TaskEventKind::Updated);
    assert_eq!(
        changes(1),
        [("labels.region", "华东", ""), ("labels.tier", "", "gold")]
    );
    assert_eq!(changes(3), [("labels.tier", "gold", "")]);
}

/// An event tells a label that was set to an empty value from one that was removed.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_an_empty_value_from_none() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(labelled("a", &[("tier", "")])).await;
    for label in [
        &[][..],
        &[("tier", "")],
        &[("tier", "gold")],
        &[("tier", "")],
    ] {
        update(&client, label, &["labels.tier"]).await.unwrap();
    }
    let events = client.events("a").await;
    let changes = events.iter().flat_map(|event| &event.changes);
    let changes: Vec<_> = changes
        .filter(|c| c.field == "labels.tier")
        .map(|c| (&*c.old_value, c.old_is_set, &*c.new_value, c.new_is_set))
        .collect();
    assert_eq!(
        changes,
        [
            ("", false, "", true),
            ("", true, "", false),
            ("", false, "", true),
            ("", true, "gold", true),
            ("gold", true, "", true),
        ]
    );
    let last = json!({"task_id": "a", "order": "SORT_ORDER_DESC", "limit": 1});
    let read = async || post(&server, "ListTaskEvents", &last).await.json();
    let change = |old, is_set| {
        json!([{"field": "labels.tier", "old_value": old, "new_value": "",
            "old_is_set": is_set, "new_is_set": is_set}])
    };
    assert_eq!(read().await["events"][0]["changes"], change("gold", true));
    // As it was stored before events told them apart.
    let set = r#"UPDATE task_events SET changes = '[["labels.tier", "", ""]]'"#;
    server.database.execute(set).await;
    assert_eq!(read().await["events"][0]["changes"], change("", false));
}

/// A copy has the labels of its source, also those that the source got after its creation.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_labels_of_its_source() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(labelled("a", &[("region", "east")])).await;
    update(&client, &[("tier", "")], &["labels.tier"])
        .await
        .unwrap();
    let copied = client.copy_outbound_task(copy_of("a", "b")).await.unwrap();
    let copy = copied.into_inner().task.unwrap();
    assert_eq!(copy.labels, labels(&[("region", "east"), ("tier", "")]));
    assert_eq!(client.get("b").await.unwrap(), copy);
    let events = client.events("b").await;
    let changes = events[0].changes.iter();
    let named: Vec<&str> = changes.map(|change| change.field.as_str()).collect();
    assert!(
        named.contains(&"labels.region") && named.contains(&"labels.tier"),
        "{named:?}"
    );
    let page = server
        .http()
        .list("label=tier&target_sums=true")
        .await
        .json();
    assert_eq!(
        (&page["total"], &page["target_sums"]["total"]),
        (&json!(2), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violation_names_the_label_and_the_rule() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    for key in ["Region", "区域", "-a", ".a", "a b", "a=b"] {
        let refused = update(&client, &[(key, "1")], &["labels"])
            .await
            .unwrap_err();
        assert_eq!(fields(&refused), [format!("task.labels.{key}")]);
        assert!(
            refused.message().contains("must be a key of 1 to 63"),
            "{refused:?}"
        );
    }
    let refused = update(&client, &[], &["name", "labels.A"])
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["update_mask.paths[1]", "task.name"]);
    // No key of the service has so few different characters, so the long keys are shown.
    for (key, value, wanted) in [
        ("", "1", "task.labels. must be 1 to 63 characters, was 0"),
        (
            &"k.".repeat(32),
            "1",
            &format!(
                "task.labels.{} must be 1 to 63 characters, was 64",
                "k.".repeat(32)
            ),
        ),
        (
            &"k".repeat(64),
            "1",
            &format!(
                "task.labels.{} must be 1 to 63 characters, was 64",
                "k".repeat(64)
            ),
        ),
        (
            "a",
            &"值".repeat(256),
            "task.labels.a must be 0 to 255 characters, was 256",
        ),
    ] {
        let refused = update(&client, &[(key, value)], &["labels"])
            .await
            .unwrap_err();
        assert!(refused.message().contains(wanted), "{refused:?}");
        let details = refused.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let reasons: Vec<_> = violations.iter().map(|v| &v.reason).collect();
        assert_eq!(reasons, ["LENGTH_OUT_OF_RANGE"]);
    }
    let refused = update(&client, &[("a", "a\0")], &["labels.a"])
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["task.labels.a"]);
    let many: Vec<String> = (0..33).map(|n| format!("k{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "v")).collect();
    let refused = update(&client, &many, &["labels"]).await.unwrap_err();
    assert_eq!(fields(&refused), ["task.labels"]);
    update(&client, &many[1..], &["labels"]).await.unwrap();
    // One more than fit, though the message has one only.
    let refused = update(&client, &many[..1], &["labels.k0"])
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["task.labels"]);
    assert!(refused.message().contains("0 to 32 labels"), "{refused:?}");
}

async fn import_csv(client: &Client, text: &str) -> Result<ImportReport, Status> {
    import(client, options(ImportFormat::Csv), text.as_bytes(), 1000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_reads_labels_of_one_column_and_of_a_column_for_each_key() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let rows = [
        (
            "a",
            "region=华东; tier = gold",
            "",
            labels(&[("region", "华东"), ("tier", "gold")]),
        ),
        (
            "b",
            r#""{""k"":""x;y"",""n"":7}""#,
            "vip",
            labels(&[("k", "x;y"), ("n", "7"), ("group/a", "vip")]),
        ),
        ("c", "", "", labels(&[])),
        (
            "d",
            "x=1；y==2",
            " v ",
            labels(&[("x", "1"), ("y", "=2"), ("group/a", "v")]),
        ),
    ];
    let mut text = "task_id,name,开始时间,结束时间,标签,标签.group/a\n".to_owned();
    for (id, cell, column, _) in &rows {
        text += &format!("{id},n,2030-01-01,2030-01-02,{cell},{column}\n");
    }
    import_csv(&client, &text).await.unwrap();
    for (id, _, _, wanted) in rows {
        assert_eq!(client.get(id).await.unwrap().labels, wanted, "{id}");
    }
    for (cell, field) in [
        ("gold", "labels"),
        ("x=1;x=2", "labels"),
        (r#""{""x"":""1"",""x"":""1""}""#, "labels"),
        ("Region=1", "labels.Region"),
        ("{x}", "labels"),
        ("group/a=1", "labels"),
    ] {
        let text = format!(
            "name,start_time,end_time,labels,labels.group/a\nn,2030-01-01,2030-01-02,{cell},v\n"
        );
        let refused = import_csv(&client, &text).await.unwrap_err();
        let named = fields(&refused);
        assert!(
            named[0].starts_with(&format!("line 2: {field}")),
            "{cell}: {named:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_form_has_labels_as_an_object() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create(labelled("a", &[("region", "华东\""), ("b", "")]))
        .await;
    client.create(new_task("b", &[])).await;
    let page = server.http().list("fields=task_id,labels").await.json();
    let wanted = json!([
        {"task_id": "a", "labels": {"b": "", "region": "华东\""}},
        {"task_id": "b", "labels": {}},
    ]);
    assert_eq!(page["tasks"], wanted);
}
