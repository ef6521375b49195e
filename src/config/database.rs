//! The settings of the connection to PostgreSQL, and the files that they may come from.

use std::path::PathBuf;

use clap::{
    ArgMatches, Args, Command, Error as ClapError, FromArgMatches,
    error::ErrorKind as ClapErrorKind, parser::ValueSource,
};

use super::bad_usage;
use crate::{
    db::{DbOptions, Password, url},
    error::Result,
    secret_file,
};

/// The connection settings of PostgreSQL.
#[derive(Clone, Args)]
struct Arguments {
    /// PostgreSQL 15 or newer: postgresql://user:password@host:5432/database; required, or --database-url-file
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// File with the database URL, such as a mounted secret
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// Password for a database URL that has none; pass it in the environment variable to hide it from process listings
    #[arg(
        long,
        env = "PGPASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD"
    )]
    database_password: Option<String>,
    /// File with the passwords for database URLs that have none, in the form of ~/.pgpass; read again before each new
    /// connection
    #[arg(long, env = "PGPASSFILE", value_name = "FILE")]
    database_passfile: Option<PathBuf>,
}

/// The connection settings of PostgreSQL: a URL, and the password if the URL has none.
#[derive(Clone)]
pub struct Database {
    url: Url,
    password: Password,
}

#[derive(Clone)]
enum Url {
    Text(String),
    File(PathBuf),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

impl Database {
    /// Database options of a command: a small pool and no statement timeout.
    pub fn for_command(&self) -> Result<DbOptions> {
        Ok(DbOptions {
            url: self.url()?,
            password: self.password(),
            pool_size: 2,
            exports: 1,
            statement_timeout: None,
        })
    }

    /// The checked URL. BAD_USAGE if it is wrong or its file cannot be read. The error does not repeat it, as clap's own
    /// check would, because it may contain a password.
    pub fn url(&self) -> Result<String> {
        let url = match &self.url {
            Url::Text(text) => secret_file::without_line_break(text).to_owned(),
            Url::File(path) => secret_file::read(path).map_err(|error| {
                bad_usage(&format!(
                    "--database-url-file is {}, which cannot be read: {error}",
                    path.display()
                ))
            })?,
        };
        url::check(&url)?;
        Ok(url)
    }

    /// What the URL leads to, without its password.
    pub fn summary(&self) -> Result<String> {
        url::summary(&self.url()?)
    }

    /// The password for a URL that has none.
    pub fn password(&self) -> Password {
        self.password.clone()
    }
}

/// Whether an argument is given on the command line; whether it is given there or in the environment.
fn rank(matches: &ArgMatches, id: &str) -> u8 {
    match matches.value_source(id) {
        Some(ValueSource::CommandLine) => 2,
        Some(ValueSource::EnvVariable) => 1,
        _ => 0,
    }
}

impl Args for Database {
    fn augment_args(command: Command) -> Command {
        Arguments::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Arguments::augment_args_for_update(command)
    }
}

impl FromArgMatches for Database {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, ClapError> {
        let conflict = |one: &str, other: &str| {
            let what = format!("the argument '{one}' cannot be used with '{other}'\n");
            ClapError::raw(ClapErrorKind::ArgumentConflict, what)
        };
        let (text, file) = (
            rank(matches, "database_url"),
            rank(matches, "database_url_file"),
        );
        let arguments = Arguments::from_arg_matches(matches)?;
        let url = match (arguments.database_url, arguments.database_url_file) {
            (Some(_), Some(_)) if text == file => {
                return Err(match text {
                    1 => conflict("DATABASE_URL", "DATABASE_URL_FILE"),
                    _ => conflict("--database-url", "--database-url-file"),
                });
            }
            (Some(url), _) if text > file => Url::Text(url),
            (_, Some(path)) => Url::File(path),
            (Some(url), None) => Url::Text(url),
            (None, None) => {
                let what = "no database is named: give --database-url <DATABASE_URL> or --database-url-file, DATABASE_URL or \
                    DATABASE_URL_FILE in the environment, or a settings file by --config\n";
                return Err(ClapError::raw(ClapErrorKind::MissingRequiredArgument, what));
            }
        };
        // As in libpq, the password wins over the file; but a flag over the environment.
        let is_file = rank(matches, "database_passfile") > rank(matches, "database_password");
        let password = match (arguments.database_password, arguments.database_passfile) {
            (_, Some(path)) if is_file => Password::File(path),
            (Some(text), _) => Password::Text(secret_file::without_line_break(&text).to_owned()),
            (None, Some(path)) => Password::File(path),
            (None, None) => Password::None,
        };
        Ok(Self { url, password })
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), ClapError> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
