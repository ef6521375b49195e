//! Finds the server programs of PostgreSQL.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::error::EmbeddedError;

/// The oldest supported major version.
const OLDEST: u32 = 15;

/// Where packages install several versions side by side: parent directory, prefix before the version, subdirectory.
const VERSIONED: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"), // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),          // Red Hat and SUSE, packages of postgresql.org
    ("/usr/libexec", "postgresql", ""), // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"), // Homebrew on Intel
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A directory that contains `postgres` and `initdb`.
#[derive(Debug)]
pub(super) struct Programs {
    directory: PathBuf,
    major: u32,
}

impl Programs {
    /// Finds the first suitable server: version `wanted` if `cluster` exists, because no other version can open it,
    /// else any supported version.
    pub(super) async fn find(
        wanted: Option<u32>,
        cluster: &Path,
    ) -> Result<Programs, EmbeddedError> {
        let named = env::var_os("PG_BINDIR").filter(|dir| !dir.is_empty());
        let candidates = match &named {
            Some(dir) => vec![PathBuf::from(dir)],
            None => candidates().await,
        };
        let mut unsuitable: Vec<Programs> = Vec::new();
        for directory in candidates {
            let Some(found) = probe(directory).await else {
                continue;
            };
            if found.major >= OLDEST && wanted.is_none_or(|wanted| wanted == found.major) {
                return Ok(found);
            }
            unsuitable.push(found);
        }
        let newest = unsuitable.iter().max_by_key(|found| found.major);
        Err(EmbeddedError::new(match (newest, named, wanted) {
            (None, Some(dir), _) => format!(
                "PG_BINDIR is {}, which does not contain a PostgreSQL server (the programs postgres and \
                 initdb)",
                dir.display()
            ),
            (None, None, _) => format!(
                "no PostgreSQL server was found: install version {OLDEST} or newer (Debian and \
                 Ubuntu: `apt-get install postgresql`, macOS: `brew install postgresql@17`) or \
                 set PG_BINDIR to the directory of its programs"
            ),
            (Some(Programs { directory, major }), _, Some(wanted)) if *major >= OLDEST => format!(
                "{} was created by PostgreSQL {wanted}, but the one in {} is version {major}: install \
                 PostgreSQL {wanted} or choose another --data-dir",
                cluster.display(),
                directory.display()
            ),
            (Some(Programs { directory, major }), _, _) => format!(
                "the PostgreSQL in {} is version {major}, but outbound-tasks needs {OLDEST} or \
                 newer",
                directory.display()
            ),
        }))
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.directory.join(program)
    }
}

/// The directories to search, in order of preference.
async fn candidates() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    // `pg_config` belongs to the installation that the administrator prefers, so its answer comes
    // first.
    if let Some(answer) = answer(Path::new("pg_config"), "--bindir").await {
        found.push(PathBuf::from(answer.trim_end()));
    }
    found.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    VERSIONED
        .iter()
        .for_each(|&parent| found.extend(versions_in(parent)));
    found.push("/usr/local/pgsql/bin".into());
    found
}

/// The installed versions below one parent directory, newest first.
fn versions_in((parent, before, rest): (&str, &str, &str)) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(before)?.parse().ok()?;
            Some((version, entry.path().join(rest)))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, path)| path).collect()
}

/// The version of the server in `directory`; `None` if there is none.
async fn probe(directory: PathBuf) -> Option<Programs> {
    // The server runs in another working directory, and Debian links some programs into /usr/bin.
    let directory = fs::canonicalize(directory).ok()?;
    let present = |name: &str| directory.join(name).is_file();
    if !present("postgres") || !present("initdb") {
        return None;
    }
    let version = answer(&directory.join("postgres"), "--version").await?;
    // Examples: "postgres (PostgreSQL) 15.6 (Debian 15.6-0+deb12u1)", "postgres (PostgreSQL) 17beta1"
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    let end = number.find(|c: char| !c.is_ascii_digit());
    let major = number[..end.unwrap_or(number.len())].parse().ok()?;
    Some(Programs { directory, major })
}

/// The output of a program; `None` if it fails.
async fn answer(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().await.ok()?;
    let answered = output.status.success();
    answered.then(|| String::from_utf8(output.stdout).ok())?
}
