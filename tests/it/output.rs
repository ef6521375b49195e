//! Responses and files as other programs open them: browsers, log viewers, spreadsheets.

use http::Method;

use crate::support::{
    TempDir,
    database::Database,
    http::{Http, read},
    process::Process,
    server::Server,
    tasks::{Json, task, to_ndjson},
};

/// A browser that guesses content types would run a script in a task's name.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_nosniff() {
    let database = Database::demo().await;
    let create = [
        "keys",
        "create",
        "--tenant=demo",
        "--name=a",
        "--scope=read",
    ];
    let key = database.succeed(&create, b"").await;
    let program = Process::serve(&database, &[]).await;
    let good = [("x-api-key", key.trim())];
    let list = "/api/v1/outboundtasks";
    let http = Http::new(program.address, "");
    for (method, path, headers, status) in [
        (Method::GET, list.to_owned(), &good[..], 200),
        (Method::HEAD, list.to_owned(), &good, 200),
        (Method::GET, format!("{list}?page=0"), &good, 400),
        (Method::GET, list.to_owned(), &[], 401),
        (Method::GET, format!("{list}/a"), &good, 404),
        (Method::GET, format!("{list}/a/targets"), &good, 404),
        (Method::POST, list.to_owned(), &good, 405),
        (Method::GET, format!("{list}:export"), &good, 200),
        (Method::GET, format!("{list}:export?format=csv"), &good, 200),
        (Method::GET, format!("{list}:watch"), &good, 200),
        (Method::GET, format!("{list}:watch"), &[], 401),
        (Method::GET, "/nowhere".to_owned(), &[], 404),
        (Method::GET, "/console".to_owned(), &[], 308),
        (Method::GET, "/console/nothing.js".to_owned(), &[], 404),
    ] {
        // A watch does not end, so only its head is read.
        let answer = http.open(method, &path, headers, Vec::new()).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let guards: Vec<_> = answer
            .headers()
            .get_all("x-content-type-options")
            .iter()
            .collect();
        assert_eq!(guards, ["nosniff"], "{path}");
    }
    let admin = Http::new(program.admin, "");
    for path in ["/livez", "/readyz", "/metrics", "/nowhere"] {
        let answer = admin.send(Method::GET, path, &[], Vec::new()).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}

/// A caller's valid request id is returned. An id that contains a key or a part of one, or control characters, is
/// replaced.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsafe_request_id_is_replaced() {
    let server = Server::start().await;
    let http = server.http();
    let unmarked = server.key.strip_prefix("otk_").unwrap();
    let (_, secret) = unmarked.rsplit_once('_').unwrap();
    let answered = async |id: &str| {
        let headers = [("x-request-id", id)];
        let answer = http
            .open(Method::GET, "/nowhere", &headers, Vec::new())
            .await;
        let answer = read(answer.unwrap()).await.unwrap();
        assert_eq!(
            answer.json()["error"]["request_id"],
            answer.header("x-request-id")
        );
        answer.header("x-request-id").to_owned()
    };
    for id in [
        "mine-1",
        "018f3a2b-7c4d-7e8f-9a0b-1c2d3e4f5a6b",
        "4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7;o=1",
        "Root=1-67891233-abcdef012345678912345678",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        &"job-".repeat(32),
    ] {
        assert_eq!(answered(id).await, id);
    }
    for id in [
        &server.key,
        unmarked,
        secret,
        &secret[..36],
        &secret.to_uppercase(),
        &format!("job-7.{secret}.1"),
        "",
        "two words",
        "\"quoted\"",
        "<b>",
        "${jndi:x}",
        &"job-".repeat(33),
    ] {
        let fresh = answered(id).await;
        assert!(uuid::Uuid::parse_str(&fresh).is_ok(), "{id} became {fresh}");
    }
}

/// The cells that a spreadsheet could see, with any of the usual separators, if it ignores quotes.
fn cells(csv: &str) -> impl Iterator<Item = &str> {
    csv.split([',', ';', '\t', '\n', '\r'])
        .map(|cell| cell.trim_matches(['"', ' ', '\u{a0}', '\u{3000}', '\u{200b}']))
}

/// Every cell that a spreadsheet would run as a formula has an apostrophe before it, over HTTP and in files.
#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_an_export_is_a_formula() {
    let server = Server::start().await;
    let mut tasks = Vec::new();
    for (number, sign) in ["=", "+", "-", "@", "＝", "＋", "－", "＠"]
        .into_iter()
        .enumerate()
    {
        for (index, before) in [
            "", " ", "\u{3000}", "\u{a0}", "\n", "\r", "\t", "\"", "\u{200b}",
        ]
        .into_iter()
        .enumerate()
        {
            let evil = format!("{before}{sign}cmd|'/c calc'!A1");
            let id = format!("{evil} {number}.{index}");
            let mut odd = task(&id, "2023-03-01", "2023-03-02", "paused");
            odd["name"] = format!("{evil};{evil}\n{evil}\t{evil}").into();
            odd["target"] = serde_json::json!([evil, format!("a{evil}"), format!("{evil} 2")]);
            odd["status_reason"] = evil.clone().into();
            // With the fields of an exported list, so that the import takes the ids unchanged.
            odd["target_count"] = 3.into();
            odd["status_changed_at"] = "2023-03-01T10:00:00Z".into();
            odd["target_results"] = serde_json::json!([{
                "customer_id": evil, "state": "busy", "attempt": 1, "time": "2023-03-01T10:00:00Z"
            }]);
            tasks.push(odd);
        }
    }
    server.import(&tasks).await;
    server.tenant("back").await;
    let http = server.http();
    let sent = http.get("/api/v1/outboundtasks:export?format=csv").await;
    let sent = String::from_utf8(sent.body).unwrap();
    let export = ["export", "--tenant=demo", "--format=csv"];
    let written = server.database.succeed(&export, b"").await;
    for csv in [&sent, &written] {
        let run =
            cells(csv).find(|cell| cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']));
        assert_eq!(run, None);
        // An import removes the apostrophes.
        let import = [
            "import",
            "-",
            "--tenant=back",
            "--format=csv",
            "--on-conflict=replace",
        ];
        server.database.succeed(&import, csv.as_bytes()).await;
        let sql =
            "SELECT count(*) FROM tasks a JOIN tasks b USING (task_id, name, target, status_reason)
            WHERE a.tenant_id = 'demo' AND b.tenant_id = 'back'";
        let row = server.database.client().await.query_one(sql, &[]).await;
        assert_eq!(row.unwrap().get::<_, i64>(0), tasks.len() as i64);
    }
}

/// The rows of a file of rejects come from an untrusted file too.
#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_a_file_of_rejects_is_a_formula() {
    let database = Database::demo().await;
    let dir = TempDir::new();
    let rejects = dir.0.join("rejects.csv");
    let rows = [
        "=1+1,\"=2+2\",a;=3,soon,2023-03-01",
        "'=4,\"' tis\n=5\",x,soon,2023-03-01",
        "\"\"=6,stray,,2023-03-01,2023-03-01",
        "few,＝7",
    ];
    let header = "task_id,name,target,start_time,end_time";
    let input = format!("{header}\n{}\n", rows.join("\n"));
    let import = [
        "import",
        "-",
        "--tenant=demo",
        "--format=csv",
        "--rejects",
        rejects.to_str().unwrap(),
    ];
    database.succeed(&import, input.as_bytes()).await;
    let wanted = [
        header,
        "'=1+1,\"'=2+2\",a;'=3,soon,2023-03-01",
        "'=4,\"' tis\n'=5\",x,soon,2023-03-01",
        "\"'\"=6,stray,,2023-03-01,2023-03-01",
        "few,'＝7",
    ];
    let written = std::fs::read_to_string(&rejects).unwrap();
    assert_eq!(
        written
            .trim_end()
            .split('\n')
            .collect::<Vec<_>>()
            .join("\n"),
        wanted.join("\n")
    );

    // The repaired rows have their original values.
    let repaired = written.replace("soon", "2023-03-01");
    let rows: Vec<&str> = repaired.lines().take(4).collect();
    let import = ["import", "-", "--tenant=demo", "--format=csv"];
    database.succeed(&import, rows.join("\n").as_bytes()).await;
    let listed = database.succeed(&["export", "--tenant=demo"], b"").await;
    let listed: Vec<Json> = listed
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(listed[0]["task_id"], "=1+1", "{}", to_ndjson(&listed));
    assert_eq!(
        (&listed[0]["name"], &listed[0]["target"][1]),
        (&"=2+2".into(), &"=3".into())
    );
    assert_eq!(
        (&listed[1]["task_id"], &listed[1]["name"]),
        (&"=4".into(), &"' tis\n=5".into())
    );
}
