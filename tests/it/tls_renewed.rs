//! A renewed certificate, and the stop of a service with TLS.

use std::time::{Duration, Instant, SystemTime};

use outbound_tasks::pb::WatchOutboundTasksResponse;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    PATIENCE,
    database::{Database, program},
    eventually,
    http::Http,
    keys,
    process::{Process, Running},
    tls::{Authority, Files, Secure, Trust},
    watch::{Picture, Watch},
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// The common name in the certificate that a new connection gets.
async fn served(secure: &Secure) -> String {
    let stream = secure.trust().connect(secure.process.address).await;
    let stream = stream.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    let text = String::from_utf8_lossy(&chain[0]).into_owned();
    let names = ["first", "second", "third"];
    let name = names.iter().find(|name| text.contains(**name));
    (*name.unwrap()).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_ends_no_connection() {
    let secure = Secure::start(&[]).await;
    let admin = keys::create(&secure.database, "read,write", &[]).await;
    let tunnel = secure.trust().tunnel(secure.process.address).await;
    // Each on a connection of its own, for the whole test.
    let caller = Caller::new(tunnel);
    let headers = [("x-api-key", &*admin)];
    let mut picture = Picture::default();
    let mut watch = Watch::begin(tunnel, &admin, picture.request())
        .await
        .unwrap();
    picture.follow(&mut watch, |p| p.tasks.len() == 50).await;
    assert_eq!(served(&secure).await, "first");

    secure.files.renew(&secure.authority.server("second"));
    secure.process.signal("HUP");
    let renewed = async || served(&secure).await == "second";
    eventually("the second is served", PATIENCE, renewed).await;

    // A broken file, and a key of another certificate: the second one stays.
    let third = secure.authority.server("third");
    secure.files.write("cert.pem", "-----BEGIN");
    secure.process.signal("HUP");
    secure.logs("the previous one stays in use: ").await;
    assert_eq!(served(&secure).await, "second");
    secure.files.write("cert.pem", &third.cert);
    secure.process.signal("HUP");
    secure.logs("it is not the key of").await;
    assert_eq!(served(&secure).await, "second");

    // Without a signal.
    secure.files.write("key.pem", &third.key);
    let renewed = async || served(&secure).await == "third";
    let took = eventually("the third is served", 60 * SECOND, renewed).await;
    assert!(took < 60 * SECOND, "{took:?}");
    secure.logs("subject=\"CN=third\"").await;

    // The old connections still work, and the watch has missed nothing.
    for wire in [Wire::Grpc, Wire::Json1] {
        let answer = caller.list(wire, &headers).await;
        assert_eq!(answer.total, Some(50), "{wire:?}");
    }
    secure
        .database
        .execute("DELETE FROM tasks WHERE task_id = 't1'")
        .await;
    let message: WatchOutboundTasksResponse = loop {
        let message = watch.next().await.unwrap().unwrap();
        if !message.changes.is_empty() {
            break message;
        }
    };
    assert_eq!(message.changes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_calls_and_not_for_handshakes() {
    let flags = ["--shutdown-delay=0s", "--drain-timeout=20s"];
    let mut secure = Secure::start(&flags).await;
    let _silent = TcpStream::connect(secure.process.address).await.unwrap();
    let _idle = secure.trust().connect(secure.process.address).await;
    let observer = secure.database.client().await;
    let lock = secure.database.lock_tasks().await;
    let trust = Trust::new(&secure.authority);
    let caller = Caller::new(trust.tunnel(secure.process.address).await);
    let key = secure.key.clone();
    let call = tokio::spawn(async move { caller.list(Wire::Grpc, &[("x-api-key", &key)]).await });
    let waits = async || secure.database.count_waiting(&observer).await == 1;
    eventually("the call is under way", PATIENCE, waits).await;
    secure.process.signal("TERM");
    let address = secure.process.address;
    let refused = async || TcpStream::connect(address).await.is_err();
    eventually("new connections are refused", PATIENCE, refused).await;
    drop(lock);
    let began = Instant::now();
    assert_eq!(call.await.unwrap().total, Some(50));
    let status = secure.process.ended(10 * SECOND).await;
    assert_eq!(status.code(), Some(0), "{}", secure.process.log());
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
}

/// After a renewal of the clients' authorities, certificates of the old ones are refused, also with a resumed session.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_authority_of_clients_counts() {
    let secure = Secure::start_with(&[], |files, authority| {
        files.write("clients.pem", &authority.pem);
        vec![files.flag("--tls-client-ca", "clients.pem")]
    })
    .await;
    let client = secure.authority.client("the dialer");
    let trust = Trust {
        identity: Some(&client),
        ..secure.trust()
    };
    assert!(secure.answers(&trust).await);
    secure
        .files
        .write("clients.pem", &Authority::new("another").pem);
    secure.process.signal("HUP");
    let refused = async || !secure.answers(&trust).await;
    eventually("it is refused", PATIENCE, refused).await;
}

/// Each file that cannot be used leaves the certificate in use as it is, and the next good one is loaded.
#[tokio::test(flavor = "multi_thread")]
async fn unusable_renewals_keep_the_valid_certificate() {
    let secure = Secure::start(&[]).await;
    let kept = "the previous one stays in use: ";
    secure.files.make_fifo("cert.pem");
    secure.process.signal("HUP");
    secure.logs("it is a FIFO, not a regular file").await;
    assert_eq!(served(&secure).await, "first");
    std::fs::remove_file(secure.files.path("cert.pem")).unwrap();

    // Kubernetes gives secrets as symbolic links.
    let second = secure.authority.server("second");
    secure.files.write("data.pem", &second.cert);
    let link = secure.files.path("cert.pem");
    std::os::unix::fs::symlink(secure.files.path("data.pem"), link).unwrap();
    secure.files.write("key.pem", &second.key);
    secure.process.signal("HUP");
    let renewed = async || served(&secure).await == "second";
    eventually("the second is served", PATIENCE, renewed).await;

    for (pair, why) in [
        (
            secure.authority.expired("third"),
            "it expired at 2001-01-01T00:00:00",
        ),
        (
            secure.authority.future("third"),
            "it is not valid before 4000-01-01T00:00:00",
        ),
    ] {
        secure.files.renew(&pair);
        secure.process.signal("HUP");
        secure.logs(why).await;
        let log = secure.process.log();
        let line = log.lines().find(|line| line.contains(why)).unwrap();
        assert!(line.contains(kept) && line.contains("cert.pem"), "{line}");
        assert_eq!(served(&secure).await, "second");
    }
    secure.files.renew(&secure.authority.server("third"));
    secure.process.signal("HUP");
    let renewed = async || served(&secure).await == "third";
    eventually("the third is served", PATIENCE, renewed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_of_a_client_resumes_no_session() {
    let secure = Secure::start_with(&[], |files, authority| {
        files.write("clients.pem", &authority.pem);
        vec![files.flag("--tls-client-ca", "clients.pem")]
    })
    .await;
    let end = SystemTime::now() + 8 * SECOND;
    let client = secure.authority.client_until("the dialer", end);
    let headers = [("x-api-key", &*secure.key)];
    // A tunnel is one client, which resumes its sessions.
    let mut tunnels = Vec::new();
    for is_tls12 in [false, true] {
        let trust = Trust {
            identity: Some(&client),
            is_tls12,
            ..secure.trust()
        };
        let tunnel = trust.tunnel(secure.process.address).await;
        let answer = Caller::new(tunnel).list(Wire::Grpc, &headers).await;
        assert_eq!(answer.total, Some(50));
        tunnels.push(tunnel);
    }
    let rest = end.duration_since(SystemTime::now()).unwrap_or_default();
    tokio::time::sleep(rest + 2 * SECOND).await;
    for tunnel in tunnels {
        let answer = Caller::new(tunnel).try_list(Wire::Grpc, "", &headers).await;
        assert!(
            !answer.is_ok_and(|answer| answer.total.is_some()),
            "an expired certificate is accepted"
        );
    }
}

/// What rotates logs sends it to every program.
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_ends_no_service_without_tls() {
    let database = Database::demo().await;
    let program = Process::serve(&database, &[]).await;
    program.signal("HUP");
    let logged = async || program.log().contains("no certificate to load again");
    eventually("the signal is logged", PATIENCE, logged).await;
    assert_eq!(Http::new(program.address, "").list("").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_during_the_start_does_not_end_it() {
    let authority = Authority::new("an authority");
    let files = Files::new(&authority.server("first"), &authority);
    // A database that does not answer.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut command = program();
    command
        .args([
            "serve",
            "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0",
        ])
        .args(files.flags())
        .env(
            "DATABASE_URL",
            format!("postgresql://nobody@127.0.0.1:{port}/none?connect_timeout=3"),
        );
    let mut running = Running::start(command);
    let (_waiting, _) = silent.accept().await.unwrap();
    running.signal("HUP");
    // It ends because of the database, and not by the signal, which leaves no exit code.
    assert_eq!(running.ended().await, Some(1), "{}", running.err());
    assert!(
        running.err().contains("no answer within 3s"),
        "{}",
        running.err()
    );
}
