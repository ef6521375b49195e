//! Secrets from files: the URL of the database and its password.

use std::{os::unix::fs::PermissionsExt, path::Path};

use crate::support::{TempDir, database::program, tls_postgres::TlsPostgres};

const PASSWORD: &str = r"s3:cr\et";

/// Writes a file with this mode; answers its path.
fn file(folder: &TempDir, name: &str, text: &str, mode: u32) -> String {
    let path: &Path = &folder.0.join(name);
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Asks for the state of the migrations with these variables.
fn status(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program();
    command.args(["migrate", "status"]).args(arguments);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("s3"), "{said}");
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_comes_from_a_variable_or_a_file() {
    let postgres = TlsPostgres::start().await;
    let sql = format!("CREATE ROLE worker LOGIN PASSWORD '{PASSWORD}' SUPERUSER");
    postgres.database.execute(&sql).await;
    let allowed = "host all all 127.0.0.1/32 scram-sha-256";
    postgres.allow(&[allowed]).await;
    let port = postgres.port;
    let url = format!("postgresql://worker@127.0.0.1:{port}/postgres");
    let url = ("DATABASE_URL", &*url);

    let (code, said) = status(&[url], &[]);
    assert_eq!(code, Some(1), "{said}");
    // A variable that `echo` made ends with a line break.
    for password in [PASSWORD.to_owned(), format!("{PASSWORD}\n")] {
        let (code, said) = status(&[url, ("PGPASSWORD", &password)], &[]);
        assert_eq!(code, Some(0), "{said}");
    }

    let folder = TempDir::new();
    let escaped = r"s3\:cr\\et";
    for (lines, succeeds) in [
        (format!("127.0.0.1:{port}:postgres:worker:{escaped}"), true),
        (
            format!("# a comment\n\n*:*:*:other:x\n*:*:*:*:{escaped}\n"),
            true,
        ),
        // The first line that matches counts.
        (format!("*:*:*:worker:x\n*:*:*:*:{escaped}"), false),
        (format!("localhost:{port}:postgres:worker:{escaped}"), false),
        (format!("127.0.0.1:1:postgres:worker:{escaped}"), false),
        (format!("127.0.0.1:{port}:tasks:worker:{escaped}"), false),
        (String::new(), false),
    ] {
        let path = file(&folder, "pgpass", &lines, 0o600);
        let (code, said) = status(&[url, ("PGPASSFILE", &path)], &[]);
        assert_eq!(code == Some(0), succeeds, "{lines}: {said}");
    }
    // As for psql, the password wins over the file; but what a flag names wins over the environment.
    let wrong = file(&folder, "wrong", "*:*:*:*:x", 0o600);
    let right = file(&folder, "right", &format!("*:*:*:*:{escaped}"), 0o600);
    let (code, said) = status(
        &[url, ("PGPASSWORD", PASSWORD), ("PGPASSFILE", &wrong)],
        &[],
    );
    assert_eq!(code, Some(0), "{said}");
    let flag = format!("--database-passfile={right}");
    let (code, said) = status(&[url, ("PGPASSWORD", "x")], &[&flag]);
    assert_eq!(code, Some(0), "{said}");
    // A password in the URL wins over both.
    let given = format!("postgresql://worker:x@127.0.0.1:{port}/postgres");
    let (code, _) = status(&[("DATABASE_URL", &given), ("PGPASSWORD", PASSWORD)], &[]);
    assert_eq!(code, Some(1));

    let open = file(&folder, "open", &format!("*:*:*:*:{escaped}"), 0o644);
    let (code, said) = status(&[url, ("PGPASSFILE", &open)], &[]);
    assert_eq!(code, Some(2), "{said}");
    // A group may read a file of root's.
    let wanted = |most: &str| {
        format!(
            "outbound-tasks: --database-passfile is {open}, which others may read: its mode is 0644, and may be {most} or less\n"
        )
    };
    assert!(said == wanted("0600") || said == wanted("0640"), "{said}");
    let (code, said) = status(&[url, ("PGPASSFILE", "/nowhere")], &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("--database-passfile is /nowhere, which cannot be read: No such file"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_comes_from_a_file() {
    let database = crate::support::database::Database::new().await;
    let folder = TempDir::new();
    for end in ["", "\n", "\r\n"] {
        let path = file(&folder, "url", &format!("{}{end}", database.url), 0o644);
        let (code, said) = status(&[("DATABASE_URL_FILE", &path)], &[]);
        assert_eq!(code, Some(0), "{end:?}: {said}");
        let flag = format!("--database-url-file={path}");
        let elsewhere = ("DATABASE_URL", "postgresql://u@127.0.0.1:1/db");
        let (code, said) = status(&[elsewhere], &[&flag]);
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = status(&[elsewhere, ("DATABASE_URL_FILE", &path)], &[]);
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(
            said.lines().next(),
            Some("error: the argument 'DATABASE_URL' cannot be used with 'DATABASE_URL_FILE'")
        );
    }
    let (code, said) = status(&[("DATABASE_URL_FILE", "/nowhere")], &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("--database-url-file is /nowhere, which cannot be read: No such file"),
        "{said}"
    );
    let (code, said) = status(&[], &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--database-url <DATABASE_URL>"), "{said}");
}
