//! Round trips through LibreOffice: our exports of tasks, and a lead list, saved as CSV in GB18030 and as a workbook, are
//! read back without a change. Saved files are in `tests/data/libreoffice`; where `soffice` is installed, it saves them
//! again.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{TempDir, database::Database, tasks::Json};

/// The columns of the largest file, for the option that opens them as text.
const COLUMNS: usize = 13;
/// LibreOffice's number of GB18030.
const GB18030: u8 = 85;

fn saved(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/libreoffice");
    folder.join(file)
}

/// A database with the tenant `demo` and the tasks of a file.
async fn database(file: &Path) -> Database {
    let database = Database::demo().await;
    let import = ["import", file.to_str().unwrap(), "--tenant=demo"];
    database.succeed(&import, b"").await;
    database
}

/// All tasks without their etags.
async fn tasks(database: &Database, tenant: &str) -> Vec<Json> {
    let tenant = format!("--tenant={tenant}");
    let export = ["export", tenant.as_str(), "--order-by=task_id"];
    let lines = database.succeed(&export, b"").await;
    let tasks = lines.lines().map(|line| {
        let mut task: Json = serde_json::from_str(line).unwrap();
        task.as_object_mut().unwrap().remove("etag");
        task
    });
    tasks.collect()
}

/// Imports files that LibreOffice saved into tenants of their own, and compares.
async fn assert_same_tasks(database: &Database, files: &[PathBuf]) {
    let wanted = tasks(database, "demo").await;
    for (number, file) in files.iter().enumerate() {
        let tenant = format!("copy{number}");
        database.succeed(&["tenants", "create", &tenant], b"").await;
        let of_tenant = format!("--tenant={tenant}");
        let import = ["import", file.to_str().unwrap(), of_tenant.as_str()];
        database.succeed(&import, b"").await;
        assert_eq!(tasks(database, &tenant).await, wanted, "{}", file.display());
        database
            .execute(&format!("DELETE FROM tasks WHERE tenant_id = '{tenant}'"))
            .await;
    }
}

/// The customers of the lead list.
const LEADS: [&str; 5] = [
    "13800138000",
    "013900139000",
    "622202123456789012",
    "+8613700137000",
    "cust-1",
];

async fn assert_same_leads(files: &[PathBuf]) {
    let database = Database::demo().await;
    for (number, file) in files.iter().enumerate() {
        let id = format!("t{number}");
        let task = serde_json::json!({
            "task_id": id, "name": "n", "start_time": "2027-03-01", "end_time": "2027-03-01",
        });
        let import = ["import", "-", "--tenant=demo"];
        database.succeed(&import, task.to_string().as_bytes()).await;
        let of_task = format!("--task={id}");
        let import = [
            "targets",
            "import",
            file.to_str().unwrap(),
            "--tenant=demo",
            of_task.as_str(),
            "--column=手机号",
        ];
        database.succeed(&import, b"").await;
        let stored = tasks(&database, "demo").await;
        let stored = stored.iter().find(|task| task["task_id"] == *id).unwrap();
        assert_eq!(
            stored["target"],
            serde_json::json!(LEADS),
            "{}",
            file.display()
        );
    }
}

/// Whether LibreOffice is installed. A test that passes without it says so.
fn has_soffice() -> bool {
    let found = Command::new("soffice").arg("--version").output().is_ok();
    if !found {
        // Past the capture of the test's output, because the test passes.
        let what = "soffice is not installed: its round trip is not tested, its saved files are\n";
        std::io::stderr().write_all(what.as_bytes()).unwrap();
    }
    found
}

/// Opens a file with LibreOffice, CSV with all columns as text, and saves it. Returns what it saved.
fn through_soffice(folder: &Path, file: &Path, extension: &str) -> PathBuf {
    let profile = format!("-env:UserInstallation=file://{}/profile", folder.display());
    let mut soffice = Command::new("soffice");
    soffice.args([profile.as_str(), "--headless"]);
    if file.extension().is_some_and(|extension| extension == "csv") {
        let columns: Vec<String> = (1..=COLUMNS).map(|column| format!("{column}/2")).collect();
        soffice.arg(format!("--infilter=CSV:44,34,76,1,{}", columns.join("/")));
    }
    let to = match extension {
        "csv" => {
            format!("csv:Text - txt - csv (StarCalc):44,34,{GB18030},1,,0,false,true,false")
        }
        other => other.to_owned(),
    };
    let saved = folder.join("saved");
    soffice.args(["--convert-to", &to, "--outdir"]);
    let output = soffice.args([&saved, file]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let saved = saved.join(file.file_stem().unwrap());
    let saved = saved.with_extension(extension);
    if extension == "csv" {
        let bytes = std::fs::read(&saved).unwrap();
        assert!(std::str::from_utf8(&bytes).is_err(), "it is not GB18030");
    }
    saved
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_libreoffice_saved_gives_the_same_tasks() {
    let database = database(&saved("export.csv")).await;
    assert_same_tasks(&database, &[saved("export-gb18030.csv")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_list_that_libreoffice_saved_gives_the_same_customers() {
    let files = ["leads.csv", "leads-gb18030.csv", "leads.xlsx"].map(saved);
    assert_same_leads(&files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_through_libreoffice_without_a_change() {
    if !has_soffice() {
        return;
    }
    let database = database(&saved("export.csv")).await;
    let folder = TempDir::new();
    let mut files = Vec::new();
    for extension in ["csv", "xlsx"] {
        let export = folder.0.join("export").with_extension(extension);
        let arguments = ["export", export.to_str().unwrap(), "--tenant=demo"];
        database.succeed(&arguments, b"").await;
        files.push(through_soffice(&folder.0, &export, extension));
    }
    assert_same_tasks(&database, &files).await;
    let files = ["csv", "xlsx"].map(|to| through_soffice(&folder.0, &saved("leads.csv"), to));
    assert_same_leads(&files).await;
}
