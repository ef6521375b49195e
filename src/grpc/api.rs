//! What all rpc handlers use: the application and the caller.

use std::sync::Arc;

use tonic::Request;

use crate::{
    app::{App, Caller},
    error::{Error, Result},
};

/// The gRPC service: parses requests, calls the application, renders responses.
#[derive(Debug, Clone)]
pub struct OutboundTaskApi(pub Arc<App>);

/// The caller, whose key the middleware has authenticated.
pub(super) fn caller<T>(request: &mut Request<T>) -> Result<Caller> {
    let caller = request.extensions_mut().remove::<Caller>();
    caller.ok_or_else(|| Error::internal("a call without a caller"))
}
