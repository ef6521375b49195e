//! What all rpc handlers use: the application and the caller.

use std::sync::Arc;

use tonic::Request;

use crate::{
    app::{App, Caller},
    error::{Error, Result},
};

/// The gRPC service: parses requests, calls the application, renders responses.
#[derive(Debug, Clone)]
pub struct OutboundTaskApi {
    /// The application.
    pub app: Arc<App>,
    /// The maximum size of the file of an import, in bytes.
    pub max_import_bytes: usize,
}

/// The gRPC service of keys.
#[derive(Debug, Clone)]
pub struct KeyApi(pub Arc<App>);

/// The caller, whose key the middleware has authenticated.
pub(super) fn caller<T>(request: &mut Request<T>) -> Result<Caller> {
    let caller = request.extensions_mut().remove::<Caller>();
    caller.ok_or_else(|| Error::internal("a call without a caller"))
}
