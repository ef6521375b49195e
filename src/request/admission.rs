//! Who may make a call: the address it comes from, and its permit.

use std::{net::IpAddr, sync::Arc};

use axum::extract::Request;

use super::{Connection, Policy, route::Lasting, wire::RETRY_AFTER};
use crate::{
    domain::tenant::TenantId,
    error::{Error, ErrorReason, Result},
    permits::Permit,
};

impl Policy {
    /// The address of the client; `None` if the request did not arrive over a connection.
    pub(super) fn peer(&self, request: &Request) -> Option<IpAddr> {
        let connection = request.extensions().get::<Arc<Connection>>()?;
        Some(self.proxies.client(connection.client(), request.headers()))
    }

    /// Takes a permit for one call; UNAVAILABLE with reason OVERLOADED when the tenant can have none.
    pub(super) fn permit(&self, tenant: &TenantId, lasting: Lasting) -> Result<Permit> {
        let permits = match lasting {
            Lasting::Watch => &self.watches,
            Lasting::Unary | Lasting::Stream => &self.permits,
        };
        let permit = permits.try_acquire(tenant);
        permit.ok_or_else(|| {
            Error::unavailable("the service is overloaded", RETRY_AFTER)
                .because(ErrorReason::Overloaded)
        })
    }
}
