//! Where a command loads tasks: a database, or a running service.

use clap::{
    ArgMatches, Args, Command, Error, FromArgMatches, error::ErrorKind, parser::ValueSource,
};

use super::{Database, Service};

/// Where a command loads tasks. A URL on the command line wins over one in the environment, and there the database's over
/// the service's.
#[derive(Debug, Clone)]
pub enum Destination {
    /// A database.
    Database(Database),
    /// A running service.
    Service(Service),
}

impl Args for Destination {
    fn augment_args(command: Command) -> Command {
        let command = Service::augment_args(Database::augment_args(command));
        command
            .mut_arg("database_url", |url| {
                let help = "PostgreSQL 15 or newer: postgresql://user:password@host:5432/database; or --url";
                url.help(help)
            })
            .mut_arg("url", |url| {
                let help = "Address of a service to send the file to instead, such as `https://tasks.example.com`; that needs no \
                    database credentials";
                url.required(false).help(help)
            })
            .mut_arg("api_key", |key| {
                let help = "With --url: API key with the scope write; pass it in the environment variable to hide it from process \
                    listings";
                key.required(false).help(help)
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Destination {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let source = |id| matches.value_source(id);
        let is_typed = |id| source(id) == Some(ValueSource::CommandLine);
        for (id, flag) in [
            ("database_url", "--database-url"),
            ("database_url_file", "--database-url-file"),
        ] {
            if is_typed("url") && is_typed(id) {
                let what = format!("the argument '--url' cannot be used with '{flag}'\n");
                return Err(Error::raw(ErrorKind::ArgumentConflict, what));
            }
        }
        let has_database =
            source("database_url").is_some() || source("database_url_file").is_some();
        let missing = |what: &str| {
            let what = format!("the following required arguments were not provided:\n  {what}\n");
            Error::raw(ErrorKind::MissingRequiredArgument, what)
        };
        if has_database && !is_typed("url") {
            Database::from_arg_matches(matches).map(Self::Database)
        } else if source("url").is_none() {
            Err(missing(
                "--database-url <DATABASE_URL>, or --url <URL> and --api-key <API_KEY>; in the environment DATABASE_URL, or \
                OUTBOUND_TASKS_URL and OUTBOUND_TASKS_API_KEY",
            ))
        } else if source("api_key").is_none() {
            Err(missing("--api-key <API_KEY>"))
        } else {
            Service::from_arg_matches(matches).map(Self::Service)
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
