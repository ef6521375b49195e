//! The rpcs, from the contract's descriptor, so that a test cannot miss a new one.

use outbound_tasks::pb::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, MessageDescriptor};

pub struct Rpc {
    pub name: String,
    pub path: String,
    pub input: MessageDescriptor,
    pub output: MessageDescriptor,
    /// Whether messages stream in either direction.
    pub is_stream: bool,
}

/// The rpcs about tasks.
pub fn rpcs() -> Vec<Rpc> {
    let rpcs = all_rpcs().into_iter();
    rpcs.filter(|rpc| {
        rpc.path
            .starts_with("/outboundtasks.v1.OutboundTaskService/")
    })
    .collect()
}

/// The rpcs of every service of the contract.
pub fn all_rpcs() -> Vec<Rpc> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut rpcs = Vec::new();
    for service in pool.services() {
        rpcs.extend(service.methods().map(|method| Rpc {
            name: method.name().to_owned(),
            path: format!("/{}/{}", service.full_name(), method.name()),
            input: method.input(),
            output: method.output(),
            is_stream: method.is_client_streaming() || method.is_server_streaming(),
        }));
    }
    rpcs
}
