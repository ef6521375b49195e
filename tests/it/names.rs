//! A search by name finds tasks whatever changed their names: the service, an import, or plain SQL.

use outbound_tasks::pb::{ListOutboundTasksRequest, TaskOrderBy};

use crate::support::{
    database::Database,
    server::{Server, request_with},
    tasks::Json,
};

fn named(task_id: &str, name: &str) -> Json {
    serde_json::json!({"task_id": task_id, "name": name, "start_time": "2023-03-01T10:00:00Z",
        "end_time": "2023-03-01T11:00:00Z", "target": ["c"]})
}

/// The ids of the tasks with this text in their name, in order.
async fn found(server: &Server, key: &str, name: &str) -> Vec<String> {
    let request = ListOutboundTasksRequest {
        name: name.to_owned(),
        order_by: TaskOrderBy::TaskId as i32,
        ..Default::default()
    };
    let mut grpc = server.grpc().await;
    let page = grpc.list_outbound_tasks(request_with(key, request)).await;
    let page = page.unwrap().into_inner();
    assert_eq!(page.total as usize, page.tasks.len());
    page.tasks.into_iter().map(|t| t.task_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_name_in_any_case_and_script() {
    let server = Server::start().await;
    let names = [
        "春季信用卡回访 VIP",
        "Straße nach Oberstdorf",
        "ΟΔΥΣΣΕΥΣ",
        "100% Rückruf_1",
        "O'Neill \\ & | ! :* <->",
        "\u{1}a\u{1}b",
        "İstanbul",
        "x",
        "STRAẞE",
        "三月（一）ＶＩＰ１",
        "ｶﾞｽ cafe\u{301} I\u{307}",
        "Κα\u{390}ρι",
    ];
    let tasks: Vec<Json> = (0..)
        .zip(names)
        .map(|(n, name)| named(&n.to_string(), name))
        .collect();
    server.import(&tasks).await;
    let other = server.tenant("other").await;
    server
        .import_as("other", &[named("theirs", "信用卡 straße")])
        .await;
    for (part, wanted) in [
        ("信", vec!["0"]),
        ("信用", vec!["0"]),
        ("用卡回访", vec!["0"]),
        ("卡访", vec![]),
        ("访 vip", vec!["0"]),
        ("STRASSE", vec!["1", "8"]),
        ("ße", vec!["1", "8"]),
        ("ẞ", vec!["1", "8"]),
        ("straẞe", vec!["1", "8"]),
        ("οδυσσευς", vec!["2"]),
        ("σευσ", vec!["2"]),
        ("00%", vec!["3"]),
        ("%", vec!["3"]),
        ("_", vec!["3"]),
        ("RÜCK", vec!["3"]),
        ("0%%", vec![]),
        ("'", vec!["4"]),
        ("o'n", vec!["4"]),
        ("\\", vec!["4"]),
        (" \\ &", vec!["4"]),
        ("'neill \\ & | ! :* <->", vec!["4"]),
        (":*", vec!["4"]),
        ("\u{1}", vec!["5"]),
        ("\u{1}A\u{1}B", vec!["5"]),
        ("ab", vec![]),
        ("İST", vec!["6"]),
        ("ist", vec!["6"]),
        ("ISTANBUL", vec!["6"]),
        ("i\u{307}stan", vec!["6"]),
        ("三月(一)vip1", vec!["9"]),
        ("（一）", vec!["9"]),
        ("ｖip", vec!["0", "9"]),
        ("１", vec!["3", "9"]),
        ("ガス CAFÉ i", vec!["10"]),
        ("ﬁ", vec![]),
        ("cafe", vec![]),
        ("ΚΑ\u{3aa}\u{301}ΡΙ", vec!["11"]),
        ("κα\u{390}", vec!["11"]),
        ("demo/", vec![]),
        ("x", vec!["7"]),
    ] {
        assert_eq!(found(&server, &server.key, part).await, wanted, "{part:?}");
    }
    assert_eq!(found(&server, &other, "信用卡").await, ["theirs"]);
}

/// Texts that are equal for people have one form, whatever form they were typed in.
#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_text_is_folded_alike() {
    let database = Database::new().await;
    let sql = database.client().await;
    // Every character that has a case or another form, and all of the first 13,312, alone and between others.
    let texts = r#"CREATE TEMP TABLE texts AS SELECT around || c || around AS x, c
        FROM (SELECT n, chr(n) AS c FROM generate_series(1, 205000) AS n WHERE n NOT BETWEEN 55296 AND 57343) AS all_of_them,
            unnest(ARRAY['', E'a\u0300']) AS around
        WHERE n < 13312 OR normalize(c, NFKD) <> c OR c <> upper(c COLLATE "und-x-icu") OR c <> lower(c COLLATE "und-x-icu")"#;
    sql.batch_execute(texts).await.unwrap();
    for form in [
        "normalize(x, NFC)",
        "normalize(x, NFD)",
        "normalize(x, NFKC)",
        "normalize(x, NFKD)",
        r#"lower(x COLLATE "und-x-icu")"#,
        r#"upper(x COLLATE "und-x-icu")"#,
        r#"normalize(upper(x COLLATE "und-x-icu"), NFC)"#,
        "task_name_fold(x)",
    ] {
        let compare = format!(
            "SELECT string_agg(to_hex(ascii(c)), ' ') FROM texts
            WHERE task_name_fold({form}) <> task_name_fold(x)"
        );
        let row = sql.query_one(&compare, &[]).await.unwrap();
        assert_eq!(row.get::<_, Option<String>>(0), None, "{form}");
    }
    // Random texts, since the form of a character can depend on those around it.
    let mut random = fastrand::Rng::with_seed(16);
    let marks: Vec<char> =
        "\u{300}\u{301}\u{307}\u{308}\u{323}\u{345}\u{3099}ßẞİıſςΣσﬁＡａ１（ｶﾞハ가각각I i"
            .chars()
            .collect();
    let texts: Vec<String> = (0..20_000)
        .map(|_| {
            let any = |random: &mut fastrand::Rng| match random.u8(..3) {
                0 => random.char('\u{1}'..'\u{3000}'),
                _ => marks[random.usize(..marks.len())],
            };
            (0..random.usize(1..8)).map(|_| any(&mut random)).collect()
        })
        .collect();
    for form in ["NFC", "NFD", "NFKC", "NFKD"] {
        let compare = format!(
            "SELECT string_agg(x, ' ') FROM unnest($1::text[]) AS x
            WHERE task_name_fold(normalize(x, {form})) <> task_name_fold(x)"
        );
        let row = sql.query_one(&compare, &[&texts]).await.unwrap();
        assert_eq!(row.get::<_, Option<String>>(0), None, "{form}");
    }
}

/// A migration that changes the form of names folds the stored ones again, and taking it back does too.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_form_of_names_reaches_the_stored_ones() {
    let server = Server::start().await;
    let names = [
        "三月（一）ＶＩＰ１",
        "İstanbul",
        "ı\u{300}",
        "ｶﾞｽ",
        "cafe\u{301}",
        "plain",
        "Straße",
        "\u{345}\u{308}ﬁ",
        "Καΐρι",
    ];
    let tasks = (0..).zip(names);
    let tasks: Vec<Json> = tasks.map(|(n, name)| named(&n.to_string(), name)).collect();
    server.import(&tasks).await;
    let sql = server.database.client().await;
    // The names follow their tasks a moment after the import.
    sql.batch_execute(
        "BEGIN; SELECT task_counts_lock('demo', true), task_names_follow('demo'); COMMIT",
    )
    .await
    .unwrap();
    let differ = "SELECT count(*) FROM task_search n JOIN tasks t USING (tenant_id, task_id)
        WHERE n.name <> task_name_fold(t.name)";
    for migration in [
        include_str!("../../migrations/2026-11-27-000080_names_in_one_form/down.sql"),
        include_str!("../../migrations/2026-11-27-000080_names_in_one_form/up.sql"),
        include_str!("../../migrations/2026-11-29-000230_names_composed/up.sql"),
        include_str!("../../migrations/2026-11-29-000230_names_composed/down.sql"),
        include_str!("../../migrations/2026-11-29-000230_names_composed/up.sql"),
    ] {
        let before = "SELECT string_agg(name, '|' ORDER BY task_id) FROM task_search";
        let stored = async || {
            let row = sql.query_one(before, &[]).await.unwrap();
            row.get::<_, String>(0)
        };
        let earlier = stored().await;
        let transaction = format!("BEGIN; {migration}; COMMIT");
        sql.batch_execute(&transaction).await.unwrap();
        assert_ne!(stored().await, earlier);
        let differ = sql.query_one(differ, &[]).await.unwrap();
        assert_eq!(differ.get::<_, i64>(0), 0);
    }
    assert_eq!(found(&server, &server.key, "(一)vip1").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_follow_their_tasks() {
    let server = Server::start().await;
    let tasks: Vec<Json> = (1..=6)
        .map(|n| named(&format!("t{n}"), &format!("Spring {n}")))
        .collect();
    server.import(&tasks).await;
    let sql = server.database.client().await;
    let run = async |text: &str| sql.batch_execute(text).await.unwrap();
    let of = async |name: &str| found(&server, &server.key, name).await;
    // What a compaction does for names, of tenants that the service does not know too.
    let follow = async || {
        run("BEGIN; SELECT task_counts_lock(t, true), task_names_follow(t) FROM unnest('{demo,elsewhere}'::text[]) t; COMMIT")
            .await;
    };
    // The index table itself: one row for each task, with its name.
    let wrong = async || {
        follow().await;
        let compare =
            "SELECT count(*) FROM task_search n FULL JOIN tasks t USING (tenant_id, task_id)
            WHERE n.name IS DISTINCT FROM task_name_fold(t.name)";
        sql.query_one(compare, &[]).await.unwrap().get::<_, i64>(0)
    };

    run("UPDATE tasks SET name = 'AUTUMN ' || task_id WHERE task_id IN ('t1', 't2')").await;
    assert_eq!(of("autumn").await, ["t1", "t2"]);
    assert_eq!(of("spring").await, ["t3", "t4", "t5", "t6"]);
    run("UPDATE tasks SET task_id = 'a' || task_id WHERE task_id IN ('t2', 't3')").await;
    assert_eq!(of("g 3").await, ["at3"]);
    run("UPDATE tasks SET tenant_id = 'elsewhere' WHERE task_id = 't4'").await;
    assert_eq!(of("spring").await, ["at3", "t5", "t6"]);
    run("DELETE FROM tasks WHERE task_id IN ('t5', 'at3')").await;
    assert_eq!(of("spring").await, ["t6"]);
    let versions = async || {
        let rows =
            "SELECT string_agg(n.ctid || ' ' || n.xmin, ',' ORDER BY n.task_id) FROM task_search n";
        follow().await;
        sql.query_one(rows, &[]).await.unwrap().get::<_, String>(0)
    };
    let before = versions().await;
    run("UPDATE tasks SET status = 2, progress = 50, updated_at = now()").await;
    assert_eq!(versions().await, before, "a status changes no name");
    run("INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
            target_count, target)
        SELECT tenant_id, task_id, 'Winter', start_time, end_time, status, progress, created_at, updated_at, 0, '{}'
        FROM tasks WHERE task_id = 't6'
        ON CONFLICT (tenant_id, task_id) DO UPDATE SET name = excluded.name").await;
    assert_eq!(of("winter").await, ["t6"]);
    assert_eq!(wrong().await, 0);
    let replaced = crate::support::tasks::to_ndjson(&[named("t6", "Summer")]);
    let arguments = ["import", "-", "--tenant=demo", "--on-conflict=replace"];
    server
        .database
        .succeed(&arguments, replaced.as_bytes())
        .await;
    assert_eq!(of("winter").await, Vec::<String>::new());
    assert_eq!(of("summer").await, ["t6"]);
    assert_eq!(wrong().await, 0);
    run("TRUNCATE tasks").await;
    assert_eq!(of("a").await, Vec::<String>::new());
    assert_eq!(wrong().await, 0);
}
