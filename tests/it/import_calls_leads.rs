//! Lead lists over the network.

use outbound_tasks::pb::{ImportFormat, ImportTable, ImportTargetOptions, TaskEventKind};

use crate::{
    import_calls::start,
    support::{
        client::{assert_not_found, fields, new_task},
        import::import_leads,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn lead_lists_are_added_by_a_call() {
    let (_server, client) = start().await;
    for id in ["a", "b"] {
        client.create(new_task(id, &["1"])).await;
    }
    let csv = || ImportTargetOptions {
        format: ImportFormat::Csv.into(),
        ..Default::default()
    };
    let to_a = ImportTargetOptions {
        task_id: "a".into(),
        column: "电话".into(),
        table: Some(ImportTable {
            encoding: "gbk".into(),
            ..Default::default()
        }),
        ..csv()
    };
    let (gbk, _, _) = encoding_rs::GB18030.encode("姓名,电话\n张三,１３８\n李四,139\n王五,1\n");
    let dry = ImportTargetOptions {
        dry_run: true,
        ..to_a.clone()
    };
    for (options, count) in [(dry, 1), (to_a.clone(), 3)] {
        let report = import_leads(&client, options, &gbk).await.unwrap();
        assert_eq!(
            (report.tasks, report.targets, report.repeated_customers),
            (1, 2, 1)
        );
        assert_eq!(report.repairs.unwrap().digits, 1);
        assert_eq!(client.get("a").await.unwrap().target_count, count);
    }
    let events = client.events("a").await;
    assert_eq!(events.last().unwrap().kind(), TaskEventKind::TargetsAdded);
    assert_ne!(events.last().unwrap().key_id, "");

    let many = import_leads(&client, csv(), b"task_id,phone\na,7\nb,7\nb,8\n")
        .await
        .unwrap();
    assert_eq!((many.tasks, many.targets), (2, 3));
    let refused = import_leads(&client, csv(), b"task_id,phone\nb,9\nmissing,7\n")
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["line 3: task_id"]);
    assert_eq!(client.get("b").await.unwrap().target_count, 3);
    let missing = ImportTargetOptions {
        task_id: "missing".into(),
        ..csv()
    };
    let refused = import_leads(&client, missing, b"7\n").await.unwrap_err();
    assert_not_found(&refused, "missing");
}
