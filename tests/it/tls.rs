//! TLS for callers: every transport and the terminal commands over it.

use http::Method;
use outbound_tasks::pb::{
    ListOutboundTasksRequest, outbound_task_service_client::OutboundTaskServiceClient,
};
use tokio::net::TcpStream;
use tonic::{
    Code,
    transport::{Certificate, ClientTlsConfig, Endpoint},
};

use crate::support::{
    PATIENCE, eventually,
    http::Http,
    server::request_with,
    terminal,
    tls::{Authority, Secure, Trust},
    wire::{Caller, WIRES},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_transport_is_served_over_tls() {
    let secure = Secure::start(&[]).await;
    for is_tls12 in [false, true] {
        let trust = Trust {
            is_tls12,
            ..secure.trust()
        };
        let tunnel = trust.tunnel(secure.process.address).await;
        let caller = Caller::new(tunnel);
        for wire in WIRES {
            let answer = caller.list(wire, &[("x-api-key", &secure.key)]).await;
            let got = (answer.code, answer.total);
            assert_eq!(got, (Code::Ok, Some(50)), "{wire:?}: {answer:?}");
        }
        let http = Http::new(tunnel, &secure.key);
        let export = http.get("/api/v1/outboundtasks:export").await;
        assert_eq!(export.body.split(|b| *b == b'\n').count(), 51);
        let headers = [("x-api-key", &*secure.key), ("accept", "text/event-stream")];
        let events = http.open(
            Method::GET,
            "/api/v1/outboundtasks:watch",
            &headers,
            Vec::new(),
        );
        let events = events.await.unwrap();
        assert_eq!(events.status(), 200);
        assert_eq!(events.headers()["content-type"], "text/event-stream");
        let console = http.get("/console/").await;
        assert!(
            [200, 404].contains(&console.status.as_u16()),
            "{}",
            console.status
        );
    }
    for protocol in ["h2", "http/1.1"] {
        let offered = [protocol, "other"];
        let trust = Trust {
            alpn: &offered,
            ..secure.trust()
        };
        let stream = trust.connect(secure.process.address).await.unwrap();
        let selected = stream.get_ref().1.alpn_protocol().unwrap();
        assert_eq!(selected, protocol.as_bytes());
    }
    // The library's own TLS, which insists on ALPN.
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&secure.authority.pem));
    let url = format!("https://{}", secure.process.address);
    let endpoint = Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap();
    let mut grpc = OutboundTaskServiceClient::new(endpoint.connect().await.unwrap());
    let request = request_with(&secure.key, ListOutboundTasksRequest::default());
    let page = grpc.list_outbound_tasks(request).await.unwrap();
    assert_eq!(page.into_inner().total, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn terminal_commands_use_tls() {
    let secure = Secure::start(&[]).await;
    let ca = secure.files.path("ca.pem").display().to_string();
    let mut command = secure.command(&["list", "--all", "--ca-file", &ca]);
    let listed = terminal::printed(command).await;
    assert_eq!(listed.lines().count(), 50);
    command = secure.command(&["watch"]);
    command.env("OUTBOUND_TASKS_CA_FILE", &ca);
    terminal::read_a_line(command).await;

    let other = secure.files.path("other.pem").display().to_string();
    secure
        .files
        .write("other.pem", &Authority::new("another").pem);
    let said = terminal::fail(secure.command(&["list", "--ca-file", "absent.pem"]), 1).await;
    assert!(said.contains("absent.pem cannot be read"), "{said}");
    let fifo = secure.files.path("fifo.pem").display().to_string();
    secure.files.make_fifo("fifo.pem");
    let said = terminal::fail(secure.command(&["list", "--ca-file", &fifo]), 1).await;
    let wanted = "fifo.pem cannot be read: it is a FIFO, not a regular file";
    assert!(said.contains(wanted), "{said}");
    secure.files.write("other.pem", "no certificate");
    let said = terminal::fail(secure.command(&["list", "--ca-file", &other]), 1).await;
    assert!(said.contains("other.pem cannot be used"), "{said}");
}

/// The operator's port has the same certificate, and asks for none.
#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_can_have_tls() {
    let secure = Secure::start_with(&["--admin-tls"], |files, authority| {
        files.write("clients.pem", &authority.pem);
        vec![files.flag("--tls-client-ca", "clients.pem")]
    })
    .await;
    let admin = secure.trust().tunnel(secure.process.admin).await;
    // Unfinished handshakes are not in the way.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(secure.process.admin).await.unwrap());
    }
    let admin = Http::new(admin, "");
    let ready = async || admin.get("/readyz").await.body == b"ready\n";
    eventually("it is ready", PATIENCE, ready).await;
    let metrics = String::from_utf8(admin.get("/metrics").await.body).unwrap();
    let expiry = "\noutbound_tasks_tls_certificate_expiry_seconds ";
    let (_, rest) = metrics.split_once(expiry).unwrap();
    let expiry: f64 = rest.lines().next().unwrap().parse().unwrap();
    // The default end of the library that made it: 4096-01-01.
    assert_eq!(expiry, 67_090_118_400.0);
    let plain = Http::new(secure.process.admin, "").get("/readyz").await;
    assert_eq!(plain.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_show_certificates() {
    let other = Authority::new("another");
    for (auth, may_be_anonymous) in [("require", false), ("request", true)] {
        let secure = Secure::start_with(&[], |files, authority| {
            let auth = format!("--tls-client-auth={auth}");
            files.write("clients.pem", &authority.pem);
            vec![files.flag("--tls-client-ca", "clients.pem"), auth]
        })
        .await;
        let anonymous = secure.answers(&secure.trust()).await;
        assert_eq!(anonymous, may_be_anonymous, "{auth}");
        assert!(!secure.process.log().contains("CN=the dialer"));
        let client = secure.authority.client("the dialer");
        let known = Trust {
            identity: Some(&client),
            ..secure.trust()
        };
        assert!(secure.answers(&known).await, "{auth}");
        secure.logs("subject=\"CN=the dialer\"").await;
        let stranger = other.client("a stranger");
        let unknown = Trust {
            identity: Some(&stranger),
            ..secure.trust()
        };
        assert!(!secure.answers(&unknown).await, "{auth}");
        assert!(!secure.process.log().contains("a stranger"));
        secure.logs("a TLS handshake failed").await;

        secure.files.write("own.pem", &client.cert);
        secure.files.write("own-key.pem", &client.key);
        let file = |name| secure.files.path(name).display().to_string();
        let mut command = secure.command(&["list", "--all"]);
        command
            .env("OUTBOUND_TASKS_CA_FILE", file("ca.pem"))
            .env("OUTBOUND_TASKS_CLIENT_CERT", file("own.pem"))
            .env("OUTBOUND_TASKS_CLIENT_KEY", file("own-key.pem"));
        assert_eq!(terminal::printed(command).await.lines().count(), 50);
    }
}
