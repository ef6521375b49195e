//! The temporary files of exports that were killed.

use std::{fs::File, process::Stdio};

use crate::support::{
    PATIENCE, TempDir,
    database::{Database, program},
    eventually,
    process::kill,
};

/// The next export of the same name removes what a killed one has left. The file of an export that is still running stays,
/// since that one has a lock on it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_export_left_is_removed_by_the_next() {
    let database = Database::of_owner().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    database.add_tasks("demo", 60_000).await;
    let dir = TempDir::new();
    let path = |name: &str| dir.0.join(name);
    let others = [
        "all.ndjson.part",
        "all.ndjson.x1.part",
        "other.ndjson.9.part",
    ];
    for name in others
        .iter()
        .chain(&["all.ndjson.123.part", "all.ndjson.124.part"])
    {
        std::fs::write(path(name), "left").unwrap();
    }
    let locked = File::open(path("all.ndjson.124.part")).unwrap();
    locked.lock().unwrap();

    let file = path("all.ndjson").display().to_string();
    let mut running = program();
    running.args(["export", &file, "--tenant=demo"]);
    running
        .env("DATABASE_URL", &database.url)
        .stderr(Stdio::null());
    let mut running = running.spawn().unwrap();
    let own = path(&format!("all.ndjson.{}.part", running.id()));
    // It writes after it has locked the file.
    let has_begun = async || std::fs::metadata(&own).is_ok_and(|file| file.len() > 0);
    eventually("the export has begun", PATIENCE, has_begun).await;
    kill(running.id(), "STOP");
    assert!(own.exists(), "it has not ended before it was stopped");
    assert!(
        File::open(&own).unwrap().try_lock().is_err(),
        "its file is locked"
    );
    assert!(!path("all.ndjson.123.part").exists());
    assert!(path("all.ndjson.124.part").exists());

    // An export that ends first.
    let export = ["export", &file, "--tenant=demo"];
    database.succeed(&export, b"").await;
    assert!(own.exists(), "the file of a running export stays");
    running.kill().unwrap();
    running.wait().unwrap();
    drop(locked);
    database.succeed(&export, b"").await;
    let mut left = std::fs::read_dir(&dir.0).unwrap();
    let mut names: Vec<_> = left
        .by_ref()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "all.ndjson",
            "all.ndjson.part",
            "all.ndjson.x1.part",
            "other.ndjson.9.part"
        ]
    );
}
