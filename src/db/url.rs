//! The database's URL, and what is wrong with one.
//!
//! The driver's own errors do not say what is allowed, and an `@` in a password makes it look for a host in the rest of
//! the password. So a URL is checked for these mistakes first. No part of it that could be of the password is repeated.

use std::str::FromStr;

use tokio_postgres::Config;

use crate::error::{Error, ErrorKind, Result};

/// What a URL looks like.
const FORM: &str =
    "--database-url must name a server, as postgresql://user:password@host:5432/database";

/// The parameters that the driver knows, and the values of those that take few.
const PARAMETERS: &[(&str, &[&str])] = &[
    ("application_name", &[]),
    ("channel_binding", &["disable", "prefer", "require"]),
    ("connect_timeout", &[]),
    ("dbname", &[]),
    ("host", &[]),
    ("hostaddr", &[]),
    ("keepalives", &[]),
    ("keepalives_idle", &[]),
    ("keepalives_interval", &[]),
    ("keepalives_retries", &[]),
    ("load_balance_hosts", &["disable", "random"]),
    ("options", &[]),
    ("password", &[]),
    ("port", &[]),
    ("sslmode", SSL_MODES),
    ("target_session_attrs", &["any", "read-write", "read-only"]),
    ("tcp_user_timeout", &[]),
    ("user", &[]),
];

/// Without TLS there are two modes.
const SSL_MODES: &[&str] = &["disable", "prefer"];

/// Reads a PostgreSQL URL or a `key=value` string. Bad usage, with the reason, unless it names a server and holds
/// nothing that this program does not know.
pub fn parse(url: &str) -> Result<Config> {
    let after_scheme = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = after_scheme else {
        return parse_pairs(url);
    };
    let cut_password = || {
        bad_usage(
            "--database-url has more than one \"@\"; percent-encode those of the user, the password and the database's \
            name as %40 (and / as %2F, ? as %3F, # as %23, % as %25)",
        )
    };
    if has_cut_password(rest) {
        return Err(cut_password());
    }
    for (name, value) in parameters(rest) {
        let checked = check_parameter(&name, &value);
        // With an @ behind it, it could be of a password; then it is not repeated.
        match behind_password(rest).contains('@') {
            true => checked.map_err(|_| cut_password())?,
            false => checked?,
        }
    }
    finish(Config::from_str(url))
}

/// The form `host=… user=…`.
fn parse_pairs(text: &str) -> Result<Config> {
    if text.contains("://") || !text.contains('=') {
        return Err(bad_usage(FORM));
    }
    // A value in quotes may hold spaces; what is taken for a name by mistake could be of a password and is not named.
    if !text.contains('\'') && !text.contains('\\') {
        for pair in text.split_whitespace() {
            if let Some((name, value)) = pair.split_once('=') {
                check_parameter(name, value)?;
            }
        }
    }
    finish(Config::from_str(text))
}

fn finish(config: Result<Config, tokio_postgres::Error>) -> Result<Config> {
    let config = config.map_err(|error| {
        // The driver names the parameter, and repeats no value.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        bad_usage(format!(
            "{FORM}, and a password's @ / ? # % be percent-encoded: {}",
            cause.unwrap_or_default()
        ))
    })?;
    let names_server = !(config.get_hosts().is_empty() && config.get_hostaddrs().is_empty());
    if !names_server {
        return Err(bad_usage(FORM));
    }
    if config.get_ports().len() > 1
        && config.get_ports().len() != config.get_hosts().len().max(config.get_hostaddrs().len())
    {
        return Err(bad_usage(
            "--database-url must name one port, or as many as hosts",
        ));
    }
    Ok(config)
}

/// The parameters behind the `?`, decoded.
fn parameters(rest: &str) -> Vec<(String, String)> {
    let Some((_, query)) = behind_password(rest).split_once('?') else {
        return Vec::new();
    };
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn check_parameter(name: &str, value: &str) -> Result<()> {
    let Some((_, allowed)) = PARAMETERS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = PARAMETERS.iter().map(|(known, _)| *known).collect();
        return Err(bad_usage(format!(
            "--database-url has the parameter \"{}\", which is unknown here; known are {}",
            name.escape_debug(),
            known.join(", ")
        )));
    };
    if allowed.is_empty() || allowed.contains(&value) {
        return Ok(());
    }
    let why = match name {
        "sslmode" => "; the service does not encrypt its connections to PostgreSQL",
        _ => "",
    };
    Err(bad_usage(format!(
        "--database-url has {name}={}, which must be {}{why}",
        value.escape_debug(),
        allowed.join(" or ")
    )))
}

/// The part behind user and password, which end at the first `@` as the driver reads it.
fn behind_password(rest: &str) -> &str {
    rest.split_once('@').map_or(rest, |(_, behind)| behind)
}

/// Whether an `@` that belongs to the password ended it early: what follows cannot be hosts and a database's name.
fn has_cut_password(rest: &str) -> bool {
    let before_parameters = behind_password(rest).split('?').next();
    before_parameters.is_some_and(|text| text.contains('@'))
}

fn bad_usage(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadUsage, why)
}
