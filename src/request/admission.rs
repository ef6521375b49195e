//! Who may make a call: the address it comes from, its key, and its permit.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::extract::Request;

use super::{Connection, log::Source, policy::Policy, route::Lasting, wire::RETRY_AFTER};
use crate::{
    app::{Access, Caller},
    domain::tenant::TenantId,
    error::{Error, ErrorKind, ErrorReason, Result},
    permits::Permit,
};

impl Policy {
    /// The address of the client; `None` if the request did not arrive over a connection.
    pub(super) fn peer(&self, request: &Request) -> Option<IpAddr> {
        let connection = request.extensions().get::<Arc<Connection>>()?;
        Some(self.proxies.client(connection.client(), request.headers()))
    }

    /// Authenticates a key. A call without a valid key is counted for its address.
    pub(super) async fn authenticate(
        &self,
        key: Option<&str>,
        access: Access,
        source: &mut Source,
    ) -> Result<Caller> {
        let Source {
            peer, is_suspect, ..
        } = source;
        let check = || {
            *is_suspect = peer.is_some_and(|peer| self.failed_keys.is_exceeded(peer));
            *is_suspect
        };
        let authenticated = self.app.authenticate_as(key, access, check).await;
        *is_suspect = false;
        let Err(error) = authenticated else {
            return authenticated;
        };
        if error.kind() != ErrorKind::Unauthenticated {
            return Err(error);
        }
        match peer.and_then(|peer| Some((peer, self.failed_keys.count(peer)?))) {
            None => Err(error),
            Some((peer, wait)) => Err(self.too_many_failed_keys(peer, wait)),
        }
    }

    fn too_many_failed_keys(&self, peer: IpAddr, wait: Duration) -> Error {
        self.metrics.failed_keys_refused().inc();
        if self.failed_keys.log.is_due() {
            tracing::warn!(
                %peer,
                "calls are refused because too many without a valid key came from their address; the metric \
                 failed_keys_refused counts them, and the log repeats this at most once a minute"
            );
        }
        let text = "too many calls without a valid key came from this address";
        Error::new(ErrorKind::ResourceExhausted, text)
            .because(ErrorReason::TooManyFailedKeys)
            .with_retry_after(wait)
    }

    /// Counts a call that a quota refused.
    pub(super) fn count_quota(&self, error: &Error) {
        let quota = error.facts().iter().find(|(name, _)| *name == "quota");
        if let Some((_, quota)) = quota {
            self.metrics.quota_refused(quota);
        }
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
