//! `outbound-tasks list` with a running service.

use crate::support::{
    server::Server,
    tasks::{Json, bank_tasks, task},
    terminal::{command, printed, read_a_line, succeed},
};

const LIST: &str = "/api/v1/outboundtasks?";
const EXPORT: &str = "/api/v1/outboundtasks:export?";

/// Tasks with names that contain what can disturb a terminal.
fn odd_tasks() -> Vec<Json> {
    let names = [
        "春季信用卡回访",
        "\u{1b}[2J\u{1b}]0;title\u{7}red",
        "\u{9b}31m\u{85}\u{202e}backwards",
        "two\nlines\r\n\tand a tab",
        "O'Neill \"x\" \\",
    ];
    let odd = |(n, name): (usize, &str)| {
        let mut odd = task(
            &format!("odd{n}"),
            "2023-03-01T10:00:00Z",
            "2023-03-01T11:00:30.5Z",
            ["running", "pending", "paused", "completed", "stopped"][n],
        );
        odd["name"] = name.into();
        odd["updated_at"] = "2023-03-01T12:00:00Z".into();
        odd["target"] = serde_json::json!(["c1", format!("c{n}\u{1b}")]);
        odd["status_reason"] = name.into();
        // With both fields, as in an exported list, an id with a control character is accepted.
        odd["target_count"] = 2.into();
        odd["status_changed_at"] = "2023-03-01T12:00:00Z".into();
        odd
    };
    names.into_iter().enumerate().map(odd).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_those_of_the_export() {
    let server = Server::start().await;
    server.import(&odd_tasks()).await;
    server.import(&bank_tasks()).await;
    let http = server.http();
    for (flags, query) in [
        (&[][..], ""),
        (&["--limit", "1000"], ""),
        (
            &["--status", "active", "--order-by", "name"],
            "status=active&order_by=name",
        ),
        (
            &[
                "--status=已完成,failed",
                "--status",
                "stopped",
                "--order=desc",
            ],
            "status=completed,failed,stopped&order=desc",
        ),
        (
            &[
                "--start",
                "2008-06-01",
                "--end",
                "20090101",
                "--time-zone",
                "Asia/Shanghai",
            ],
            "start_date=2008-06-01&end_date=20090101&time_zone=Asia/Shanghai",
        ),
        (
            &[
                "--start-date=2023-03-01T18:00:30.5+08:00",
                "--date-field=window",
            ],
            "start_date=2023-03-01T10:00:30.5Z&date_field=window",
        ),
        // There are no tasks beyond these days, and a message cannot hold later times.
        (
            &[
                "--start=0001-01-01",
                "--end=9999-12-31",
                "--time-zone=Asia/Shanghai",
            ],
            "",
        ),
        (&["--end=9999-12-31", "--time-zone=America/New_York"], ""),
        (&["--customer-id", "c1"], "customer_id=c1"),
        (&["--name", "信用卡"], "name=%E4%BF%A1%E7%94%A8%E5%8D%A1"),
        (
            &[
                "--task-id",
                "odd2",
                "--task-id",
                "no,body",
                "--task-id=odd0",
            ],
            "task_ids=odd2&task_ids=odd0&task_ids=no,body",
        ),
        (
            &["--name=odd", "--target-limit=1"],
            "name=odd&target_limit=1",
        ),
    ] {
        let lines = succeed(&server, &[&["list", "--all"], flags].concat()).await;
        let export = http.get(&format!("{EXPORT}{query}")).await;
        let export = String::from_utf8(export.body).unwrap();
        assert_eq!(lines, export, "{flags:?}");
    }

    // By page, and only the requested fields.
    for (flags, query) in [
        (&[][..], ""),
        (&["--page=3", "--limit=7"], "page=3&limit=7"),
        (&["--page=100000"], "page=100000"),
        (
            &["--fields=name,task_id", "--fields=etag", "--count=none"],
            "fields=task_id,name,etag",
        ),
        (
            &["--fields=target", "--target-limit=0"],
            "fields=target&target_limit=0",
        ),
    ] {
        let lines = succeed(&server, &[&["list"], flags].concat()).await;
        let lines: Vec<Json> = lines
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let page = http.get(&format!("{LIST}{query}")).await.json();
        assert_eq!(page["tasks"], Json::from(lines), "{flags:?}");
    }
    let counts = ["list", "--limit=1", "--status=failed", "--status-counts"];
    let lines = succeed(&server, &counts).await;
    let last: Json = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let page = http.list("status_counts=true&limit=1").await.json();
    assert_eq!(
        last,
        serde_json::json!({"status_counts": page["status_counts"]})
    );
    let sums = ["list", "--limit=1", "--target-sums"];
    let lines = succeed(&server, &sums).await;
    let last: Json = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let page = http.list("target_sums=true&limit=1").await.json();
    assert_eq!(
        last,
        serde_json::json!({"target_sums": page["target_sums"]})
    );
    let sums = ["list", "--format=table", "--limit=1", "--target-sums"];
    let text = succeed(&server, &sums).await;
    let line = text.lines().last().unwrap();
    let total = &page["target_sums"]["total"];
    assert!(
        line.starts_with(&format!("{total} targets: pending ")),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_for_people_and_harms_no_terminal() {
    let server = Server::start().await;
    let table = async |arguments: &[&str]| {
        let arguments = [&["list", "--format=table"], arguments].concat();
        succeed(&server, &arguments).await
    };
    assert_eq!(
        table(&["--count=exact"]).await,
        "task_id  name  status  progress  start_time  end_time  target_count  updated_at\n\
        0 tasks, page 1 of 1, times in UTC\n"
    );
    server.import(&odd_tasks()).await;
    assert_eq!(
        table(&["--fields=task_id,name", "--order-by=task_id", "--limit=3"]).await,
        "task_id  name\n\
        odd0     春季信用卡回访\n\
        odd1     \\u{1b}[2J\\u{1b}]0;title\\u{7}red\n\
        odd2     \\u{9b}31m\\u{85}\\u{202e}backwards\n\
        5 tasks, page 1 of 2, times in UTC\n"
    );
    let all = table(&["--status=active,completed,stopped", "--status-counts"]).await;
    assert!(all.chars().all(|c| c == '\n' || !c.is_control()), "{all:?}");
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 8);
    assert!(
        lines[1].starts_with("odd0     春季信用卡回访 ")
            && lines[1]
                .ends_with("2023-03-01 10:00  2023-03-01 11:00:30             2  2023-03-01 12:00"),
        "{}",
        lines[1]
    );
    assert!(
        lines[4].contains("two\\nlines\\r\\n\\tand a tab"),
        "{}",
        lines[4]
    );
    assert_eq!(lines[6], "5 tasks, page 1 of 1, times in UTC");
    assert_eq!(
        lines[7],
        "pending 1, running 1, paused 1, completed 1, stopped 1, failed 0"
    );
    // Every other field has a column too.
    let fields = "target,created_at,allowed_actions,status_reason,status_changed_at,target_counts,etag,labels,copied_from,last_result_at";
    let all = table(&[
        "--fields",
        fields,
        "--task-id=odd1",
        "--all",
        "--count=none",
    ])
    .await;
    assert!(all.chars().all(|c| c == '\n' || !c.is_control()), "{all:?}");
    for part in [
        "c1, c1\\u{1b}",
        "start, stop, fail",
        "]0;title",
        "2 pending",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert_eq!(all.lines().last(), Some("times in UTC"));
    // All pages, each with the column names, and a total of all.
    let all = table(&["--all", "--limit=2", "--fields=task_id"]).await;
    assert_eq!(
        all,
        "task_id\nodd0\nodd1\ntask_id\nodd2\nodd3\ntask_id\nodd4\n5 tasks, times in UTC\n"
    );
    assert!(
        table(&["--page=9", "--limit=2"])
            .await
            .ends_with("page 9 of 3, times in UTC\n")
    );

    // The time zone of bare dates and of the output: from the flag, the setting, the shell, or UTC.
    for (variables, flag, zone, hour) in [
        (
            &[("TZ", "Asia/Shanghai")][..],
            None,
            "Asia/Shanghai",
            "18:00",
        ),
        (
            &[("TZ", ":America/New_York")],
            None,
            "America/New_York",
            "05:00",
        ),
        (
            &[("TZ", "/usr/share/zoneinfo/Asia/Tokyo")],
            None,
            "Asia/Tokyo",
            "19:00",
        ),
        (
            &[
                ("TZ", "Asia/Shanghai"),
                ("OUTBOUND_TASKS_TIME_ZONE", "Asia/Tokyo"),
            ],
            None,
            "Asia/Tokyo",
            "19:00",
        ),
        (
            &[("OUTBOUND_TASKS_TIME_ZONE", "Asia/Tokyo")],
            Some("--time-zone=UTC"),
            "UTC",
            "10:00",
        ),
    ] {
        let arguments = ["list", "--format=table", "--fields=start_time", "--limit=1"];
        let mut command = command(server.address, &server.key, &arguments);
        command.envs(variables.iter().copied()).args(flag);
        let text = printed(command).await;
        assert!(
            text.contains(&format!("2023-03-01 {hour}\n")),
            "{zone}: {text}"
        );
        assert!(
            text.ends_with(&format!("times in {zone}\n")),
            "{zone}: {text}"
        );
    }
    // A shell may have other forms, which are no error, but not passed over either.
    for given in ["CST-8", ":/etc/localtime", "Asia/Nowhere"] {
        let arguments = ["list", "--format=table", "--limit=1"];
        let mut command = command(server.address, &server.key, &arguments);
        let printed = command.env("TZ", given).output().unwrap();
        let said = String::from_utf8(printed.stderr).unwrap();
        let line = format!("TZ={given} is no IANA name, so dates and times are in UTC\n");
        assert_eq!(said, format!("outbound-tasks: {line}"));
        assert!(printed.status.success() && printed.stdout.ends_with(b"times in UTC\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_output_is_no_failure() {
    let server = Server::start().await;
    server.import(&bank_tasks()).await;
    for format in ["--format=ndjson", "--format=table"] {
        let list = ["list", "--all", "--limit=10", format];
        read_a_line(command(server.address, &server.key, &list)).await;
    }
}
