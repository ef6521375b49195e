//! What each sslmode accepts of a server, by real handshakes, and what the errors say.

use std::{fs::set_permissions, os::unix::fs::PermissionsExt};

use tokio::net::TcpListener;

use crate::support::{
    PATIENCE,
    database::{Database, program},
    eventually,
    process::Process,
    tls_postgres::{Authority, NAME, TlsPostgres, expired, self_signed},
};

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_checks_what_it_promises() {
    let postgres = TlsPostgres::start_with_tls().await;
    let ours = postgres.authority_file();
    // The second has the name of the one that signed, as an authority that was made anew.
    let others = [Authority::of_name("another authority"), Authority::new()];
    let url = |parameters: String| postgres.by_tcp(&parameters);

    // So that only encrypted connections are taken.
    postgres
        .allow(&["hostssl all all 127.0.0.1/32 trust"])
        .await;
    let said = postgres.fail(&postgres.by_tcp("&sslmode=disable")).await;
    assert!(said.contains("no encryption"), "{said}");
    for accepted in [
        String::new(),
        "&sslmode=prefer".to_owned(),
        "&sslmode=require".to_owned(),
        "&sslmode=require&channel_binding=prefer".to_owned(),
        format!("&sslmode=require&sslrootcert={ours}"),
        format!("&sslmode=verify-ca&sslrootcert={ours}"),
        format!("&sslmode=verify-full&sslrootcert={ours}"),
    ] {
        postgres.connect(&url(accepted)).await;
    }
    for other in others {
        let other = postgres.file("other.pem", &other.certificate);
        let unknown = format!(
            "the server's certificate is signed by no authority in sslrootcert={other}; add the certificate of the one"
        );
        for mode in ["require", "verify-ca", "verify-full"] {
            let refused = url(format!("&sslmode={mode}&sslrootcert={other}"));
            let said = postgres.fail(&refused).await;
            assert!(said.contains(&unknown), "{mode}: {said}");
        }
    }
    // Another name for the same server: only verify-full cares.
    let by = |mode: &str| {
        let parameters = format!("&sslmode={mode}&sslrootcert={ours}");
        postgres.at("db.elsewhere", postgres.port, &parameters)
    };
    postgres.connect(&by("require")).await;
    postgres.connect(&by("verify-ca")).await;
    let said = postgres.fail(&by("verify-full")).await;
    let wanted = "the server's certificate is not for \"db.elsewhere\", but for";
    assert!(said.contains(wanted) && said.contains(NAME), "{said}");
    assert!(said.contains("or use sslmode=verify-ca"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_systems_authorities_are_those_of_ssl_cert_file() {
    let postgres = TlsPostgres::start_with_tls().await;
    let ours = postgres.authority_file();
    let run = async |database: &Database, file: Option<&str>| {
        let mut command = program();
        command
            .args(["migrate", "status"])
            .env("DATABASE_URL", &database.url);
        match file {
            Some(file) => command.env("SSL_CERT_FILE", file),
            None => command.env_remove("SSL_CERT_FILE"),
        };
        // Its authorities are trusted besides those of the file.
        command.env_remove("SSL_CERT_DIR");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    for parameters in [
        "&sslmode=verify-full",
        "&sslrootcert=system",
        "&sslmode=verify-full&sslrootcert=system",
    ] {
        let database = postgres.by_tcp(parameters);
        let (code, said) = run(&database, Some(&ours)).await;
        assert_eq!(code, Some(0), "{parameters}: {said}");
        let other = postgres.file("other.pem", &Authority::new().certificate);
        let (code, said) = run(&database, Some(&other)).await;
        assert_eq!(code, Some(1), "{parameters}: {said}");
        let wanted = "is signed by no authority that this system trusts; name the file";
        assert!(said.contains(wanted), "{said}");
    }
    let empty = postgres.file("empty.pem", "");
    let database = postgres.by_tcp("&sslmode=verify-full");
    let (code, said) = run(&database, Some(&empty)).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("asks for the system's authorities"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_not_valid_are_refused_where_they_are_checked() {
    let postgres = TlsPostgres::start_with_tls().await;
    let ours = postgres.authority_file();
    let by =
        |mode: &str, file: &str| postgres.by_tcp(&format!("&sslmode={mode}&sslrootcert={file}"));
    let old = postgres.authority.sign(NAME, expired);
    postgres.present("old", &old).await;
    postgres.connect(&postgres.by_tcp("&sslmode=require")).await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = postgres.fail(&by(mode, &ours)).await;
        let wanted = "the server's certificate has expired; renew it on the server";
        assert!(said.contains(wanted), "{mode}: {said}");
    }

    // A certificate that is its own authority, as in the first example of PostgreSQL's manual.
    let own = self_signed(&rcgen::PKCS_ECDSA_P256_SHA256, |_| {});
    let file = postgres.file("own.pem", &own.certificate);
    postgres.present("own", &own).await;
    for mode in ["require", "verify-ca", "verify-full"] {
        postgres.connect(&by(mode, &file)).await;
        postgres.fail(&by(mode, &ours)).await;
    }
    let parameters = format!("&sslmode=verify-full&sslrootcert={file}");
    let elsewhere = postgres.at("db.elsewhere", postgres.port, &parameters);
    let said = postgres.fail(&elsewhere).await;
    assert!(said.contains("is not for \"db.elsewhere\""), "{said}");

    let own = self_signed(&rcgen::PKCS_ECDSA_P256_SHA256, expired);
    let file = postgres.file("own-old.pem", &own.certificate);
    postgres.present("own-old", &own).await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = postgres.fail(&by(mode, &file)).await;
        assert!(said.contains("has expired"), "{mode}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_used_in_clear_only_if_that_is_allowed() {
    let postgres = TlsPostgres::start().await;
    let said = postgres.connect(&postgres.by_tcp("")).await;
    assert!(!said.contains("TLS"), "{said}");
    postgres.connect(&postgres.by_tcp("&sslmode=prefer")).await;
    let ours = postgres.authority_file();
    for mode in ["require", "verify-ca", "verify-full"] {
        let parameters = format!("&sslmode={mode}&sslrootcert={ours}");
        let said = postgres.fail(&postgres.by_tcp(&parameters)).await;
        let wanted = format!(
            "the server does not use TLS, which sslmode={mode} asks for; set ssl=on on the server"
        );
        assert!(said.contains(&wanted), "{said}");
    }
    // A Unix-domain socket needs no TLS, whatever the mode.
    let socket = format!("{}&sslmode=require", postgres.database.url);
    let socket = Database {
        url: socket,
        application: "tls".to_owned(),
        role: None,
    };
    postgres.connect(&socket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_if_the_server_asks() {
    let postgres = TlsPostgres::start_with_tls().await;
    let hba = "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca";
    postgres.allow(&[hba]).await;
    let pair = postgres.authority.sign("client", |_| {});
    let (cert, key) = (
        postgres.file("client.crt", &pair.certificate),
        postgres.file("client.key", &pair.key),
    );
    let with = |cert: &str, key: &str| {
        postgres.by_tcp(&format!("&sslmode=require&sslcert={cert}&sslkey={key}"))
    };
    postgres.connect(&with(&cert, &key)).await;
    let said = postgres.fail(&postgres.by_tcp("&sslmode=require")).await;
    let wanted = "connection requires a valid client certificate";
    assert!(said.contains(wanted), "{said}");
    // With prefer, the error of the encrypted connection counts: it says what is missing.
    let said = postgres.fail(&postgres.by_tcp("")).await;
    assert!(said.contains(wanted), "{said}");

    // The second has the name of the server's authority, with another key.
    let strangers = [
        (Authority::of_name("another authority"), "UnknownCA"),
        (Authority::new(), "DecryptError"),
    ];
    let mut bad_key = String::new();
    for (authority, alert) in strangers {
        let stranger = authority.sign("client", |_| {});
        let bad_cert = postgres.file("bad.crt", &stranger.certificate);
        bad_key = postgres.file("bad.key", &stranger.key);
        let said = postgres.fail(&with(&bad_cert, &bad_key)).await;
        let wanted = format!(
            "the server refuses the client certificate (TLS alert {alert}); sslcert must be valid"
        );
        assert!(said.contains(&wanted), "{said}");
    }

    // Files that cannot be used are an error of the command line.
    let no_key = postgres.file("no.key", &pair.certificate);
    let open_key = postgres.file("open.key", &pair.key);
    set_permissions(&open_key, PermissionsExt::from_mode(0o644)).unwrap();
    for (cert, key, wanted) in [
        (&*cert, &*bad_key, "which do not belong together"),
        (
            "/nowhere.crt",
            &*key,
            "sslcert=/nowhere.crt, which must be a file with certificates in PEM form",
        ),
        (
            &*cert,
            &*no_key,
            "which must be a file with an unencrypted private key in PEM form",
        ),
        (
            &*cert,
            &*open_key,
            "open.key, which others may read: its mode is 0644, and may be",
        ),
    ] {
        let output = with(cert, key).run(&["migrate", "status"], b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scram_is_bound_to_the_connection() {
    let postgres = TlsPostgres::start_with_tls().await;
    postgres
        .database
        .execute("SET password_encryption = 'scram-sha-256'; ALTER ROLE outbound_tasks PASSWORD 's3cret'")
        .await;
    postgres
        .allow(&["host all all 127.0.0.1/32 scram-sha-256"])
        .await;
    let with = |parameters: &str| {
        let mut database = postgres.by_tcp(parameters);
        database.url = database
            .url
            .replace("outbound_tasks@", "outbound_tasks:s3cret@");
        database
    };
    let said = postgres.fail(&postgres.by_tcp("&sslmode=require")).await;
    assert!(
        said.contains("does not accept the service's connection"),
        "{said}"
    );
    assert!(
        said.contains("it asks for a password, and none is set"),
        "{said}"
    );
    // The hash of the binding is that of the certificate's signature. PostgreSQL compares the data.
    for (name, kind) in [
        ("sha256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("sha384", &rcgen::PKCS_ECDSA_P384_SHA384),
    ] {
        postgres.present(name, &self_signed(kind, |_| {})).await;
        for binding in ["require", "prefer", "disable"] {
            let parameters = format!("&sslmode=require&channel_binding={binding}");
            postgres.connect(&with(&parameters)).await;
        }
    }
    // Ed25519 has no hash function of its own, so there is nothing to bind to.
    let pair = self_signed(&rcgen::PKCS_ED25519, |_| {});
    postgres.present("ed25519", &pair).await;
    postgres.connect(&with("&sslmode=require")).await;
    let bound = "&sslmode=require&channel_binding=require";
    let said = postgres.fail(&with(bound)).await;
    assert!(
        said.contains("server did not use channel binding"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn prefer_goes_on_in_clear_where_tls_fails_and_says_so() {
    let postgres = TlsPostgres::start_with_tls().await;
    // pg_hba.conf allows no TLS.
    postgres
        .allow(&["hostnossl all all 127.0.0.1/32 trust"])
        .await;
    let said = postgres.connect(&postgres.by_tcp("")).await;
    let wanted = "TLS with the database failed, so connections to it are not encrypted";
    assert_eq!(said.matches(wanted).count(), 1, "{said}");
    let said = postgres.fail(&postgres.by_tcp("&sslmode=require")).await;
    assert!(said.contains("no pg_hba.conf entry"), "{said}");
}

/// A server that stops to offer TLS, and offers it again, while a service runs.
#[tokio::test(flavor = "multi_thread")]
async fn prefer_says_when_the_server_offers_no_tls_any_more() {
    let postgres = TlsPostgres::start_with_tls().await;
    let program = Process::serve(&postgres.by_tcp(""), &[]).await;
    let lost =
        "the database does not offer TLS any more, so new connections to it are not encrypted";
    let again = "connections to the database are encrypted again";
    for round in 1..=2 {
        for (ssl, text) in [("off", lost), ("on", again)] {
            let set = format!("ALTER SYSTEM SET ssl = {ssl}");
            postgres.database.execute(&set).await;
            postgres.database.execute("SELECT pg_reload_conf()").await;
            let logged = async || {
                postgres.end_sessions().await;
                program.log().matches(text).count() >= round
            };
            eventually(text, PATIENCE, logged).await;
        }
    }
    let log = program.log();
    assert_eq!(
        (log.matches(lost).count(), log.matches(again).count()),
        (2, 2),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_tls_needs_a_server_that_speaks_it() {
    let postgres = TlsPostgres::start_with_tls().await;
    let direct = postgres.by_tcp("&sslmode=require&sslnegotiation=direct");
    let major: String = {
        let client = postgres.database.client().await;
        let row = client.query_one("SHOW server_version_num", &[]).await;
        row.unwrap().get(0)
    };
    match major.parse::<u32>().unwrap() >= 170_000 {
        true => {
            postgres.connect(&direct).await;
        }
        false => {
            let said = postgres.fail(&direct).await;
            let wanted = "sslnegotiation=direct needs PostgreSQL 17 or newer";
            assert!(said.contains(wanted), "{said}");
        }
    }
    // A port that accepts and says nothing is given up after the time for a connection.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let said = postgres
        .fail(&postgres.at(NAME, port, "&sslmode=require&connect_timeout=1"))
        .await;
    assert!(said.contains("no answer within 1s"), "{said}");
}
