//! `outbound-tasks keys`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::{
    terminal::{deliver, print, say},
    values::text,
};
use crate::{
    app::{App, KeyInfo, KeyLimits},
    config::{Database, call_limit, cost_limit, duration},
    domain::{
        key::{KeyId, Scope},
        limits::MAX_NAME_CHARS,
        rate::Limit,
        tenant::TenantId,
        time,
    },
    error::{Error, ErrorKind, Result},
};

/// Create, list and revoke API keys
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a key; prints only the key on standard output, and never again
    Create {
        /// Tenant that the key gives access to
        #[arg(long, value_parser = TenantId::parse)]
        tenant: TenantId,
        /// Name of the key for people: 1 to 256 characters
        #[arg(long, value_parser = text::<MAX_NAME_CHARS>)]
        name: String,
        /// What the key allows
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
        /// How long the key is valid, such as 90d; by default until it is revoked
        #[arg(long, value_parser = lifetime)]
        expires_in: Option<Duration>,
        /// Maximum rate of calls with the key, such as 100/s or 5000/10s, instead of the server's --key-rate; off: no limit
        #[arg(long, value_parser = call_limit)]
        rate: Option<Limit>,
        /// Maximum database time of calls with the key, such as 2s/s, instead of the server's --key-cost; off: no limit
        #[arg(long, value_parser = cost_limit)]
        cost: Option<Limit>,
        #[command(flatten)]
        database: Database,
    },
    /// List keys without their secrets, by tenant, oldest first
    List {
        /// Only the keys of this tenant
        #[arg(long, value_parser = TenantId::parse)]
        tenant: Option<TenantId>,
        #[command(flatten)]
        database: Database,
    },
    /// Revoke a key; running servers reject it within 2 s
    Revoke {
        /// Id of the key: the part between otk_ and the last _
        key_id: String,
        #[command(flatten)]
        database: Database,
    },
}

/// Parses the lifetime of a key: above zero, because such a key would be a mistake, and at most 100 years.
fn lifetime(text: &str) -> Result<Duration, String> {
    const CENTURY: Duration = Duration::from_secs(36_525 * 24 * 3600);
    let lifetime = duration(text)?;
    if lifetime > CENTURY {
        return Err("must be at most 36525 days".to_owned());
    }
    Ok(lifetime)
}

async fn connect(database: &Database) -> Result<App> {
    let app = App::new(&database.for_command()?)?;
    super::serve::check_schema(&app).await?;
    Ok(app)
}

impl Keys {
    pub(super) async fn run(self) -> Result<()> {
        match self.action {
            Action::Create {
                tenant,
                name,
                mut scope,
                expires_in,
                rate,
                cost,
                database,
            } => {
                let app = connect(&database).await?;
                scope.dedup();
                let limits = KeyLimits { rate, cost };
                let key = app
                    .key_create_limited(&tenant, &name, &scope, expires_in, limits)
                    .await?;
                let id = key.id.as_str();
                say(&format!(
                    "created key {id}; the key is shown only this once"
                ));
                let printed = deliver(&key.secret);
                if printed.is_err() {
                    // Nobody has received the key, so it is revoked.
                    app.key_revoke(&key.id).await?;
                }
                printed
            }
            Action::List { tenant, database } => {
                let app = connect(&database).await?;
                let tenants = match tenant {
                    Some(tenant) => {
                        app.tenant_check(&tenant).await?;
                        vec![tenant]
                    }
                    None => app.tenants().await?,
                };
                for tenant in tenants {
                    for key in app.key_list(&tenant).await? {
                        print(&line(&key))?;
                    }
                }
                Ok(())
            }
            Action::Revoke { key_id, database } => {
                // Checked here and not by clap, whose message would repeat a complete key.
                let key_id = KeyId::parse(&key_id).ok_or_else(|| {
                    let why = "KEY_ID must look like demo.k3v9x2mq, without otk_ and the secret";
                    Error::new(ErrorKind::BadUsage, why)
                })?;
                let app = connect(&database).await?;
                app.key_revoke(&key_id).await?;
                print(&format!("revoked {}", key_id.as_str()))
            }
        }
    }
}

/// A line of the list: id, name, scopes, times and limits, separated by tabs. A key that made or revoked it is named
/// beside that time; the operator is not.
fn line(key: &KeyInfo) -> String {
    let at = |what: &str, t: Option<DateTime<Utc>>| match t {
        Some(t) => format!("{what} {}", time::to_rfc3339(t)),
        None => format!("never {what}"),
    };
    let by = |key: &Option<String>| key.as_ref().map_or(String::new(), |id| format!(" by {id}"));
    let limit = |what: &str, limit: &Option<String>| match limit {
        Some(limit) => format!("{what} {limit}"),
        None => format!("default {what}"),
    };
    [
        key.key_id.clone(),
        key.name.escape_debug().to_string(),
        key.scopes.join(","),
        at("created", Some(key.created_at)) + &by(&key.created_by),
        at("expires", key.expires_at),
        at("revoked", key.revoked_at) + &by(&key.revoked_by),
        at("used", key.last_used_at),
        limit("rate", &key.rate),
        limit("cost", &key.cost),
    ]
    .join("\t")
}
