//! The database's floor: pgbench with the service's own SQL, prepared, with the service's plan settings.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use diesel::pg::Pg;
use outbound_tasks::{
    db::list::ListStatement,
    domain::{page::TokenKey, tenant::TenantId},
};
use tokio::process::Command;

use crate::{
    Result,
    data::{Kind, TENANT},
};

/// The settings of the service's own connections (`db/connection.rs`) that decide about plans.
const OPTIONS: &str = "-c plan_cache_mode=force_generic_plan -c jit=off";
/// pgbench finishes the statements under way, and no statement takes longer than this.
const GRACE: Duration = Duration::from_secs(60);

/// A pgbench script and the values of its variables.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    sql: String,
    values: Vec<String>,
}

impl Script {
    /// What the service asks the database for a list: total and page in one statement.
    pub(crate) fn of(kind: &Kind, token_key: &TokenKey) -> Result<Self> {
        let tenant = TenantId::parse(TENANT)?;
        let query = kind.request.clone().check(token_key, Vec::new());
        let query = query.map_err(|error| error.to_string())?;
        let statement = ListStatement::new(&tenant, &query);
        let text = diesel::debug_query::<Pg, _>(&statement).to_string();
        let parts = text.split_once(" -- binds: ");
        let (sql, binds) = parts.ok_or("diesel shows the statement in another form")?;
        let values = values(binds);
        Ok(Self {
            sql: with_variables(sql, &values),
            values,
        })
    }

    /// The page alone, without the total; `None` where the statement has no such part any more.
    pub(crate) fn page_alone(&self) -> Option<Self> {
        let (_, rest) = self.sql.split_once("LEFT JOIN LATERAL (")?;
        let (page, _) = rest.rsplit_once(") p ON true")?;
        Some(Self {
            sql: page.to_owned(),
            values: self.values.clone(),
        })
    }
}

/// The binds as PostgreSQL reads them, from a list in Rust's notation: `["bench", 21, [1, 2], 2024-01-01T00:00:00Z]`.
fn values(binds: &str) -> Vec<String> {
    let inner = binds.trim().trim_start_matches('[');
    let inner = inner.strip_suffix(']').unwrap_or(inner);
    let mut values = vec![String::new()];
    let (mut depth, mut quoted) = (0, false);
    for c in inner.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if depth == 0 && !quoted => values.push(String::new()),
            _ => {}
        }
        match c {
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth -= 1,
            _ => {}
        }
        let value = values.last_mut().expect("the list begins with one value");
        match c {
            '"' => {}
            ',' if depth == 0 && !quoted => {}
            ' ' if value.is_empty() => {}
            '[' if !quoted => value.push('{'),
            ']' if !quoted => value.push('}'),
            c => value.push(c),
        }
    }
    values
}

/// The statement with pgbench's `:p1` for `$1`. PostgreSQL infers the types, but not those of arrays it is to unnest.
fn with_variables(sql: &str, values: &[String]) -> String {
    let mut text = sql.to_owned();
    // From the last on: $1 is the beginning of $10.
    for (at, value) in values.iter().enumerate().rev() {
        let kind = match value.strip_prefix('{') {
            Some(list) if list.contains('-') => "::timestamptz[]",
            Some(_) => "::smallint[]",
            None => "",
        };
        let number = at + 1;
        // The blank keeps the colon of a slice, `[1:$3]`, from joining the variable's.
        text = text.replace(&format!("${number}"), &format!(" :p{number}{kind}"));
    }
    text
}

/// pgbench on one database.
#[derive(Debug)]
pub(crate) struct Pgbench {
    program: PathBuf,
    url: String,
    script: PathBuf,
}

impl Pgbench {
    /// The pgbench beside the running server's program, else one on the PATH.
    pub(crate) fn new(postmaster: u32, url: String, dir: &Path) -> Self {
        let server = std::fs::read_link(format!("/proc/{postmaster}/exe")).unwrap_or_default();
        let beside = server.with_file_name("pgbench");
        Self {
            program: if beside.is_file() {
                beside
            } else {
                "pgbench".into()
            },
            url,
            script: dir.join("pgbench.sql"),
        }
    }

    /// Runs the script with so many clients; answers transactions a second.
    pub(crate) async fn run(
        &self,
        script: &Script,
        clients: usize,
        length: Duration,
    ) -> Result<f64> {
        std::fs::write(&self.script, format!("{};\n", script.sql))?;
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--file={}", self.script.display()))
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(crate::service::cores())))
            .arg(format!("--time={}", length.as_secs().max(1)));
        for (at, value) in script.values.iter().enumerate() {
            command.arg(format!("--define=p{}={value}", at + 1));
        }
        command
            .arg(&self.url)
            .env("PGOPTIONS", OPTIONS)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(length + GRACE, command.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split(' ').next()?.parse().ok());
        match rate {
            Some(rate) if output.status.success() => Ok(rate),
            _ => Err(format!(
                "pgbench failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into()),
        }
    }
}
