//! The JSON form of messages, which the Connect protocol sends instead of protobuf.
//!
//! The descriptor of the contract says how each message is written, so no rpc needs code of its own. The form is ProtoJSON
//! (protobuf.dev, "ProtoJSON Format"): enums by name, `int64` as text, times of RFC 3339. Requests may name fields as the
//! contract does (`task_id`) or in lowerCamelCase (`taskId`); answers name them as the contract does and hold all fields
//! that are not messages, also those with the default value.

mod examine;
mod leap;
mod mask;
mod repeated;

use std::{collections::HashMap, sync::LazyLock};

use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    SerializeOptions,
};
use prost_types::Any;
use serde_json::Value;

use self::mask::Mask;
use crate::{
    error::{Error, Reason, Result, Violation, Violations},
    pb,
};

/// The request field that names the fields of each task to return.
const MASK: &str = "read_mask";
const TASK: &str = "outboundtasks.v1.OutboundTask";
const READ: DeserializeOptions = DeserializeOptions::new();
const WRITE: SerializeOptions = SerializeOptions::new()
    .use_proto_field_name(true)
    .skip_default_fields(false);
/// How much larger than protobuf JSON is assumed to be, so that the buffer seldom grows.
const GROWTH: usize = 3;

/// The messages of the contract, of the health service, and of the details of errors.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::new();
    for set in [
        pb::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ] {
        pool.decode_file_descriptor_set(set)
            .expect("the descriptors are written by build scripts");
    }
    pool
});

/// The rpcs by path.
static RPCS: LazyLock<HashMap<String, JsonRpc>> = LazyLock::new(|| {
    let services = POOL.services();
    let rpcs = services.flat_map(|service| {
        let methods: Vec<_> = service.methods().collect();
        methods.into_iter().map(move |method| {
            let path = format!("/{}/{}", service.full_name(), method.name());
            let rpc = JsonRpc {
                input: method.input(),
                output: method.output(),
                is_stream: method.is_client_streaming() || method.is_server_streaming(),
            };
            (path, rpc)
        })
    });
    rpcs.collect()
});

/// Reads the descriptors, so that the first call does not wait for it.
pub(crate) fn load() {
    LazyLock::force(&RPCS);
}

/// Whether the service serves this path or another one of the same gRPC service.
pub(crate) fn is_of_a_service(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    service.is_some_and(|(service, _)| POOL.get_service_by_name(service).is_some())
}

/// An rpc whose messages can be read from JSON and written as JSON.
#[derive(Debug)]
pub(crate) struct JsonRpc {
    input: MessageDescriptor,
    output: MessageDescriptor,
    /// Whether a stream of messages goes in either direction.
    pub(crate) is_stream: bool,
}

/// The fields of each task that an answer shows; `None` for all.
pub(crate) type Shown = Option<Vec<String>>;

impl JsonRpc {
    /// The rpc at a path.
    pub(crate) fn at(path: &str) -> Option<&'static Self> {
        RPCS.get(path)
    }

    /// Encodes a request from JSON. INVALID_ARGUMENT names each field with an unknown name or a value of another type, and
    /// each one that is given twice.
    pub(crate) fn encode(&self, json: &[u8]) -> Result<(Vec<u8>, Shown)> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let read = DynamicMessage::deserialize_with_options(self.input.clone(), &mut reader, &READ);
        let repeated = repeated::request(json, &self.input);
        let message = match read.and_then(|message| reader.end().map(|()| message)) {
            Ok(message) if repeated.is_empty() && !leap::is_in(json) => message,
            _ => self.encode_carefully(json, repeated)?,
        };
        Ok((message.encode_to_vec(), shown(&message)))
    }

    /// Reads a request again whose reading failed, to find everything that is wrong with it besides `repeated`. It may be
    /// nothing: field masks may name fields as the contract does, and times may have leap seconds.
    fn encode_carefully(&self, json: &[u8], repeated: Violations) -> Result<DynamicMessage> {
        let of_message = |why| Error::invalid(vec![Violation::new("message", why)]);
        if json.is_empty() {
            let form = "a JSON object, and the body is empty: {} is the empty message";
            return Err(of_message(Reason::Malformed { form }));
        }
        let mut value: Value = serde_json::from_slice(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            of_message(Reason::NotJson { line, column })
        })?;
        let masks = Mask::take_all(&mut value, &self.input);
        leap::resolve(&mut value, &self.input);
        let mut violations = examine::request(&value, &self.input);
        violations.append(repeated);
        if !violations.is_empty() {
            return Err(Error::invalid(violations));
        }
        let mut message =
            DynamicMessage::deserialize_with_options(self.input.clone(), value, &READ)
                .map_err(|error| of_message(Reason::Undecodable).caused_by(error))?;
        for mask in masks {
            mask.put(&mut message);
        }
        Ok(message)
    }

    /// Writes an answer as JSON.
    pub(crate) fn decode(&self, message: &[u8], shown: &Shown) -> Result<Vec<u8>> {
        let message =
            DynamicMessage::decode(self.output.clone(), message).map_err(Error::internal)?;
        let mut json = Vec::with_capacity(message.encoded_len() * GROWTH);
        let Some(shown) = shown else {
            let mut writer = serde_json::Serializer::new(&mut json);
            let written = message.serialize_with_options(&mut writer, &WRITE);
            return written.map(|()| json).map_err(Error::internal);
        };
        let value = message.serialize_with_options(serde_json::value::Serializer, &WRITE);
        let mut value = value.map_err(Error::internal)?;
        for field in self.output.fields().filter(is_of_tasks) {
            let tasks = match &mut value[field.name()] {
                Value::Array(tasks) => tasks.as_mut_slice(),
                task => std::slice::from_mut(task),
            };
            // A field that was not asked for is unset, and would look like one with the default value.
            for task in tasks.iter_mut().filter_map(Value::as_object_mut) {
                task.retain(|name, _| shown.iter().any(|field| field == name));
            }
        }
        serde_json::to_writer(&mut json, &value).map_err(Error::internal)?;
        Ok(json)
    }
}

/// What the field mask of a request asks for.
fn shown(request: &DynamicMessage) -> Shown {
    let mask = request.get_field_by_name(MASK)?;
    let paths = mask.as_message()?.get_field_by_name("paths")?;
    let paths = paths.as_list()?.iter().filter_map(|path| path.as_str());
    let paths: Vec<_> = paths.map(str::to_owned).collect();
    (!paths.is_empty()).then_some(paths)
}

fn is_of_tasks(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.full_name() == TASK)
}

/// The detail of an error as JSON; `None` for a message that is not in the pool, or that is not one.
pub(crate) fn detail(detail: &Any) -> Option<Value> {
    let (_, name) = detail.type_url.rsplit_once('/')?;
    let message = DynamicMessage::decode(POOL.get_message_by_name(name)?, &*detail.value).ok()?;
    let written = message.serialize_with_options(serde_json::value::Serializer, &WRITE);
    written.ok()
}
