//! The examples of the original specification, verbatim.

use crate::support::{
    server::Server,
    tasks::{documented, task},
};

/// Its JSON answer, with the comment, is a valid import file, and its literal form of times is returned.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_the_spec_imports_and_reads_back() {
    let server = Server::start().await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/spec_answer.json");
    server
        .database
        .succeed(&["import", file, "--tenant", "demo"], b"")
        .await;
    let answer = server.http().list("time_format=compact").await.json();
    assert_eq!(answer["total"], 2);
    let first = serde_json::json!({
        "task_id": "12345", "name": "Finance Product Promotion", "target": ["cust1001", "cust1002"],
        "start_time": "20230301T10:00:00Z", "end_time": "20230302T10:00:00Z", "status": "running", "progress": 70,
        "created_at": "20230228T14:35:00Z", "updated_at": "20230228T14:35:00Z", "target_count": 2
    });
    assert_eq!(documented(&answer["tasks"][0]), first);
    assert_eq!(answer["tasks"][1]["status"], "pending");
}

/// Its two requests, its ordering example and its status words.
#[tokio::test(flavor = "multi_thread")]
async fn the_requests_of_the_spec_work() {
    let server = Server::start().await;
    let words = [
        "pending",
        "running",
        "paused",
        "completed",
        "stopped",
        "failed",
    ];
    let chinese = ["待启动", "运行中", "已暂停", "已完成", "已终止", "失败"];
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let day = format!("2023-03-{:02}T10:00:00Z", n + 1);
            task(&format!("t{n:02}"), &day, &day, words[n % 6])
        })
        .collect();
    server.import(&tasks).await;
    let http = server.http();
    let key = server.key.clone();
    // The key is in the query, as in the specification.
    let get = async |query: &str| {
        let path = format!("/api/v1/outboundtasks?api_key={key}&{query}");
        let answer = http.send(http::Method::GET, &path, &[], Vec::new()).await;
        assert_eq!(answer.status, 200, "{query}");
        assert_eq!(answer.header("content-type"), "application/json");
        answer.json()
    };
    let ids = |answer: &serde_json::Value| -> Vec<String> {
        let tasks = answer["tasks"].as_array().unwrap();
        tasks
            .iter()
            .map(|t| t["task_id"].as_str().unwrap().to_owned())
            .collect()
    };

    let active = get("page=1&limit=10&status=active").await;
    assert_eq!(active["total"], 6);
    assert_eq!(ids(&active), ["t00", "t01", "t02", "t06", "t07", "t08"]);

    let running = get("status=running").await;
    assert_eq!(ids(&running), ["t01", "t07"]);

    // The numbers on a console's tabs are those of the filter without its status, and are returned on request only.
    assert_eq!(running.get("status_counts"), None);
    let tabs = get("status=running&date_range=2023-03-01,2023-03-09&status_counts=true").await;
    assert_eq!(tabs["total"], 2);
    let counts = serde_json::json!({
        "pending": 2, "running": 2, "paused": 2, "completed": 1, "stopped": 1, "failed": 1
    });
    assert_eq!(tabs["status_counts"], counts);

    let newest_first = get("order_by=start_time&order=desc").await;
    let mut all: Vec<_> = (0..12).map(|n| format!("t{n:02}")).collect();
    all.reverse();
    assert_eq!(ids(&newest_first), all);

    for (n, (word, chinese)) in words.iter().zip(chinese).enumerate() {
        let wanted = [format!("t{n:02}"), format!("t{:02}", n + 6)];
        assert_eq!(ids(&get(&format!("status={word}")).await), wanted);
        let encoded: String = chinese.bytes().map(|b| format!("%{b:02X}")).collect();
        assert_eq!(ids(&get(&format!("status={encoded}")).await), wanted);
    }
    assert_eq!(
        ids(&get("status=paused,failed&status=stopped").await),
        ["t02", "t04", "t05", "t08", "t10", "t11"]
    );

    // The date range in each of its spellings. A bare date as the end includes that day.
    for range in [
        "date_range=2023-03-02,2023-03-04",
        "date_range=20230302&date_range=20230304",
        "start_date=2023-03-02T10:00:00Z&end_date=20230304T10:00:01Z",
        "date_range=2023-03-02T18:00:00%2B08:00,2023-03-04",
        "date_range=2023-03-02T18:00:00+08:00,2023-03-04",
    ] {
        assert_eq!(ids(&get(range).await), ["t01", "t02", "t03"], "{range}");
    }
    assert_eq!(ids(&get("date_range=,2023-03-02").await), ["t00", "t01"]);
    assert_eq!(ids(&get("date_range=2023-03-12,").await), ["t11"]);
    // In Shanghai the 2nd ends at 16:00Z. In Los Angeles the 1st begins at 08:00Z.
    assert_eq!(
        ids(&get("date_range=2023-03-02,2023-03-02&time_zone=Asia/Shanghai").await),
        ["t01"]
    );
    assert_eq!(ids(&get("end_date=2023-03-01T10:00:00Z").await), [""; 0]);
}
