//! The health check of a container, which asks the admin address; and the version of the program.

use crate::support::{
    database::{Database, program},
    process::Process,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_whether_the_service_is_alive_and_ready() {
    let database = Database::new().await;
    let service = Process::serve(&database, &[]).await;
    let address = service.admin.to_string();
    // A service that listens on all addresses is reached on loopback.
    let everywhere = format!("0.0.0.0:{}", service.admin.port());
    for (arguments, wanted) in [
        (&["probe"][..], "200 alive"),
        (&["probe", "live"], "200 alive"),
        (&["probe", "ready"], "200 ready"),
    ] {
        for address in [&address, &everywhere] {
            let mut probe = program();
            probe
                .args(arguments)
                .env("OUTBOUND_TASKS_ADMIN_LISTEN", address);
            let output = probe.output().unwrap();
            let said = String::from_utf8(output.stdout.clone()).unwrap();
            assert!(output.status.success(), "{output:?}");
            assert_eq!(said.trim_end(), wanted);
        }
    }
    drop(service);
    let mut probe = program();
    probe.args(["probe", "--admin-listen", &address]);
    let output = probe.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let wanted = format!("outbound-tasks: the service at {address} does not answer: ");
    assert!(said.starts_with(&wanted), "{said}");
}

/// Two programs of one version may differ, so each names its commit if its build knew it.
#[test]
fn the_version_names_the_commit() {
    let output = program().arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let rest = said.strip_prefix(&format!("outbound-tasks {version}"));
    let rest = rest.unwrap_or_else(|| panic!("{said}")).trim_end();
    // The tests' build knows it only from SOURCE_COMMIT.
    let commit = rest.strip_prefix(" (").and_then(|c| c.strip_suffix(')'));
    let is_commit = |commit: &str| commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(rest.is_empty() || commit.is_some_and(is_commit), "{said}");
}
