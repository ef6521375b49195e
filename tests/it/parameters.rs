//! Query parameters as forms and programs send them: empty ones, and numbers of any size.

use crate::support::{
    server::Server,
    tasks::{Json, task},
};

/// A number out of range gets an error with the range, however large it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_beyond_every_integer_is_out_of_range() {
    let server = Server::start().await;
    let http = server.http();
    let targets = "/api/v1/outboundtasks/12345/targets";
    let task = "/api/v1/outboundtasks/12345";
    let export = "/api/v1/outboundtasks:export";
    let watch = "/api/v1/outboundtasks:watch";
    for (path, name, allowed) in [
        ("/api/v1/outboundtasks", "page", "1 to 9223372036854775807"),
        ("/api/v1/outboundtasks", "limit", "1 to 1000"),
        ("/api/v1/outboundtasks", "target_limit", "0 to 100"),
        (task, "target_limit", "0 to 100"),
        (targets, "limit", "1 to 1000"),
        (export, "target_limit", "0 to 100"),
        (watch, "target_limit", "0 to 100"),
    ] {
        for value in [
            "9223372036854775808",
            "-9223372036854775809",
            &"9".repeat(60),
        ] {
            let answer = http.get(&format!("{path}?{name}={value}")).await;
            assert_eq!(answer.status, 400, "{path} {name}");
            let details = &answer.json()["error"]["details"];
            assert_eq!(details.as_array().unwrap().len(), 1, "{path} {name}");
            assert_eq!(details[0]["field"], name, "{path}");
            let description = format!("must be {allowed}, was {value}");
            assert_eq!(details[0]["description"], description, "{path} {name}");
            assert_eq!(details[0]["reason"], "OUT_OF_RANGE", "{path} {name}");
        }
        let answer = http.get(&format!("{path}?{name}=1e3")).await;
        let details = &answer.json()["error"]["details"];
        assert_eq!(details[0]["description"], "must be a whole number, was 1e3");
    }
    let last = http.list("page=9223372036854775807").await.json();
    assert_eq!(last["tasks"], serde_json::json!([]));
}

/// HTML forms send every field without input as an empty value.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_parameter_is_absent() {
    let server = Server::start().await;
    let mut one = task(
        "a",
        "2023-03-01T10:00:00Z",
        "2023-03-01T11:00:00Z",
        "running",
    );
    one["target"] = serde_json::json!(["c1", "c2"]);
    let other = task(
        "b",
        "2023-03-02T10:00:00Z",
        "2023-03-02T11:00:00Z",
        "paused",
    );
    server.import(&[one, other]).await;
    let http = server.http();
    let filters = "status=&date_range=&start_date=&end_date=&date_field=&time_zone=&customer_id=&name=&task_ids=&label=";
    let shown = "fields=&target_limit=&time_format=";
    let order = "order_by=&order=";
    let list = "/api/v1/outboundtasks";
    let without_time = |mut json: Json| {
        json.as_object_mut().unwrap().remove("as_of");
        json
    };
    for (path, query) in [
        (
            list.to_owned(),
            format!(
                "{filters}&{shown}&{order}&page=&limit=&page_token=&count=&status_counts=&target_sums=&attention_counts="
            ),
        ),
        (format!("{list}/a"), shown.to_owned()),
        (
            format!("{list}/a/targets"),
            "state=&limit=&page_token=&time_format=".to_owned(),
        ),
    ] {
        let plain = without_time(http.get(&path).await.json());
        let answer = http.get(&format!("{path}?{query}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        assert_eq!(without_time(answer.json()), plain, "{path}");
    }
    let path = format!("{list}:export");
    let plain = http.get(&path).await;
    let query = format!("{filters}&{order}&format=&target_limit=&time_format=");
    let answer = http.get(&format!("{path}?{query}")).await;
    assert_eq!((answer.status, &answer.body), (plain.status, &plain.body));
    assert_eq!(answer.body.iter().filter(|b| **b == b'\n').count(), 2);
    // A watch would not end if it were accepted, so this request has one violation, and only that is reported.
    let query = format!("{filters}&{shown}&skip_initial=&resume_token=&colour=red");
    let answer = http.get(&format!("{list}:watch?{query}")).await;
    let details = &answer.json()["error"]["details"];
    assert_eq!(details.as_array().unwrap().len(), 1, "{details}");
    assert_eq!(details[0]["field"], "colour");

    // An empty value next to another one of the same name adds nothing, and either side of a range may be empty.
    for (query, ids) in [
        ("status=&status=running", &["a"][..]),
        ("task_ids=&task_ids=b", &["b"]),
        ("date_range=2023-03-02&date_range=", &["b"]),
        ("date_range=&date_range=2023-03-01", &["a"]),
        (
            "date_range=&date_range=&start_date=2023-03-02&end_date=",
            &["b"],
        ),
        ("date_range=,&start_date=", &["a", "b"]),
        ("page=2&page_token=&limit=1", &["b"]),
        ("name", &["a", "b"]),
    ] {
        let answer = http.list(query).await;
        assert_eq!(answer.status, 200, "{query}");
        let json = answer.json();
        let tasks = json["tasks"].as_array().unwrap().iter();
        let found: Vec<_> = tasks.map(|t| t["task_id"].as_str().unwrap()).collect();
        assert_eq!(found, ids, "{query}");
    }
}
