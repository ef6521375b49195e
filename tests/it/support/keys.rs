//! API keys for calls, valid and invalid.

use outbound_tasks::domain::{key::ApiKey, tenant::TenantId};

use super::database::Database;

/// Creates a key of `demo` with the command.
pub async fn create(database: &Database, scope: &str, more: &[&str]) -> String {
    let mut arguments = vec![
        "keys",
        "create",
        "--tenant=demo",
        "--name=made",
        "--scope",
        scope,
    ];
    arguments.extend(more);
    let printed = database.succeed(&arguments, b"").await;
    let key = printed.strip_suffix('\n').unwrap().to_owned();
    assert!(
        ApiKey::parse(&key).is_some(),
        "more than a key: {printed:?}"
    );
    key
}

pub fn id_of(key: &str) -> String {
    ApiKey::parse(key).unwrap().id.as_str().to_owned()
}

/// A well-formed key that no database has.
pub fn unknown_key(tenant: &str) -> String {
    ApiKey::generate(&TenantId::parse(tenant).unwrap())
        .unwrap()
        .1
}
