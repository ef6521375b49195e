//! What every call of the service starts from: the application, and the caller.

use std::sync::Arc;

use tonic::Request;

use crate::{
    app::{App, Caller},
    error::{Error, Result},
};

/// The service: reads a request, calls the application, writes its answer.
#[derive(Debug, Clone)]
pub struct OutboundTaskApi(pub Arc<App>);

/// Who makes a call; the request's middleware has checked the key.
pub(super) fn caller<T>(request: &mut Request<T>) -> Result<Caller> {
    let caller = request.extensions_mut().remove::<Caller>();
    caller.ok_or_else(|| Error::internal("a call without a caller"))
}
