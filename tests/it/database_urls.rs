//! Errors for a database URL that cannot be used: they name the part that is wrong, and never show the password.

use crate::support::database::program;

const PASSWORD: &str = "s3cret";

async fn said(arguments: &[&str], url: &str) -> (Option<i32>, String) {
    let mut command = program();
    command.args(arguments).env("DATABASE_URL", url);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains(PASSWORD), "{url}: {said}");
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_part_is_named() {
    for (url, wanted) in [
        (
            "postgresql://u:s3cret@h/db?sslmode=verify-full",
            "--database-url has sslmode=verify-full, which must be disable or prefer; the service does not encrypt",
        ),
        (
            "postgresql://u:s3cret@h/db?sslmode=require",
            "--database-url has sslmode=require, which must be disable or prefer",
        ),
        (
            "host=h user=u password=s3cret sslmode=verify-ca",
            "--database-url has sslmode=verify-ca, which must be disable or prefer",
        ),
        (
            "postgresql://u:s3cret@h/db?pgbouncer=true",
            "--database-url has the unknown parameter \"pgbouncer\"; known parameters are application_name, ",
        ),
        (
            "postgresql://u:s3cret@h/db?sslrootcert=ca.pem",
            "--database-url has the unknown parameter \"sslrootcert\"",
        ),
        (
            "postgresql://u:s3cret@h/db?target_session_attrs=primary",
            "--database-url has target_session_attrs=primary, which must be any or read-write or read-only",
        ),
        (
            "postgresql://u:s3cret@h/db?connect_timeout=soon",
            "invalid value for option `connect_timeout`",
        ),
        (
            "postgresql://u:s3@cret/s3cret@h/db",
            "--database-url has more than one \"@\"; percent-encode those in the user, the password",
        ),
        (
            "postgresql://u:s3@/s3cret@h/db",
            "percent-encode those in the user, the password",
        ),
        (
            "postgresql://u:s3@?s3cret@h/db",
            "percent-encode those in the user, the password",
        ),
        (
            "postgresql://u:s3cret/more",
            "with @ / ? # % in the password percent-encoded: invalid value for option `port`",
        ),
        (
            "postgresql:///db",
            "--database-url must name a server, such as ",
        ),
        ("mysql://u:s3cret@h/db", "--database-url must name a server"),
        ("s3cret", "--database-url must name a server"),
        (
            "postgresql://u:s3cret@a,b:1,c:2/db?port=1,2",
            "--database-url must name one port, or one for each host",
        ),
    ] {
        for command in [&["migrate"][..], &["serve"], &["tenants", "list"]] {
            let (code, said) = said(command, url).await;
            assert_eq!(code, Some(2), "{url}: {said}");
            assert!(said.contains(wanted), "{url}: {said}");
            assert_eq!(said.lines().count(), 1, "{url}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_urls_are_accepted() {
    // Nothing listens on port 1: the connection attempt fails after the URL was accepted.
    for url in [
        "postgresql://u:s3cret@127.0.0.1:1/db?sslmode=prefer&connect_timeout=1&application_name=a%40b",
        "postgresql://u:s3cret%40%2F%3F%23%25@127.0.0.1:1/db",
        "postgresql://u:s3cret/?#%@127.0.0.1:1/db",
        "postgres://u:s3cret@127.0.0.1:1,127.0.0.1:1/db?target_session_attrs=read-write",
        "host=127.0.0.1 port=1 user=u password='s3cret with = and space' sslmode=disable",
    ] {
        let (code, said) = said(&["migrate", "status"], url).await;
        assert_eq!(code, Some(1), "{url}: {said}");
        assert!(
            said.contains("127.0.0.1:1: Connection refused"),
            "{url}: {said}"
        );
    }
}
