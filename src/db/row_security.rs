//! Row-level security: a second wall between tenants, besides the condition on the tenant in every statement.
//!
//! Every table with a `tenant_id` has a policy (PostgreSQL, "Row Security Policies"): a role that does not own the table
//! sees and changes only rows of the tenant in the setting `outbound_tasks.tenant`, and a statement without the setting
//! fails. Policies do not apply to the owner, so a service that connects as the owner has the first wall only, and pays
//! nothing for the second.
//!
//! Each connection knows from its start whether its role is restricted. If so, [`Tenancy`] remembers the tenant that is
//! set. Before a statement for another tenant, [`Connection::run`](super::session::Connection) sends a SET in the same
//! round trip. No value stands for all tenants: the four queries over all of them are functions that run as the owner and
//! return nothing but ids (`tenants_all`, `tenants_due`, `tenants_with_foreign_log`) or numbers (`tenants_waiting`). The
//! search of names runs as the owner for the tenant of the setting, because a policy would keep it from its index.

use super::{error::Failure, raw_session::RawSession};
use crate::domain::tenant::TenantId;

/// Whether policies restrict the role of a session: it is no superuser, has no BYPASSRLS, and is neither the owner of the
/// tables nor a member of the owner. Without the tables nobody knows yet who will own them.
const IS_RESTRICTED: &str = "NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AND NOT \
    coalesce((SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = to_regclass('tenants')), false)";
/// Fixes the search_path: the schemas in it that exist now, and temporary objects last instead of first. So a schema or
/// a temporary table that is created later cannot take the place of a table or function of the service. It stays as it
/// is while it names no schema, because temporary tables would be created instead.
const FIX_SEARCH_PATH: &str = "CASE WHEN current_schema() IS NOT NULL THEN set_config('search_path', \
    (SELECT string_agg(quote_ident(name), ', ' ORDER BY number) \
    FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, number)) || ', pg_temp', false) END";

/// Fixes the search_path of a session, in which triggers must run. Returns the process id of its backend, and whether its
/// role is restricted.
pub(super) async fn begin_session(session: &mut RawSession) -> Result<(i32, bool), Failure> {
    let begin = format!(
        "SELECT concat_ws(' ', pg_backend_pid(), ({IS_RESTRICTED})::text, \
         current_setting('session_replication_role'), left({FIX_SEARCH_PATH}, 0))"
    );
    let facts = session.ask(&begin).await?;
    let facts = facts.as_deref().and_then(|facts| {
        let mut words = facts.split_whitespace();
        let backend = words.next()?.parse().ok()?;
        Some((backend, words.next()? == "true", words.next()? == "replica"))
    });
    match facts {
        Some((_, _, true)) => Err(Failure::WithoutTriggers),
        Some((backend, is_restricted, false)) => Ok((backend, is_restricted)),
        None => Err(Failure::Io(std::io::ErrorKind::InvalidData.into())),
    }
}

/// The statement that sets the tenant of a session. The alphabet of ids needs no escapes.
pub(super) fn set_tenant(tenant: &TenantId) -> String {
    format!("SET outbound_tasks.tenant = '{tenant}'")
}

/// The tenant whose rows a session can reach.
#[derive(Debug, Default)]
pub(super) struct Tenancy {
    is_restricted: bool,
    /// The tenant that is set in the session.
    set: Option<TenantId>,
    /// The tenant to be set before the next statement.
    next: Option<TenantId>,
}

impl Tenancy {
    /// The state of a new session.
    pub(super) fn new(is_restricted: bool) -> Self {
        Self {
            is_restricted,
            ..Self::default()
        }
    }

    /// Whether statements of this tenant need no SET.
    pub(super) fn suits(&self, tenant: &TenantId) -> bool {
        !self.is_restricted || self.set.as_ref() == Some(tenant)
    }

    /// Lets the next statements reach the rows of `tenant`.
    pub(super) fn enter(&mut self, tenant: &TenantId) {
        self.next = (!self.suits(tenant)).then(|| tenant.clone());
    }

    /// The tenant that has to be set before the next statement. Until [`Tenancy::entered`] says that it was, none is
    /// taken for set: the SET may be lost with a dropped future.
    pub(super) fn take_next(&mut self) -> Option<TenantId> {
        let next = self.next.take()?;
        self.set = None;
        Some(next)
    }

    /// Records that the SET succeeded.
    pub(super) fn entered(&mut self, tenant: TenantId) {
        self.set = Some(tenant);
    }
}
