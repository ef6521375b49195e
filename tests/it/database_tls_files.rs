//! Certificate files for PostgreSQL that cannot be read, while a service runs.

use std::{
    fs::set_permissions,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use tokio::time::timeout;
use tonic::Code;

use crate::support::{
    PATIENCE, eventually,
    http::Http,
    keys,
    process::Process,
    tls::make_fifo,
    tls_postgres::{Authority, NAME, TlsPostgres},
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// New connections go on with the old files; the good files that follow are used.
#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_in_place_of_a_file_holds_nothing_up() {
    let postgres = TlsPostgres::start_with_tls().await;
    let local = &postgres.database;
    local.succeed(&["tenants", "create", "demo"], b"").await;
    local.add_tasks("demo", 20).await;
    let key = keys::create(local, "read", &[]).await;
    let pair = postgres.authority.sign("client", |_| {});
    let files = [
        postgres.authority_file(),
        postgres.file("client.crt", &pair.certificate),
        postgres.file("client.key", &pair.key),
    ];
    let [roots, cert, private] = &files;
    let database = postgres.by_tcp(&format!(
        "&sslmode=verify-full&sslrootcert={roots}&sslcert={cert}&sslkey={private}"
    ));
    let program = Process::serve(&database, &["--shutdown-delay=0s"]).await;
    let headers = [("x-api-key", &*key)];
    let reconnect = async || postgres.end_sessions().await;
    let answers = async || {
        let caller = Caller::new(program.address);
        let answer = timeout(PATIENCE, caller.list(Wire::Grpc, &headers)).await;
        let answer = answer.expect("a call is answered");
        (answer.code, answer.total) == (Code::Ok, Some(20))
    };
    for file in &files {
        let contents = std::fs::read_to_string(file).unwrap();
        make_fifo(Path::new(file));
        reconnect().await;
        eventually("it answers with the old files", PATIENCE, answers).await;
        let admin = Http::new(program.admin, "");
        let alive = timeout(5 * SECOND, admin.get("/livez")).await;
        assert_eq!(alive.expect("it answers").status, 200);
        let wanted = format!("={file}, which must be a file");
        let logged = async || {
            let log = program.log();
            log.lines()
                .any(|line| line.contains(&wanted) && line.contains("it is a FIFO"))
        };
        eventually("it says so", PATIENCE, logged).await;
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, contents).unwrap();
        set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    }

    // A new authority, by a symbolic link as in Kubernetes.
    let other = Authority::of_name("a new authority");
    let new = postgres.file("new.pem", &other.certificate);
    postgres.present("second", &other.sign(NAME, |_| {})).await;
    std::fs::remove_file(roots).unwrap();
    std::os::unix::fs::symlink(new, roots).unwrap();
    reconnect().await;
    eventually("it answers with the new file", PATIENCE, answers).await;
    let mut program = program;
    program.signal("TERM");
    let status = program.ended(10 * SECOND).await;
    assert_eq!(status.code(), Some(0), "{}", program.log());
}

/// libpq's rule: the group may read a key that root owns.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_may_read_is_refused() {
    let postgres = TlsPostgres::start_with_tls().await;
    let pair = postgres.authority.sign("client", |_| {});
    let (cert, key) = (
        postgres.file("client.crt", &pair.certificate),
        postgres.file("client.key", &pair.key),
    );
    let database = postgres.by_tcp(&format!("&sslmode=require&sslcert={cert}&sslkey={key}"));
    let is_roots = std::fs::metadata(&key).unwrap().uid() == 0;
    for (mode, is_good) in [
        (0o600, true),
        (0o400, true),
        (0o640, is_roots),
        (0o660, false),
        (0o650, false),
        (0o604, false),
        (0o644, false),
    ] {
        set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        let output = database.run(&["migrate", "status"], b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), is_good, "{mode:o}: {said}");
        let wanted = format!("which others may read: its mode is {mode:04o}, and may be ");
        assert_eq!(said.contains(&wanted), !is_good, "{mode:o}: {said}");
    }
}
