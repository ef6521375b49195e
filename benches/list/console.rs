//! The console's first table in a browser: time from opening the address until the rows are shown, with an empty cache.

use std::process::Stdio;

use tokio::process::Command;

use crate::{Result, run::Bench, table::Table};

/// Opens the console several times and prints the milliseconds of each time.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/e2e/first-table.mjs");

impl Bench<'_> {
    /// The table row about the console.
    pub(crate) async fn console(&self, table: &mut Table) -> Result<()> {
        eprintln!("the console in a browser");
        let opened = Command::new("node")
            .arg(SCRIPT)
            .env("URL", format!("http://{}", self.target.address))
            .env("KEY", &self.target.key)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await?;
        if !opened.status.success() {
            return Err("the console could not be opened in a browser".into());
        }
        let text = String::from_utf8(opened.stdout)?;
        let mut millis: Vec<f64> = text.lines().map(str::parse).collect::<Result<_, _>>()?;
        millis.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (millis.first(), millis.last()) else {
            return Err("the console was never opened".into());
        };
        let middle = millis[millis.len() / 2];
        table.row(
            "the console's first table in Chromium, from its address, nothing cached: fastest / middle / slowest",
            format!("{least:.0} / {middle:.0} / {most:.0} ms"),
            None,
        );
        Ok(())
    }
}
