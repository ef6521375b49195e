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

pub fn rpcs() -> Vec<Rpc> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("outboundtasks.v1.OutboundTaskService");
    let service = service.unwrap();
    let rpcs = service.methods().map(|method| Rpc {
        name: method.name().to_owned(),
        path: format!("/{}/{}", service.full_name(), method.name()),
        input: method.input(),
        output: method.output(),
        is_stream: method.is_client_streaming() || method.is_server_streaming(),
    });
    rpcs.collect()
}
