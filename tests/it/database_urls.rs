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
            "postgresql://u:s3cret@h/db?sslmode=allow",
            "--database-url has sslmode=allow, which must be disable or prefer or require or verify-ca or verify-full",
        ),
        (
            "host=h user=u password=s3cret sslmode=always",
            "--database-url has sslmode=always, which must be disable or prefer or require",
        ),
        (
            "postgresql://u:s3cret@h/db?sslmode=verify-ca",
            "--database-url has sslmode=verify-ca, which needs sslrootcert=FILE with the authorities to trust; ",
        ),
        (
            "host=h user=u password='s3cret' sslrootcert = 'system' sslmode=require",
            "--database-url has sslrootcert=system with sslmode=require, which must be verify-full",
        ),
        (
            "postgresql://u:s3cret@h/db?sslnegotiation=direct",
            "--database-url has sslnegotiation=direct with sslmode=prefer, which must be require or verify-ca or verify-",
        ),
        (
            "postgresql://u:s3cret@h/db?sslnegotiation=later",
            "--database-url has sslnegotiation=later, which must be postgres or direct",
        ),
        (
            "postgresql://u:s3cret@h/db?sslcert=c.pem",
            "--database-url has sslcert without sslkey; a client certificate needs both",
        ),
        (
            "postgresql://u:s3cret@h/db?sslkey=c.key",
            "--database-url has sslkey without sslcert; a client certificate needs both",
        ),
        (
            "postgresql://u:s3cret@h/db?channel_binding=require&sslmode=disable",
            "--database-url has channel_binding=require with sslmode=disable, which must be prefer or require or",
        ),
        (
            "postgresql://u:s3cret@h/db?sslmode=require&sslrootcert=%2Fnowhere.pem",
            "--database-url has sslrootcert=/nowhere.pem, which must be a file with certificates in PEM form: ",
        ),
        (
            "host=h user=u password=s3cret sslcrl=list.pem",
            "--database-url has the parameter \"sslcrl\", which libpq knows but the service does not; known parameters",
        ),
        (
            "postgresql://u:s3cret@h/db?pgbouncer=true",
            "--database-url has the unknown parameter \"pgbouncer\"; known parameters are application_name, ",
        ),
        (
            "postgresql://u:s3cret@h/db?gssencmode=prefer",
            "--database-url has the parameter \"gssencmode\", which libpq knows but the service does not",
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
        "host=127.0.0.1 port=1 user=u password='s3cret \\' and \\\\' sslmode=require",
        "postgresql://u:s3cret@127.0.0.1:1/db?sslmode=require&sslrootcert=&channel_binding=require",
    ] {
        let (code, said) = said(&["migrate", "status"], url).await;
        assert_eq!(code, Some(1), "{url}: {said}");
        assert!(
            said.contains("127.0.0.1:1: Connection refused"),
            "{url}: {said}"
        );
    }
}
