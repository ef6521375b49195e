//! Parses and validates the database URL.
//!
//! The driver's errors do not say what is allowed, and an `@` in a password makes it look for a host in the rest of the
//! password. A URL is therefore checked for these mistakes first. No error repeats a part that may belong to the
//! password.

use std::str::FromStr;

use tokio_postgres::Config;

use crate::error::{Error, ErrorKind, Result};

/// The general form of a URL, as an error text.
const FORM: &str =
    "--database-url must name a server, such as postgresql://user:password@host:5432/database";

/// The parameters that the driver supports, with the allowed values if they are limited.
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

/// The modes that are possible without TLS.
const SSL_MODES: &[&str] = &["disable", "prefer"];

/// Parses a PostgreSQL URL or a `key=value` string. BAD_USAGE with the reason unless it names a server and contains
/// only known parameters.
pub fn parse(url: &str) -> Result<Config> {
    let after_scheme = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = after_scheme else {
        return parse_pairs(url);
    };
    let cut_password = || {
        bad_usage(
            "--database-url has more than one \"@\"; percent-encode those in the user, the password and the database \
            name as %40 (and / as %2F, ? as %3F, # as %23, % as %25)",
        )
    };
    if has_cut_password(rest) {
        return Err(cut_password());
    }
    for (name, value) in parameters(rest) {
        let checked = check_parameter(&name, &value);
        // If an @ follows, the parameter may be part of the password and must not be repeated.
        match behind_password(rest).contains('@') {
            true => checked.map_err(|_| cut_password())?,
            false => checked?,
        }
    }
    finish(Config::from_str(url))
}

/// Parses the form `host=… user=…`.
fn parse_pairs(text: &str) -> Result<Config> {
    if text.contains("://") || !text.contains('=') {
        return Err(bad_usage(FORM));
    }
    // A quoted value may contain spaces, and a name found in it may be part of the password. Such texts are not
    // checked.
    if !text.contains('\'') && !text.contains('\\') {
        for pair in text.split_whitespace() {
            if let Some((name, value)) = pair.split_once('=') {
                check_parameter(name, value)?;
            }
        }
    }
    finish(Config::from_str(text))
}

/// Checks that the parsed configuration names a server, and that the numbers of hosts and ports match.
fn finish(config: Result<Config, tokio_postgres::Error>) -> Result<Config> {
    let config = config.map_err(|error| {
        // The driver's cause names the parameter but no value.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        bad_usage(format!(
            "{FORM}, with @ / ? # % in the password percent-encoded: {}",
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
            "--database-url must name one port, or one for each host",
        ));
    }
    Ok(config)
}

/// The decoded parameters after the `?`.
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
            "--database-url has the unknown parameter \"{}\"; known parameters are {}",
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

/// The part after user and password. As in the driver, they end at the first `@`.
fn behind_password(rest: &str) -> &str {
    rest.split_once('@').map_or(rest, |(_, behind)| behind)
}

/// Whether an unencoded `@` in the password ended it early: then another `@` follows, which hosts cannot contain.
fn has_cut_password(rest: &str) -> bool {
    let before_parameters = behind_password(rest).split('?').next();
    before_parameters.is_some_and(|text| text.contains('@'))
}

fn bad_usage(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadUsage, why)
}
