//! Callers: each has a connection or a share of one, requests one list again and again, and checks every answer.

use std::sync::Arc;

use http::{StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use outbound_tasks::{
    domain::list::ListRequest,
    pb::{
        DateRange, ListOutboundTasksRequest, ListOutboundTasksResponse,
        outbound_task_service_client::OutboundTaskServiceClient,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::{Result, lists::List};

const JSON_PATH: &str = "/api/v1/outboundtasks";
/// Callers that share a gRPC connection, as the calls of one client program do.
const CALLERS_A_CONNECTION: usize = 8;

/// A connection over HTTP/1.1.
pub(crate) type JsonConnection = http1::SendRequest<Empty<Bytes>>;

/// The address to call, and the key.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Host and port.
    pub(crate) address: String,
    /// The API key.
    pub(crate) key: String,
}

impl Target {
    /// A request with the key.
    pub(crate) fn request<T>(&self, message: T) -> Result<Request<T>> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("x-api-key", self.key.parse()?);
        Ok(request)
    }
}

/// A list, as a gRPC request and its right answer.
#[derive(Debug)]
pub(crate) struct GrpcCall {
    request: ListOutboundTasksRequest,
    key: MetadataValue<Ascii>,
    /// An answer that was compared with the database. Later answers are compared with it.
    pub(crate) right: ListOutboundTasksResponse,
}

/// The default list, as an HTTP request and its right answer.
#[derive(Debug)]
pub(crate) struct JsonCall {
    target: Target,
    /// The answer up to `as_of`, which differs from call to call.
    right: Bytes,
}

/// One of many different lists, over gRPC.
#[derive(Debug)]
pub(crate) struct MixedCall {
    /// Its right answer is known for some lists only.
    pub(crate) call: GrpcCall,
    /// Number of tasks that match.
    pub(crate) total: i64,
    /// Number of tasks on the page.
    pub(crate) tasks: usize,
}

/// One of the callers of a phase.
#[derive(Debug)]
pub(crate) enum Caller {
    /// Over gRPC.
    Grpc(OutboundTaskServiceClient<Channel>, Arc<GrpcCall>),
    /// Over gRPC, one list after the other.
    Mixed {
        client: OutboundTaskServiceClient<Channel>,
        calls: Arc<Vec<MixedCall>>,
        next: usize,
    },
    /// Over HTTP GET.
    Json(JsonConnection, Arc<JsonCall>),
}

impl GrpcCall {
    /// The call for a list.
    pub(crate) fn new(target: &Target, list: &List) -> Result<Self> {
        Ok(Self {
            request: message(&list.request),
            key: target.key.parse()?,
            right: ListOutboundTasksResponse::default(),
        })
    }

    /// Makes one call and compares the answer with the database.
    pub(crate) async fn learn(target: &Target, list: &List) -> Result<Self> {
        let mut call = Self::new(target, list)?;
        let mut client = OutboundTaskServiceClient::new(connect(&target.address).await?);
        let mut request = call.request();
        // A deep page by number in a long list takes long.
        request
            .metadata_mut()
            .insert("grpc-timeout", "30S".parse()?);
        call.right = client.list_outbound_tasks(request).await?.into_inner();
        let ids = call.right.tasks.iter().map(|task| &task.task_id);
        if i64::from(call.right.total) != list.total || !ids.eq(&list.ids) {
            return Err(format!("the first answer over gRPC is wrong: {:?}", list.request).into());
        }
        Ok(call)
    }

    /// Makes one call with the service's own deadline.
    pub(crate) async fn once(
        &self,
        target: &Target,
    ) -> Result<Result<ListOutboundTasksResponse, Status>> {
        let mut client = OutboundTaskServiceClient::new(connect(&target.address).await?);
        let answer = client.list_outbound_tasks(self.request()).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    fn request(&self) -> Request<ListOutboundTasksRequest> {
        let mut request = Request::new(self.request.clone());
        request.metadata_mut().insert("x-api-key", self.key.clone());
        request
    }

    fn is_right(&self, answer: &ListOutboundTasksResponse) -> bool {
        answer.total == self.right.total && answer.tasks == self.right.tasks
    }
}

impl JsonCall {
    /// Makes one call and compares the answer with the database.
    pub(crate) async fn learn(target: &Target, list: &List) -> Result<Self> {
        let mut call = Self {
            target: target.clone(),
            right: Bytes::new(),
        };
        let (_, body) = call.send(&mut open(&target.address).await?).await?;
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        let tasks = answer["tasks"]
            .as_array()
            .ok_or("the JSON answer has no tasks")?;
        let ids = tasks.iter().filter_map(|task| task["task_id"].as_str());
        let varies = body.windows(7).rposition(|part| part == b"\"as_of\"");
        match varies {
            Some(at) if answer["total"] == list.total && ids.eq(list.ids.iter()) => {
                call.right = body.slice(..at);
                Ok(call)
            }
            _ => Err("the service's first answer in JSON is wrong".into()),
        }
    }

    async fn send(&self, connection: &mut JsonConnection) -> Result<(StatusCode, Bytes)> {
        let request = http::Request::get(JSON_PATH)
            .header(header::HOST, &self.target.address)
            .header("x-api-key", &self.target.key)
            .body(Empty::new())?;
        connection.ready().await?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

impl MixedCall {
    fn is_right(&self, answer: &ListOutboundTasksResponse) -> bool {
        let is_known = !self.call.right.tasks.is_empty();
        i64::from(answer.total) == self.total
            && answer.tasks.len() == self.tasks
            && (!is_known || self.call.is_right(answer))
    }
}

impl Caller {
    /// Callers over gRPC, eight per connection.
    pub(crate) async fn grpc(
        address: &str,
        count: usize,
        call: &Arc<GrpcCall>,
    ) -> Result<Vec<Self>> {
        Self::grpc_by(async || connect(address).await, count, call).await
    }

    /// The same, on connections that `connect` opens.
    pub(crate) async fn grpc_by(
        connect: impl AsyncFn() -> Result<Channel>,
        count: usize,
        call: &Arc<GrpcCall>,
    ) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(count);
        while callers.len() < count {
            let client = OutboundTaskServiceClient::new(connect().await?);
            let share = CALLERS_A_CONNECTION.min(count - callers.len());
            callers.extend((0..share).map(|_| Self::Grpc(client.clone(), Arc::clone(call))));
        }
        Ok(callers)
    }

    /// Callers over gRPC, eight per connection, who begin at different lists.
    pub(crate) async fn mixed(
        address: &str,
        count: usize,
        calls: &Arc<Vec<MixedCall>>,
    ) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(count);
        while callers.len() < count {
            let client = OutboundTaskServiceClient::new(connect(address).await?);
            for _ in 0..CALLERS_A_CONNECTION.min(count - callers.len()) {
                callers.push(Self::Mixed {
                    client: client.clone(),
                    calls: Arc::clone(calls),
                    next: callers.len() * calls.len() / count,
                });
            }
        }
        Ok(callers)
    }

    /// Callers over HTTP/1.1, each with a connection of its own.
    pub(crate) async fn json(count: usize, call: &Arc<JsonCall>) -> Result<Vec<Self>> {
        Self::json_by(async || open(&call.target.address).await, count, call).await
    }

    /// The same, on connections that `open` opens.
    pub(crate) async fn json_by(
        open: impl AsyncFn() -> Result<JsonConnection>,
        count: usize,
        call: &Arc<JsonCall>,
    ) -> Result<Vec<Self>> {
        let mut callers = Vec::with_capacity(count);
        for _ in 0..count {
            callers.push(Self::Json(open().await?, Arc::clone(call)));
        }
        Ok(callers)
    }

    /// Makes one call. True for a right answer, false where the service was too busy. A wrong answer is an error.
    pub(crate) async fn call(&mut self) -> Result<bool> {
        match self {
            Self::Grpc(client, call) => {
                let answer = client.list_outbound_tasks(call.request()).await;
                judge(answer, |answer| call.is_right(answer))
            }
            Self::Mixed {
                client,
                calls,
                next,
            } => {
                let mixed = &calls[*next];
                *next = (*next + 1) % calls.len();
                let answer = client.list_outbound_tasks(mixed.call.request()).await;
                judge(answer, |answer| mixed.is_right(answer))
            }
            Self::Json(connection, call) => match call.send(connection).await? {
                (StatusCode::OK, body) if body.starts_with(&call.right) => Ok(true),
                (StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT, _) => Ok(false),
                (status, _) => Err(format!("an answer in JSON is wrong (status {status})").into()),
            },
        }
    }
}

fn judge(
    answer: Result<Response<ListOutboundTasksResponse>, Status>,
    is_right: impl Fn(&ListOutboundTasksResponse) -> bool,
) -> Result<bool> {
    match answer {
        Ok(answer) if is_right(answer.get_ref()) => Ok(true),
        Ok(_) => Err("an answer over gRPC is wrong".into()),
        Err(status) if is_busy(status.code()) => Ok(false),
        Err(status) => Err(status.into()),
    }
}

fn is_busy(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    )
}

pub(crate) async fn connect(address: &str) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint.connect().await?)
}

async fn open(address: &str) -> Result<JsonConnection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    speak(stream).await
}

/// Begins HTTP/1.1 on a stream.
pub(crate) async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<JsonConnection> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The request as a message.
fn message(request: &ListRequest) -> ListOutboundTasksRequest {
    let timestamp = |t: chrono::DateTime<chrono::Utc>| prost_types::Timestamp {
        seconds: t.timestamp(),
        nanos: 0,
    };
    let filter = &request.filter;
    ListOutboundTasksRequest {
        // The number of every page in a list of up to 2^31 tasks is an int32.
        page: request.page.unwrap_or_default() as i32,
        status: filter.statuses.iter().map(|s| s as i32).collect(),
        date_range: filter.start.or(filter.end).map(|_| DateRange {
            start: filter.start.map(timestamp),
            end: filter.end.map(timestamp),
        }),
        date_field: filter.date_field as i32,
        customer_id: filter.customer_id.clone().unwrap_or_default(),
        label: filter.labels.clone(),
        name: filter.name.clone().unwrap_or_default(),
        task_ids: filter.task_ids.clone(),
        order_by: request.order.by as i32,
        order: request.order.direction as i32,
        page_token: request.page_token.clone(),
        ..ListOutboundTasksRequest::default()
    }
}
