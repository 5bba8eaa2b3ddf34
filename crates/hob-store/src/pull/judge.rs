//! Whether an answer is what was asked for, of the content that was planned; and what any other answer means.

use super::backoff::retry_after;
use super::worker::{Failure, Job, lock};
use crate::hub::ask::{is_passing, refusal};
use crate::{Digest, Error};
use hob_egress::Response;

impl Job<'_> {
    /// Whether a 206 has the bytes that were asked for, of the file that was meant.
    pub(super) fn check_part(&self, response: &Response, start: u64, end: u64) -> Result<(), Failure> {
        let header = response.header("content-range").unwrap_or_default().to_owned();
        let Some((first, last, all)) = parse_content_range(&header) else {
            let host = response.origin().host().to_owned();
            let found = format!("no usable Content-Range in an answer of a part: {header:?}");
            return Err(Failure::Passing(hob_egress::Error::Protocol { host, found }.into(), None));
        };
        if all.is_some_and(|all| all != self.remote.bytes) {
            return Err(self.changed(response).into());
        }
        if (first, last) != (start, end - 1) {
            let host = response.origin().host().to_owned();
            let found = format!("bytes {first} to {last} where {start} to {} were asked for", end - 1);
            return Err(Failure::Passing(hob_egress::Error::Protocol { host, found }.into(), None));
        }
        self.check_same(response)
    }

    /// Whether the answer is about the content that was planned.
    pub(super) fn check_same(&self, response: &Response) -> Result<(), Failure> {
        let plain = |tag: &str| tag.trim_start_matches("W/").trim_matches('"').to_owned();
        let linked = response.first_header("x-linked-etag").map(plain);
        if let (Some(linked), Some(expected)) = (&linked, self.remote.sha256)
            && let Ok(found) = Digest::parse(linked)
            && found != expected
        {
            return Err(self.changed(response).into());
        }
        let size = response.first_header("x-linked-size").and_then(|s| s.parse::<u64>().ok());
        let length = response
            .header("content-length")
            .and_then(|s| s.parse().ok())
            .filter(|_| response.status() == 200);
        if size.or(length).is_some_and(|size| size != self.remote.bytes) {
            return Err(self.changed(response).into());
        }
        // With a digest, what comes is judged by that; tags differ from one server of a network to the next.
        if self.remote.sha256.is_some() {
            return Ok(());
        }
        let Some(found) = linked.or_else(|| response.header("etag").map(plain)) else { return Ok(()) };
        let mut etag = lock(&self.etag);
        match &*etag {
            Some(known) if *known != found => Err(self.changed(response).into()),
            Some(_) => Ok(()),
            None => {
                lock(&self.journal).etag(&found)?;
                *etag = Some(found);
                Ok(())
            }
        }
    }

    pub(super) fn changed(&self, response: &Response) -> Error {
        Error::Changed { file: self.remote.path.to_string(), host: response.origin().host().to_owned() }
    }

    /// What any other status means.
    pub(super) fn refused(&self, response: &mut Response) -> Failure {
        let after = retry_after(response);
        // Excuses are short; one that is not is none.
        let text = if response.header("content-length").is_some_and(|n| n.len() <= 4) {
            response.text().unwrap_or_default()
        } else {
            String::new()
        };
        let what = match response.first_header("x-error-code") {
            Some("GatedRepo") => "the repository".to_owned(),
            _ => self.remote.path.to_string(),
        };
        let error = refusal(response, &text, &what);
        // A signed address that has run out is refused by the storage; the hub signs a new one.
        let is_stale = response.status() == 403 && response.origin() != self.remote.address.origin();
        if is_passing(response.status()) || is_stale {
            Failure::Passing(error, after)
        } else {
            Failure::Final(error)
        }
    }
}

/// `bytes FIRST-LAST/ALL`, where ALL may be `*`.
fn parse_content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, all) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let all = if all == "*" { None } else { Some(all.parse().ok()?) };
    Some((first.parse().ok()?, last.parse().ok()?, all))
}
