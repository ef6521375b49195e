//! The file of a caller, chunk by chunk.

use std::io::{self, Read};

use tokio::sync::mpsc;

/// A part of the file.
#[derive(Debug)]
pub enum Chunk {
    /// Its next bytes.
    Bytes(Vec<u8>),
    /// The end of the file. Without it, the file is incomplete.
    End,
}

/// The file on its way from the call to the reader's thread.
#[derive(Debug)]
pub struct Chunks {
    receiver: mpsc::Receiver<Chunk>,
    bytes: Vec<u8>,
    /// How many of `bytes` were read.
    at: usize,
    is_end: bool,
}

impl Chunks {
    /// A file, and where to send its chunks. The sender waits while the reader is behind.
    pub fn channel() -> (mpsc::Sender<Chunk>, Self) {
        let (sender, receiver) = mpsc::channel(1);
        let chunks = Self {
            receiver,
            bytes: Vec::new(),
            at: 0,
            is_end: false,
        };
        (sender, chunks)
    }
}

impl Read for Chunks {
    /// Blocks until the caller has sent more.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.bytes.len() && !self.is_end {
            match self.receiver.blocking_recv() {
                Some(Chunk::Bytes(bytes)) => (self.bytes, self.at) = (bytes, 0),
                Some(Chunk::End) => self.is_end = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = (&self.bytes[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
