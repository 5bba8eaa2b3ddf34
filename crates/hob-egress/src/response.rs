//! Answers: status, a few headers, and a body that ends where the caller said.

use crate::receipt::Receipt;
use crate::{Error, Origin};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use ureq::BodyReader;
use ureq::http::HeaderMap;

/// Longest header value looked at.
const HEADER_CHARS_MAX: usize = 8192;

/// An answer, after redirects.
pub struct Response {
    pub(crate) status: u16,
    /// Who answered last.
    pub(crate) origin: Origin,
    /// Headers of the place that was asked and of each redirect after it, in that order; the last is the answer's.
    pub(crate) headers: Vec<HeaderMap>,
    pub(crate) body: BodyReader<'static>,
    pub(crate) bytes_max: u64,
    pub(crate) bytes_read: u64,
    pub(crate) stopped: Arc<AtomicBool>,
    pub(crate) receipt: Receipt,
}

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Who answered, after redirects.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The number of the ledger's entry of the request.
    pub fn entry(&self) -> u64 {
        self.receipt.number
    }

    /// Says what the request cost, as its answer tells. Until then it is taken to cost the most that it can.
    pub fn cost(&mut self, micro: u64) {
        self.receipt.outcome.cost_micro = micro;
    }

    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.last().and_then(|headers| text(headers, name))
    }

    /// A header of the place that was asked, whether it answered itself or redirected.
    pub fn first_header(&self, name: &str) -> Option<&str> {
        self.headers.first().and_then(|headers| text(headers, name))
    }

    /// The next bytes of the body; none at its end.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the body goes on beyond the caller's limit, [`Error::Stalled`], [`Error::Io`] when the
    /// connection ends before the body, [`Error::Stopped`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let read = self.read_within(buffer);
        match &read {
            Ok(read) => self.receipt.outcome.received += *read as u64,
            Err(error) => self.receipt.failed(error),
        }
        read
    }

    fn read_within(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let host = || self.origin.host().to_owned();
        let left = self.bytes_max - self.bytes_read;
        // One byte more than is allowed tells a body that ends from one that goes on.
        let room = usize::try_from(left.saturating_add(1)).unwrap_or(usize::MAX).min(buffer.len());
        let stopped = || self.stopped.load(Ordering::Relaxed);
        if stopped() {
            return Err(Error::Stopped);
        }
        let read = match self.body.read(&mut buffer[..room]) {
            Ok(read) => read,
            Err(source) => return Err(Error::from_io(source, self.origin.host(), stopped())),
        };
        if read as u64 > left {
            return Err(Error::TooLong { host: host(), bytes_max: self.bytes_max });
        }
        self.bytes_read += read as u64;
        Ok(read)
    }

    /// The whole body, which has to be text.
    ///
    /// # Errors
    /// As [`Response::read`], and [`Error::Protocol`] when it is not UTF-8.
    pub fn text(&mut self) -> Result<String, Error> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 16384];
        loop {
            match self.read(&mut buffer)? {
                0 => break,
                read => bytes.extend_from_slice(&buffer[..read]),
            }
        }
        String::from_utf8(bytes).map_err(|_| Error::Protocol {
            host: self.origin.host().to_owned(),
            found: "the answer is not UTF-8 text".into(),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|v| v.len() <= HEADER_CHARS_MAX)
}
