//! HTTP/2 frame by frame, for clients that do what no library does.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
/// The setting of the initial window of a stream (SETTINGS_INITIAL_WINDOW_SIZE).
pub const INITIAL_WINDOW: u16 = 4;

/// A received frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection after its preface and empty settings.
pub async fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    stream.write_all(preface).await.unwrap();
    stream
}

/// A connection with this initial window of its streams, in bytes.
pub async fn connect_with_window(address: SocketAddr, window: u32) -> TcpStream {
    let mut stream = connect(address).await;
    let mut setting = INITIAL_WINDOW.to_be_bytes().to_vec();
    setting.extend(window.to_be_bytes());
    send(&mut stream, SETTINGS, 0, 0, &setting).await;
    stream
}

/// Sends a frame.
pub async fn send(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let frame = bytes(kind, flags, id, payload);
    stream.write_all(&frame).await.unwrap();
}

/// Sends a GET.
pub async fn get(stream: &mut TcpStream, id: u32, path: &str, headers: &[(&str, &str)]) {
    let mut all = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
    ];
    all.extend(headers);
    send(stream, HEADERS, 5, id, &block(&all)).await;
}

/// Headers as literals without indexing.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let fields = headers.iter().flat_map(|(name, value)| header(name, value));
    fields.collect()
}

/// The next frame; `None` where the connection ends, in whatever way.
pub async fn next_frame(stream: &mut TcpStream) -> Option<Frame> {
    let (kind, stream, payload) = next(stream).await.ok()?;
    Some(Frame {
        kind,
        stream,
        payload,
    })
}

/// The payload of the first frame of this type.
pub async fn frame(stream: &mut TcpStream, wanted: u8) -> Vec<u8> {
    loop {
        let (kind, _, payload) = next(stream).await.unwrap();
        if kind == wanted {
            return payload;
        }
    }
}

/// The bytes of a frame.
pub fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header as a literal without indexing.
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0, name.len() as u8];
    field.extend(name.bytes());
    field.push(value.len() as u8);
    field.extend(value.bytes());
    field
}

/// The next frame: its type, its stream, its payload.
pub async fn next(stream: &mut TcpStream) -> std::io::Result<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Ok((head[3], id, payload))
}
