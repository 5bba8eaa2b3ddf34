//! Asking a hub something short: tried again when the network fails, and no for an answer understood.

use crate::Error;
use crate::pull::backoff::{Backoff, retry_after};
use hob_egress::{Address, Egress, Get, Response};
use serde::de::DeserializeOwned;

/// Longest listing or manifest taken.
const ANSWER_BYTES_MAX: u64 = 32 << 20;
/// Longest excuse shown.
const MESSAGE_CHARS_MAX: usize = 300;

/// A short answer.
pub(crate) struct Answer {
    pub text: String,
    /// The address of the next page of a listing.
    pub next: Option<String>,
}

/// Asks `address` for a text. `what` is named in errors.
pub(crate) fn ask(
    egress: &Egress,
    address: &Address,
    accept: &str,
    what: &str,
    wait: &mut Backoff<'_>,
) -> Result<Answer, Error> {
    loop {
        let get = Get { accept, ..Get::whole(address, ANSWER_BYTES_MAX) };
        let error = match egress.get(&get).and_then(|mut r| Ok((r.text()?, r))) {
            Ok((text, response)) if response.status() == 200 => {
                return Ok(Answer { text, next: next_page(&response) });
            }
            Ok((text, response)) => {
                let after = retry_after(&response);
                let error = refusal(&response, &text, what);
                if !is_passing(response.status()) {
                    return Err(error);
                }
                wait.failed(error, after)
            }
            Err(error) if error.is_transient() => wait.failed(error.into(), None),
            Err(error) => Err(error.into()),
        };
        error?;
    }
}

/// Reads JSON that a hub sent.
pub(crate) fn json<T: DeserializeOwned>(text: &str, what: &str, expected: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::Answer {
        what: what.to_owned(),
        expected,
        found: e.to_string(),
    })
}

/// Whether a status may be another one a little later.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=529)
}

/// What a status other than the wanted ones means. `body` may hold the hub's words.
pub(crate) fn refusal(response: &Response, body: &str, what: &str) -> Error {
    let host = response.origin().host().to_owned();
    let code = response.header("x-error-code").unwrap_or_default();
    let message = response.header("x-error-message").map_or_else(|| said(body), harmless);
    let what = what.to_owned();
    match (response.status(), code) {
        (401, "GatedRepo") => {
            let advice =
                "log in at the hub, accept its terms, and give an access token (HF_TOKEN or --token-file)";
            Error::Gated { repo: what, advice: advice.into() }
        }
        (403, _) if code == "GatedRepo" => {
            let advice = "the token is known, but has no access yet; accept the terms on the model's page";
            Error::Gated { repo: what, advice: advice.into() }
        }
        // The hub answers so for what does not exist and for what is private.
        (401, _) => {
            let message =
                "it does not exist, or it is private and needs an access token (HF_TOKEN or --token-file)"
                    .into();
            Error::NotThere { what, host, message }
        }
        (404 | 410, _) => Error::NotThere { what, host, message },
        (status, _) => Error::Refused { what, host, status, message },
    }
}

/// The `error` or `errors[0].message` of a JSON body.
fn said(body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let text = value["error"].as_str().or_else(|| value["errors"][0]["message"].as_str());
    harmless(text.unwrap_or_default())
}

fn harmless(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The `rel="next"` of a `Link` header.
fn next_page(response: &Response) -> Option<String> {
    let link = response.header("link")?;
    let next = link.split(',').find(|part| part.replace(' ', "").contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}
