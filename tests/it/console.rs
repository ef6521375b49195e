//! The console's files as the service serves them. `web/e2e` tests the console itself in a browser.

use http::{Method, StatusCode};
use outbound_tasks::gateway::console::IS_BUILT;

use crate::support::{http::Answer, server::Server};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn check_guards(answer: &Answer) {
    assert_eq!(answer.header("content-security-policy"), POLICY);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(!answer.header("x-request-id").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_one_file_that_needs_no_key_and_loads_no_foreign_code() {
    let server = Server::start().await;
    let http = server.http();
    let mut bodies = Vec::new();
    let status = match IS_BUILT {
        true => StatusCode::OK,
        false => StatusCode::NOT_FOUND,
    };
    for path in [
        "/console/",
        "/console/?page=2",
        "/console/wall?name=a",
        "/console/tasks/a%2Fb",
    ] {
        let answer = http.send(Method::GET, path, &[], Vec::new()).await;
        assert_eq!(answer.status, status, "{path}");
        check_guards(&answer);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        let head = http.send(Method::HEAD, path, &[], Vec::new()).await;
        assert_eq!((head.status, head.body.len()), (status, 0));
        check_guards(&head);
        bodies.push(String::from_utf8(answer.body).unwrap());
    }
    bodies.dedup();
    let [page] = &bodies[..] else {
        panic!("{bodies:?}");
    };
    if !IS_BUILT {
        assert!(page.contains("<code>make console</code>"), "{page}");
        return;
    }
    let files: Vec<_> = page
        .split('"')
        .filter_map(|text| text.strip_prefix("/console/"))
        .collect();
    assert_eq!(files.len(), 3, "{page}");
    for file in files {
        let path = format!("/console/{file}");
        let plain = http.send(Method::GET, &path, &[], Vec::new()).await;
        assert_eq!(plain.status, StatusCode::OK, "{path}");
        check_guards(&plain);
        let packed = [("accept-encoding", "gzip")];
        let packed = http.send(Method::GET, &path, &packed, Vec::new()).await;
        let (kind, is_kept) = match file.rsplit_once('.').unwrap().1 {
            "js" => ("text/javascript; charset=utf-8", true),
            "css" => ("text/css; charset=utf-8", true),
            _ => ("image/svg+xml", false),
        };
        assert_eq!(plain.header("content-type"), kind);
        assert_eq!(
            plain.header("cache-control").ends_with("immutable"),
            is_kept
        );
        if is_kept {
            assert_eq!(packed.header("content-encoding"), "gzip");
            assert!(packed.body.len() < plain.body.len() / 2, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_under_console_are_not_found() {
    let server = Server::start().await;
    let http = server.http();
    let answer = http.send(Method::GET, "/console", &[], Vec::new()).await;
    assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.header("location"), "/console/");
    let answer = http
        .send(Method::GET, "/console?status=running", &[], Vec::new())
        .await;
    assert_eq!(answer.header("location"), "/console/?status=running");
    for path in [
        "/console/index.js",
        "/console/..%2fCargo.toml",
        "/console/tasks",
        "/console/tasks/a/b",
        "/console/%ff",
    ] {
        let answer = http.send(Method::GET, path, &[], Vec::new()).await;
        let refused = [StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST];
        assert!(refused.contains(&answer.status), "{path}");
    }
    let answer = http.send(Method::POST, "/console/", &[], Vec::new()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}
