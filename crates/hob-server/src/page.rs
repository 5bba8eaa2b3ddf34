//! The page that people see: the files of `web/dist`, which the build script put here.

use crate::problem::{Dialect, Kind, Problem};
use crate::wire;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// Where the page's files are, after a slash; the same as `base` in `web/vite.config.ts`.
pub const FOLDER: &str = "/page/";

/// What the page may do: load its own files and speak to its own server. Text of models and titles of chats become text
/// nodes; should one slip into markup all the same, no script of it runs, nothing is fetched and no form is sent. Svelte
/// makes its own templates through the first policy that is named; the second makes one address, that of [`WORKER`].
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    font-src 'self'; connect-src 'self'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html hob-worker";

/// The script that keeps the page's files in the browser. It lies in the folder of the page and answers for `/`, which browsers
/// allow only where the server does.
const WORKER: &str = "sw.js";

/// What `/` says to programs. Ollama's clients look for its words.
const GREETING: &str = "Hob is running. Ollama is running, as far as its clients are concerned.\n";

/// What `/` says to people when the program was built without the page.
const MISSING: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Hob</title>
<h1>Hob is running</h1>
<p>This build answers programs, but the page for people is not in it.</p>
<p>To get it, in Hob's source folder, with Node 20 or newer installed:</p>
<pre>cargo xtask web
cargo build --release</pre>
<p>Then start <code>hob serve</code> again. Until then, <code>hob chat</code> chats in the terminal, and programs find
the OpenAI interface under <code>/v1</code>.</p>
</html>
";

/// Whether this build carries the page.
pub fn has_page() -> bool {
    bytes("index.html").is_some()
}

/// `GET /`: the page for browsers, one line for everybody else.
pub async fn root(headers: HeaderMap) -> Response {
    if !wants_page(&headers) {
        return with_vary(wire::text(GREETING.into(), "text/plain; charset=utf-8"));
    }
    with_vary(match bytes("index.html") {
        Some(bytes) => answer("index.html", bytes),
        None => protect(wire::text(MISSING.into(), "text/html; charset=utf-8")),
    })
}

/// `GET /page/{file}`.
pub async fn file(Path(name): Path<String>) -> Response {
    match bytes(&name) {
        Some(bytes) => answer(&name, bytes),
        None => {
            let message = "the page has no such file; if it was updated meanwhile, reload it";
            Problem::new(Kind::NotFound, message).code("unknown_url").respond(Dialect::OpenAi)
        }
    }
}

/// Browsers name HTML among what they accept when an address is opened; programs hardly ever do.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|accepted| accepted.to_ascii_lowercase().contains("text/html"))
}

fn bytes(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

fn answer(name: &str, bytes: &'static [u8]) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    // Vite puts a digest of their content into the names of files in `assets`; the others are asked for anew.
    let kept = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    if name == WORKER {
        headers.insert(HeaderName::from_static("service-worker-allowed"), HeaderValue::from_static("/"));
    }
    protect(response)
}

fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    response
}

/// Caches must not hand a browser what a program got. The guard adds `Origin` itself.
fn with_vary(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("webmanifest") => "application/manifest+json",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_programs_are_told_apart() {
        let wants = |accept: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            accept.into_iter().for_each(|text| {
                headers.insert(header::ACCEPT, HeaderValue::from_static(text));
            });
            wants_page(&headers)
        };
        assert!(wants(Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")));
        for program in [None, Some("*/*"), Some("application/json"), Some("text/plain")] {
            assert!(!wants(program), "{program:?}");
        }
    }

    #[test]
    fn the_script_that_keeps_files_answers_for_all_of_the_page() {
        let of = |name: &str| answer(name, b"").headers().get("service-worker-allowed").cloned();
        assert_eq!(of(WORKER), Some(HeaderValue::from_static("/")));
        assert_eq!(of("assets/index.js"), None);
        // It has to be looked for anew, or an old one would stay.
        assert_eq!(answer(WORKER, b"").headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn every_file_has_a_type() {
        for (name, _) in FILES {
            assert_ne!(content_type(name), "application/octet-stream", "{name}");
        }
        assert_eq!(content_type("assets/index-1a2b.js"), "text/javascript; charset=utf-8");
    }
}
