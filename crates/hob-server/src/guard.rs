//! Who may speak to the server at all. A page on the web can make a browser send requests to this machine, and a name in the
//! web's directory can be made to point here; neither comes past the checks of `Origin` and `Host`.

use crate::App;
use crate::ids;
use crate::keys::KeyEntry;
use crate::problem::{Dialect, Kind, Problem};
use crate::routes;
use crate::visit::Visit;
use crate::wire;
use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// Names under which the server may be spoken to.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Names beside `localhost` and addresses of this machine.
    pub names: Vec<String>,
    /// Whether the server listens beyond this machine; any address may then be in `Host`, since whoever reaches it there
    /// needs no name, and an attack by names needs one.
    pub is_public: bool,
    /// Pages of other origins that may ask, each `scheme://host[:port]`.
    pub origins: Vec<String>,
}

impl Hosts {
    fn knows(&self, host: &str) -> bool {
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        if name == "localhost" || name.ends_with(".localhost") {
            return true;
        }
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => address.is_loopback() || self.is_public,
            Err(_) => self.names.iter().any(|known| known.eq_ignore_ascii_case(&name)),
        }
    }

    fn trusts(&self, origin: &str, host: &str) -> bool {
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let is_own = own.is_some_and(|origin| origin.eq_ignore_ascii_case(host));
        is_own || self.allows(origin)
    }

    fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
    }

    /// # Errors
    /// The request comes from where it may not.
    fn check(&self, request: &Request<Body>) -> Result<(), Problem> {
        let headers = request.headers();
        let refused = |what: &str, next: &str| Err(Problem::new(Kind::Forbidden, format!("{what}; {next}")));
        let authority = request.uri().authority().map(|authority| authority.as_str());
        let Some(host) = text(headers, &header::HOST) else {
            return refused("the request names no host", "send a Host header");
        };
        if !self.knows(host) || authority.is_some_and(|name| !self.knows(name)) {
            return refused(
                "this host name is not known here",
                "use localhost, or start with --allow-host NAME",
            );
        }
        match text(headers, &header::ORIGIN) {
            Some(origin) if !self.trusts(origin, host) => refused(
                "pages of this origin may not ask here",
                "start with --allow-origin ORIGIN to let them",
            ),
            None if headers.contains_key(header::ORIGIN) => {
                refused("the origin is not readable", "leave it out")
            }
            None if is_cross_site(request) => {
                refused("pages of other sites may not ask here", "open the address itself")
            }
            _ => Ok(()),
        }
    }
}

/// A browser says so of requests that another site made it send; following a link is none of them.
fn is_cross_site(request: &Request<Body>) -> bool {
    let is = |name: &'static str, value: &str| {
        text(request.headers(), &HeaderName::from_static(name)).is_some_and(|found| found == value)
    };
    let is_link = request.method() == Method::GET && is("sec-fetch-mode", "navigate");
    is("sec-fetch-site", "cross-site") && !is_link
}

fn text<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r str> {
    headers.get(name)?.to_str().ok()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            // An address of version 6 without brackets has no port.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

/// Checks every request before any handler sees it, whether there is a route for it or not.
pub async fn check(State(app): State<App>, mut request: Request<Body>, next: Next) -> Response {
    let id = ids::new("req_");
    let origin = text(request.headers(), &header::ORIGIN)
        .filter(|origin| app.hosts.allows(origin))
        .and_then(|origin| HeaderValue::from_str(origin).ok());
    let dialect = Dialect::of(request.uri().path());
    let mut noted = app.requests.begin(&id, &request);
    let mut way = None;
    let admitted = admit(&app, &request).and_then(|key| {
        // Who it was is noted also of what is refused.
        let visit = Arc::new(Visit::new(key, app.keys.clone()));
        noted.visited(Arc::clone(&visit));
        way = Some(Arc::clone(&visit));
        check_scope(visit.key(), &request).map(|()| visit)
    });
    let mut response = match admitted {
        Err(problem) => {
            wire::discard(request).await;
            problem.respond(dialect)
        }
        Ok(_) if request.method() == Method::OPTIONS && origin.is_some() => preflight(),
        Ok(visit) => {
            request.extensions_mut().insert(visit);
            next.run(request).await
        }
    };
    app.metrics.request(response.status().as_u16());
    let headers = response.headers_mut();
    if let Some(receipt) = way.and_then(|visit| visit.receipt()) {
        receipt.put(headers);
    }
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("request-id", id.clone());
        headers.insert("x-request-id", id);
    }
    noted.answered(response)
}

/// Whether a request may come in, and with which key of the file.
fn admit(app: &App, request: &Request<Body>) -> Result<Option<Arc<KeyEntry>>, Problem> {
    app.hosts.check(request)?;
    let is_asking = request.method() == Method::OPTIONS && request.headers().contains_key(header::ORIGIN);
    if is_asking || routes::is_public(request.uri().path()) {
        return Ok(None);
    }
    app.keys.admit(request.headers())
}

/// # Errors
/// The key is for other parts of the server.
fn check_scope(key: Option<&KeyEntry>, request: &Request<Body>) -> Result<(), Problem> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    match (key, route.and_then(|route| routes::scope(route, request.method()))) {
        (Some(key), Some(scope)) if !key.opens(scope) => {
            let opens: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
            let message = format!("this key is not for {}; it opens {}", scope.name(), opens.join(", "));
            Err(Problem::new(Kind::Forbidden, message).code("out_of_scope"))
        }
        _ => Ok(()),
    }
}

/// Tells a page of an allowed origin what it may send.
fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = axum::http::StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let allow = |text| HeaderValue::from_static(text);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow("GET, POST, PUT, DELETE"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        allow("authorization, content-type, x-api-key, anthropic-version, anthropic-beta"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, allow("600"));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn check(hosts: &Hosts, headers: &[(&'static str, &str)]) -> bool {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::POST;
        headers
            .iter()
            .for_each(|(name, value)| drop(request.headers_mut().insert(*name, value.parse().unwrap())));
        hosts.check(&request).is_ok()
    }

    #[test]
    fn hosts_are_this_machine_or_listed() {
        let local = Hosts { names: vec!["box.lan".into()], ..Hosts::default() };
        for host in
            ["localhost", "LOCALHOST:4242", "127.0.0.1:4242", "[::1]:4242", "hob.localhost:1", "box.lan:4242"]
        {
            assert!(check(&local, &[("host", host)]), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "192.168.0.7:4242", "127.0.0.1.evil.example", ""]
        {
            assert!(!check(&local, &[("host", host)]), "{host}");
        }
        assert!(!check(&local, &[]));
        let public = Hosts { is_public: true, ..Hosts::default() };
        assert!(
            check(&public, &[("host", "192.168.0.7:4242")]) && !check(&public, &[("host", "evil.example")])
        );
    }

    #[test]
    fn origins_are_the_server_itself_or_listed() {
        let hosts = Hosts { origins: vec!["https://app.example".into()], ..Hosts::default() };
        let from = |origin: &str| check(&hosts, &[("host", "localhost:4242"), ("origin", origin)]);
        assert!(from("http://localhost:4242") && from("https://app.example"));
        for origin in
            ["http://localhost:3000", "https://evil.example", "null", "", "https://app.example.evil.example"]
        {
            assert!(!from(origin), "{origin}");
        }
        assert!(!check(&hosts, &[("host", "localhost"), ("sec-fetch-site", "cross-site")]));
        assert!(check(&hosts, &[("host", "localhost"), ("sec-fetch-site", "same-origin")]));
    }
}
