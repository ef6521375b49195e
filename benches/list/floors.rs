//! The floor of the database: pgbench with the service's own SQL, prepared, with the service's settings.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use diesel::pg::Pg;
use outbound_tasks::{
    db::{SESSION_SETTINGS, list::ListStatement},
    domain::{list::ListRequest, page::TokenKey, tenant::TenantId},
};
use tokio::process::Command;

use crate::Result;

/// pgbench finishes its running statements, and no statement takes longer than this.
const GRACE: Duration = Duration::from_secs(60);

/// The settings of the service's own connections, most of which affect plans.
pub(crate) fn options() -> String {
    SESSION_SETTINGS
        .map(|setting| format!("-c {}", setting.replace(' ', "\\ ")))
        .join(" ")
}

/// A statement of the service and the values of its parameters.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    sql: String,
    values: Vec<String>,
}

impl Script {
    /// The service's statement for a list: total and page in one.
    pub(crate) fn of(tenant: &str, request: &ListRequest, token_key: &TokenKey) -> Result<Self> {
        let tenant = TenantId::parse(tenant)?;
        let query = request.clone().check(token_key, Default::default());
        let query = query.map_err(|error| error.to_string())?;
        let statement = ListStatement::new(&tenant, &query);
        Self::read(&diesel::debug_query::<Pg, _>(&statement).to_string())
    }

    /// A statement as diesel shows it.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let parts = text.split_once(" -- binds: ");
        let (sql, binds) = parts.ok_or("diesel shows the statement in another form")?;
        Ok(Self {
            sql: sql.to_owned(),
            values: values(binds),
        })
    }

    /// The total alone, without the page.
    pub(crate) fn total_alone(mut self) -> Result<Self> {
        let rest = self.sql.split_once(" FROM (").map(|(_, rest)| rest);
        let total = rest.and_then(|rest| rest.split_once(") c LEFT JOIN LATERAL ("));
        let total = total
            .ok_or("the list's statement has another form")?
            .0
            .to_owned();
        // The total comes first in the statement, and so do its parameters.
        self.values.truncate(total.matches('$').count());
        self.sql = total;
        Ok(self)
    }

    /// `PREPARE` with a name.
    pub(crate) fn prepare(&self, name: &str) -> String {
        format!(
            "PREPARE {name} AS {}",
            self.with_parameters(|n| format!("${n}"))
        )
    }

    /// `EXECUTE` with this script's values.
    pub(crate) fn execute(&self, name: &str) -> String {
        format!("EXECUTE {name} ('{}')", self.values.join("', '"))
    }

    /// The statement as pgbench reads it, and its variables, which begin with `name`. A blank separates the colon of a
    /// slice, `[1:$3]`, from that of the variable.
    fn for_pgbench(&self, name: &str) -> (String, Vec<String>) {
        let sql = self.with_parameters(|n| format!(" :{name}{n}"));
        let values = self.values.iter().enumerate();
        let variables = values.map(|(at, value)| format!("{name}{}={value}", at + 1));
        (sql, variables.collect())
    }

    /// PostgreSQL infers the parameters' types, except those of arrays for unnest.
    fn with_parameters(&self, parameter: impl Fn(usize) -> String) -> String {
        let mut text = self.sql.clone();
        // From the last to the first, since $10 begins with $1.
        for (at, value) in self.values.iter().enumerate().rev() {
            let kind = match value.strip_prefix('{') {
                Some(list) if list.contains('-') => "::timestamptz[]",
                Some(_) => "::smallint[]",
                None => "",
            };
            let number = at + 1;
            text = text.replace(
                &format!("${number}"),
                &format!("{}{kind}", parameter(number)),
            );
        }
        text
    }
}

/// The parameters in PostgreSQL's notation, from a list in Rust's: `["bench", 21, [1, 2], 2024-01-01T00:00:00Z]`.
fn values(binds: &str) -> Vec<String> {
    // One bracket: the first value may be a list too.
    let inner = binds.trim();
    let inner = inner.strip_prefix('[').unwrap_or(inner);
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

/// pgbench on one database.
#[derive(Debug)]
pub(crate) struct Pgbench {
    program: PathBuf,
    url: String,
    script: PathBuf,
}

impl Pgbench {
    /// The pgbench next to the running server's program, or else the one on the PATH.
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
            script: dir.join("pgbench"),
        }
    }

    /// Runs a statement of the service with this number of clients. Returns the statements per second.
    pub(crate) async fn run(
        &self,
        script: &Script,
        clients: usize,
        length: Duration,
    ) -> Result<f64> {
        let script = std::slice::from_ref(script);
        self.run_mix(script, clients, length).await
    }

    /// Runs statements of the service, each time one of them at random.
    pub(crate) async fn run_mix(
        &self,
        scripts: &[Script],
        clients: usize,
        length: Duration,
    ) -> Result<f64> {
        let (mut texts, mut variables) = (Vec::new(), Vec::new());
        for (nth, script) in scripts.iter().enumerate() {
            let (sql, more) = script.for_pgbench(&format!("s{nth}p"));
            texts.push(sql);
            variables.extend(more);
        }
        self.run_texts(&texts, &variables, clients, length, &options())
            .await
    }

    /// Runs SQL in pgbench's notation.
    pub(crate) async fn run_sql(
        &self,
        sql: &str,
        clients: usize,
        length: Duration,
        options: &str,
    ) -> Result<f64> {
        self.run_texts(&[sql.to_owned()], &[], clients, length, options)
            .await
    }

    async fn run_texts(
        &self,
        texts: &[String],
        variables: &[String],
        clients: usize,
        length: Duration,
        options: &str,
    ) -> Result<f64> {
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(crate::service::cores())))
            .arg(format!("--time={}", length.as_secs().max(1)));
        for (nth, text) in texts.iter().enumerate() {
            let file = self.script.with_extension(format!("{nth}.sql"));
            std::fs::write(&file, format!("{text};\n"))?;
            command.arg(format!("--file={}", file.display()));
        }
        for variable in variables {
            command.arg(format!("--define={variable}"));
        }
        command
            .arg(&self.url)
            .env("PGOPTIONS", options)
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
