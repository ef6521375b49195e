//! A plain HTTP client: the GET form, and gRPC and gRPC-Web frame by frame.

use std::net::SocketAddr;

use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use prost::Message;

/// Why there is no answer, or only a part of one.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    pub key: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The message (of a stream the last one) and the trailers of a call. The trailers are in the head if there is no
    /// message, else after the body in gRPC, and in a frame of the body in gRPC-Web.
    pub fn unary<A: Message + Default>(&self) -> (Option<A>, HeaderMap) {
        assert_eq!(self.status, StatusCode::OK);
        let (mut message, mut trailers) = (None, self.headers.clone());
        trailers.extend(self.trailers.clone());
        let mut rest = &self.body[..];
        while let [kind, a, b, c, d, tail @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (frame, tail) = tail.split_at(length);
            rest = tail;
            if *kind == 0 {
                message = Some(A::decode(frame).unwrap());
            } else {
                for line in std::str::from_utf8(frame).unwrap().lines() {
                    let (name, value) = line.split_once(':').unwrap();
                    let name: http::HeaderName = name.parse().unwrap();
                    trailers.insert(name, value.trim().parse().unwrap());
                }
            }
        }
        assert!(rest.is_empty(), "a frame is cut off");
        (message, trailers)
    }
}

/// Head and body of a request are two writes. The second one must not wait for the ACK of the first (TCP_NODELAY).
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

impl Http {
    pub fn new(address: SocketAddr, key: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector()),
            base: format!("http://{address}"),
            key: key.to_owned(),
        }
    }

    /// The same over HTTP/2 only.
    pub fn http2(address: SocketAddr, key: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new())
                .http2_only(true)
                .build(connector()),
            ..Self::new(address, key)
        }
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let sent = self.try_send(method, path, headers, body).await;
        sent.unwrap()
    }

    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, Error> {
        read(self.open(method, path, headers, body).await?).await
    }

    /// The same up to the answer's head.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        Ok(self.client.request(request).await?)
    }

    /// The list with these parameters, encoded as in a URL, and with the key as a header.
    pub async fn list(&self, query: &str) -> Answer {
        self.get(&format!("/api/v1/outboundtasks?{query}")).await
    }

    /// The resource at this path, with the key as a header.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("x-api-key", &self.key)], Vec::new())
            .await
    }

    /// A unary call as a browser makes it. Returns the message and the trailers.
    pub async fn grpc_web<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        request: &Q,
    ) -> (Option<A>, HeaderMap) {
        let headers = [
            ("content-type", "application/grpc-web+proto"),
            ("x-grpc-web", "1"),
            ("x-api-key", self.key.as_str()),
            ("origin", "https://console.example.com"),
        ];
        let body = frame(request);
        let answer = self.send(Method::POST, path, &headers, body).await;
        answer.unary()
    }
}

/// Sends a request with this beginning of a body, which does not end. Returns the answer that comes all the same.
pub async fn half_send(
    address: SocketAddr,
    is_http2: bool,
    path: &str,
    headers: &[(&str, &str)],
    begin: &[u8],
) -> Result<Answer, Error> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(is_http2)
        .build(connector());
    let mut request = Request::post(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let begin = Frame::data(Bytes::copy_from_slice(begin));
    let rest = futures_util::stream::pending();
    let body = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(begin)]).chain(rest);
    let request = request.body(StreamBody::new(body)).unwrap();
    read(client.request(request).await?).await
}

/// Reads an answer to its end.
pub async fn read(response: Response<Incoming>) -> Result<Answer, Error> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?;
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        trailers: body.trailers().cloned().unwrap_or_default(),
        body: body.to_bytes().to_vec(),
    })
}

/// A message as gRPC and gRPC-Web send it.
pub fn frame(message: &impl Message) -> Vec<u8> {
    let length = (message.encoded_len() as u32).to_be_bytes();
    [&[0], &length[..], &message.encode_to_vec()].concat()
}
