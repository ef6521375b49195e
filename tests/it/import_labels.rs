//! Single labels of imported tasks: names and defaults that the options give, as `labels.region`.

use std::collections::{BTreeMap, HashMap};

use outbound_tasks::pb::{ImportFormat, ImportTaskOptions};
use tonic::Status;

use crate::support::{
    client::{Client, fields},
    database::Database,
    import::{import, options},
    server::Server,
};

fn pairs(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn with(
    format: ImportFormat,
    names: &[(&str, &str)],
    defaults: &[(&str, &str)],
) -> ImportTaskOptions {
    ImportTaskOptions {
        field_names: pairs(names),
        defaults: pairs(defaults),
        ..options(format)
    }
}

/// Both the report of a call and that of a command say which columns and JSON names became labels, also those that have
/// the name of a label, because any key is one.
#[tokio::test(flavor = "multi_thread")]
async fn the_report_names_labels_as_it_names_fields() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let csv = "名称,start_time,end_time,地区,labels.tier,标签.team\nn,2030-01-01,2030-01-02,华东,gold,x\n";
    let json = r#"{"name": "n", "start_time": "2030-01-01", "end_time": "2030-01-02", "more": {"tier": "7"}}"#;
    for (format, file, names, wanted) in [
        (
            ImportFormat::Csv,
            csv,
            ("labels.region", "地区"),
            &[
                ("名称", "name"),
                ("地区", "labels.region"),
                ("labels.tier", "labels.tier"),
                ("标签.team", "labels.team"),
            ][..],
        ),
        (
            ImportFormat::Ndjson,
            json,
            ("labels.tier", "more.tier"),
            &[("more.tier", "labels.tier")],
        ),
    ] {
        let read = with(format, &[names], &[]);
        let report = import(&client, read, file.as_bytes(), 1000).await.unwrap();
        let renamed = report.reading.unwrap().renamed;
        let renamed: Vec<_> = renamed.iter().map(|r| (&*r.name, &*r.field)).collect();
        assert_eq!(renamed, wanted);
    }
    let url = format!("http://{}", server.address);
    for place in [
        &["--tenant=demo"][..],
        &["--url", &url, "--api-key", &server.key],
    ] {
        let import = ["import", "-", "--format=csv", "--map=labels.region=地区"];
        let import = [&import[..], place].concat();
        let output = server.database.run(&import, csv.as_bytes()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        let wanted = r#"read the names "名称" as name, "地区" as labels.region, "labels.tier" as labels.tier, "标签.team" as labels.team"#;
        assert!(output.status.success() && said.contains(wanted), "{said}");
    }
}

/// The message of a refused import, and its first violation.
fn said(refused: &Status) -> String {
    format!("{} {}", fields(refused)[0], refused.message())
}

#[tokio::test(flavor = "multi_thread")]
async fn options_name_single_labels_and_give_defaults() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let csv = "task_id,name,start_time,end_time,标签,地区,级别\n\
        a,n,2030-01-01,2030-01-02,team=x,华东,gold\n\
        b,n,2030-01-01,2030-01-02,,,\n\
        c,n,2030-01-01,2030-01-02,source=own,,gold\n";
    let names = [("labels.region", "地区"), ("labels.a.b/tier", "级别")];
    let defaults = [
        ("labels.source", "july"),
        ("labels.region", "none, yet"),
        ("labels", "team=y"),
    ];
    let read = with(ImportFormat::Csv, &names, &defaults);
    let report = import(&client, read, csv.as_bytes(), 1000).await.unwrap();
    // source for a; team, source and region for b; region for c.
    assert_eq!(report.repairs.unwrap().defaults, 5);
    let json = r#"{"tasks": [
        {"region": "华东", "more": {"tier": 7}, "id": "d", "labels": {"team": "x"}, "name": "n"},
        {"region": "", "more": {"tier": null}, "id": "e", "labels": null, "name": "n"}]}"#;
    let names = [
        ("labels.region", "region"),
        ("labels.tier", "more.tier"),
        ("task_id", "id"),
    ];
    let defaults = [
        ("labels.tier", "1"),
        ("start_time", "2030-01-01"),
        ("end_time", "2030-01-02"),
    ];
    let read = with(ImportFormat::Json, &names, &defaults);
    import(&client, read, json.as_bytes(), 1000).await.unwrap();
    for (id, wanted) in [
        (
            "a",
            &[
                ("a.b/tier", "gold"),
                ("region", "华东"),
                ("source", "july"),
                ("team", "x"),
            ][..],
        ),
        (
            "b",
            &[("region", "none, yet"), ("source", "july"), ("team", "y")],
        ),
        (
            "c",
            &[
                ("a.b/tier", "gold"),
                ("region", "none, yet"),
                ("source", "own"),
            ],
        ),
        ("d", &[("region", "华东"), ("team", "x"), ("tier", "7")]),
        ("e", &[("region", ""), ("tier", "1")]),
    ] {
        let wanted: BTreeMap<String, String> = pairs(wanted).into_iter().collect();
        assert_eq!(client.get(id).await.unwrap().labels, wanted, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_names_of_labels_are_refused() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for (names, defaults, wanted) in [
        (
            &[("labels.A", "x")][..],
            &[][..],
            "options.field_names must be a key of 1 to 63",
        ),
        (
            &[],
            &[("labels.", "x")],
            "options.defaults must be 1 to 63 characters",
        ),
        (
            &[("label.a", "x")],
            &[],
            "options.field_names must be a field of OutboundTask",
        ),
        (
            &[("labels.a", "地区")],
            &[],
            "there is no column \"地区\" for labels.a",
        ),
        // A label that is mapped has no other name.
        (&[("labels.a", "name")], &[], "name is missing"),
        (
            &[("labels.a", "b"), ("labels.b", "x")],
            &[],
            "\"labels.b\" is not a field",
        ),
    ] {
        let csv = "name,start_time,end_time,b,x,labels.b\nn,2030-01-01,2030-01-02,1,2,3\n";
        let read = with(ImportFormat::Csv, names, defaults);
        let refused = import(&client, read, csv.as_bytes(), 1000)
            .await
            .unwrap_err();
        let said = said(&refused);
        assert!(said.contains(wanted), "{names:?} {defaults:?}: {said}");
    }
    // A label of the field, and the same one by its own name.
    let json = r#"{"name": "n", "start_time": "2030-01-01", "end_time": "2030-01-02", "a": "1", "labels": {"a": "1"}}"#;
    let read = with(ImportFormat::Ndjson, &[("labels.a", "a")], &[]);
    let refused = import(&client, read, json.as_bytes(), 1000)
        .await
        .unwrap_err();
    assert!(said(&refused).contains("is given twice"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_name_single_labels() {
    let database = Database::new().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    let csv = "name,start_time,end_time,地区\nn,2030-01-01,2030-01-02,华东\n";
    let import = ["import", "-", "--format=csv", "--tenant=demo"];
    let flags = ["--map=labels.region=地区", "--default=labels.source=a=b, c"];
    database
        .succeed(&[&import[..], &flags].concat(), csv.as_bytes())
        .await;
    let exported = database
        .succeed(&["export", "--tenant=demo", "--label=source=a=b, c"], b"")
        .await;
    assert!(
        exported.contains(r#""labels":{"region":"华东","source":"a=b, c"}"#),
        "{exported}"
    );
    for (flag, reported) in [
        ("--map=labels.A=x", "must be a key of 1 to 63"),
        (
            "--map=label=x",
            "copied_from, last_result_at, target_results, labels.KEY",
        ),
        ("--map=labels.a=x,labels.a=y", "labels.a is given twice"),
        ("--default=labels.=x", "must be 1 to 63 characters"),
    ] {
        let output = database.run(&[&import[..], &[flag]].concat(), b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag}: {said}");
        assert!(said.contains(reported), "{flag}: {said}");
    }
}
