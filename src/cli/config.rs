//! `outbound-tasks config`.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Subcommand, parser::ValueSource};

use super::{serve::Serve, terminal::print};
use crate::{
    config::{FileSettings, Parsed},
    error::Result,
};

/// Inspect the settings of a service
#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the settings that `serve` would have with these flags, variables and this file, and where each one comes from;
    /// secrets are left out. Fails if they cannot be used. The database is not asked
    Check(Box<Serve>),
}

impl Config {
    /// `parsed` has the texts of the settings and their sources, and `command` their names.
    pub(super) async fn run(self, mut command: Command, parsed: &Parsed) -> Result<()> {
        let Action::Check(serve) = self.action;
        command.build(); // so that the command has the settings of every command too
        let check = command
            .find_subcommand("config")
            .and_then(|config| config.find_subcommand("check"));
        let matches = parsed
            .matches
            .subcommand_matches("config")
            .and_then(|config| config.subcommand_matches("check"));
        if let (Some(check), Some(matches)) = (check, matches) {
            let settings = check
                .get_arguments()
                .filter(|arg| arg.get_env().is_some() && arg.get_id() != "config");
            let limits = serve.limits();
            for arg in settings {
                print(&line(arg, matches, &parsed.file, &limits))?;
            }
        }
        let database = serve.check_settings().await?;
        print(&format!("# the database: {database}"))?;
        print("# These settings can be used.")
    }
}

/// A setting as a line of a settings file, with its source as a comment. Without a value it is a comment as a whole, which
/// names the limit that holds then.
fn line(arg: &Arg, matches: &ArgMatches, file: &FileSettings, limits: &[(&str, String)]) -> String {
    let name = arg.get_long().unwrap_or_default();
    let id = arg.get_id().as_str();
    let values: Vec<String> = matches
        .get_raw(id)
        .into_iter()
        .flatten()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    let source = match (matches.value_source(id), file.source(name)) {
        (_, Some(place)) => place,
        (Some(ValueSource::EnvVariable), _) => {
            let variable = arg.get_env().unwrap_or_default();
            format!("environment variable {}", variable.to_string_lossy())
        }
        (Some(ValueSource::CommandLine), _) => "flag".to_owned(),
        (Some(_), _) => "default".to_owned(),
        (None, _) => {
            let limit = limits.iter().find(|(limited, _)| *limited == name);
            let limit = limit.map(|(_, value)| format!(", so it is {value}"));
            return format!("# {name} is not set{}", limit.unwrap_or_default());
        }
    };
    // The URL of a collector is no secret, unless it has a user.
    if arg.is_hide_env_values_set() || values.iter().any(|value| has_user(value)) {
        return format!("# {name} is set, and hidden # {source}");
    }
    let value = match arg.get_action() {
        ArgAction::Append => {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            format!("[{}]", values.join(", "))
        }
        ArgAction::SetTrue => values.concat(),
        _ => values.iter().map(|value| quoted(value)).collect(),
    };
    format!("{name} = {value} # {source}")
}

/// Whether a value is a URL with a user, who has a password in most cases.
fn has_user(value: &str) -> bool {
    let authority = value.split_once("://").map(|(_, rest)| rest);
    let authority = authority.and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

/// A string of TOML, which a string of JSON is too; a number as it is.
fn quoted(value: &str) -> String {
    match value.parse::<u32>() {
        Ok(number) => number.to_string(),
        Err(_) => serde_json::Value::from(value).to_string(),
    }
}
