//! The client: one request, redirects followed by hand.

use crate::guard::Guard;
use crate::ledger::{Ledger, Purpose, Sending};
use crate::receipt::Receipt;
use crate::{Address, Config, Credential, Error, Origin, Post, Response};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use ureq::http::request::Builder;
use ureq::http::{HeaderMap, Request};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, AsSendBody, Body};

/// Redirects followed; hubs need two.
const HOPS_MAX: usize = 10;
/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// Where.
    pub address: &'a Address,
    /// Media types that are understood; empty for any.
    pub accept: &'a str,
    /// Which bytes of it; all without.
    pub range: Option<(u64, u64)>,
    /// Most bytes that the answer may have.
    pub bytes_max: u64,
}

impl<'a> Get<'a> {
    /// All of `address`, if it has at most `bytes_max` bytes.
    pub fn whole(address: &'a Address, bytes_max: u64) -> Self {
        Self { address, accept: "", range: None, bytes_max }
    }

    /// The bytes `range` of `address`; the answer may be longer, for servers that ignore ranges.
    pub fn part(address: &'a Address, range: Range<u64>, bytes_max: u64) -> Self {
        Self { address, accept: "", range: Some((range.start, range.end)), bytes_max }
    }
}

/// The gate. Clones share connections and the switch that stops them.
#[derive(Clone, Debug)]
pub struct Egress {
    config: Arc<Config>,
    ledger: Ledger,
    direct: Agent,
    proxied: Option<Agent>,
    stopped: Arc<AtomicBool>,
}

impl Egress {
    /// Sets the client up; opens nothing. Whatever leaves stands in `ledger` before.
    ///
    /// # Errors
    /// [`Error::Roots`] when the certificates to trust cannot be read.
    pub fn new(config: Config, ledger: Ledger) -> Result<Self, Error> {
        let tls = tls_config(&config)?;
        let agent = |proxy: Option<ureq::Proxy>| {
            let settings = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(proxy)
                .tls_config(tls.clone())
                .user_agent(concat!("hob/", env!("CARGO_PKG_VERSION")))
                .max_response_header_size(HEAD_BYTES_MAX)
                .timeout_resolve(Some(config.connect_timeout))
                .timeout_connect(Some(config.connect_timeout))
                .timeout_per_read(Some(config.read_timeout))
                .timeout_per_write(Some(config.read_timeout))
                .build();
            let proxy = config.proxy.as_ref().map(crate::Proxy::host_and_port);
            let guard = Guard { policy: config.policy.clone(), proxy, inner: DefaultResolver::default() };
            Agent::with_parts(settings, DefaultConnector::default(), guard)
        };
        let direct = agent(None);
        let proxied = config.proxy.as_ref().map(|proxy| agent(Some(proxy.client())));
        Ok(Self { config: Arc::new(config), ledger, direct, proxied, stopped: Arc::default() })
    }

    /// Whether every request is refused before a socket is opened.
    pub fn is_offline(&self) -> bool {
        self.config.offline
    }

    /// Who may be reached when it is not.
    pub fn policy(&self) -> &crate::Policy {
        &self.config.policy
    }

    /// Where what leaves is written down.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Ends every request in flight, of all clones, and refuses new ones.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        for agent in [Some(&self.direct), self.proxied.as_ref()].into_iter().flatten() {
            agent.clone().shutdown();
        }
    }

    /// Sends one request and follows redirects.
    ///
    /// Any status is an answer; judging it is up to the caller.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::NotAllowed`], [`Error::Plain`], [`Error::Private`] and [`Error::Ledger`] before anything
    /// is sent to the place concerned; the other variants when the network fails.
    pub fn get(&self, get: &Get<'_>) -> Result<Response, Error> {
        let host = get.address.origin().host();
        self.online(host)?;
        let mut headers = Vec::new();
        let mut address = get.address.clone();
        let mut from: Option<Origin> = None;
        while headers.len() <= HOPS_MAX {
            let terms = self.config.policy.check(&address, from.as_ref())?;
            let sending = Sending::plain(&address, "GET", Purpose::Download, terms);
            let mut receipt = Receipt::begin(&self.ledger, sending, &[], None)?;
            let request = self.heading(get, &address);
            let (status, head, body) = self.call(request, (), &address, &mut receipt)?;
            let location = head.get("location").and_then(|v| v.to_str().ok()).map(str::to_owned);
            headers.push(head);
            if matches!(status, 301 | 302 | 303 | 307 | 308)
                && let Some(location) = location
            {
                let next = address.redirected(&location)?;
                from = Some(address.origin().clone());
                address = next;
                continue;
            }
            return Ok(self.response(status, address.origin(), headers, body, get.bytes_max, receipt));
        }
        Err(Error::Redirects { host: host.to_owned(), hops: HOPS_MAX })
    }

    /// Sends words of the user that were cleared.
    ///
    /// # Errors
    /// As [`Egress::get`]; also [`Error::Redirected`].
    pub fn post(&self, post: &Post<'_>) -> Result<Response, Error> {
        self.post_while(post, &|_| {})
    }

    /// The same; `leaves` hears of the ledger's entry when it is written, before anything is sent.
    ///
    /// # Errors
    /// As [`Egress::post`].
    pub fn post_while(&self, post: &Post<'_>, leaves: &dyn Fn(u64)) -> Result<Response, Error> {
        let address = post.address;
        self.online(address.origin().host())?;
        let terms = self.config.policy.check(address, None)?;
        let bytes = post.body.bytes();
        let mut receipt = Receipt::begin(&self.ledger, post.sending(terms), post.caps, Some(bytes))?;
        leaves(receipt.number);
        let mut request = Request::post(address.uri().clone()).header("content-type", "application/json");
        for (name, value) in post.headers {
            request = request.header(*name, *value);
        }
        if !post.accept.is_empty() {
            request = request.header("accept", post.accept);
        }
        if let Some(once) = post.once {
            request = request.header("idempotency-key", once.to_string());
        }
        request = match post.credential {
            Some(Credential::Bearer(secret)) => request.header("authorization", secret.bearer()),
            Some(Credential::ApiKey(secret)) => request.header("x-api-key", secret.bare()),
            None => request,
        };
        let (status, head, body) = self.call(request, bytes, address, &mut receipt)?;
        if (300..400).contains(&status) {
            let error = Error::Redirected { host: address.origin().host().to_owned() };
            receipt.failed(&error);
            return Err(error);
        }
        Ok(self.response(status, address.origin(), vec![head], body, post.bytes_max, receipt))
    }

    fn online(&self, host: &str) -> Result<(), Error> {
        if self.config.offline {
            return Err(Error::Offline { host: host.to_owned() });
        }
        if self.stopped.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }

    fn response(
        &self,
        status: u16,
        origin: &Origin,
        headers: Vec<HeaderMap>,
        body: Body,
        bytes_max: u64,
        receipt: Receipt,
    ) -> Response {
        let body = body.into_with_config().limit(u64::MAX).reader();
        let (origin, stopped) = (origin.clone(), Arc::clone(&self.stopped));
        Response { status, origin, headers, body, bytes_max, bytes_read: 0, stopped, receipt }
    }

    /// What stands above the body of a request for bytes.
    fn heading(&self, get: &Get<'_>, address: &Address) -> Builder {
        let mut request = Request::get(address.uri().clone());
        if !get.accept.is_empty() {
            request = request.header("accept", get.accept);
        }
        if let Some((start, end)) = get.range {
            request = request.header("range", format!("bytes={start}-{}", end.saturating_sub(1)));
        }
        if let Some((place, secret)) = &self.config.credential
            && place == address.origin()
        {
            request = request.header("authorization", secret.bearer());
        }
        request
    }

    /// Sends what stands in the ledger.
    fn call(
        &self,
        request: Builder,
        body: impl AsSendBody,
        address: &Address,
        receipt: &mut Receipt,
    ) -> Result<(u16, HeaderMap, Body), Error> {
        let origin = address.origin();
        let agent = match (&self.proxied, &self.config.proxy) {
            (Some(agent), Some(proxy)) if proxy.serves(origin) => agent,
            _ => &self.direct,
        };
        let stopped = || self.stopped.load(Ordering::Relaxed);
        let result = request.body(body).map_err(|e| ureq::Error::Other(Box::new(e))).and_then(|request| {
            if stopped() { Err(ureq::Error::ConnectionFailed) } else { agent.run(request) }
        });
        match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                receipt.outcome.status = Some(head.status.as_u16());
                Ok((head.status.as_u16(), head.headers, body))
            }
            Err(error) => {
                let error = Error::from_client(error, origin.host(), stopped());
                receipt.failed(&error);
                Err(error)
            }
        }
    }
}

fn tls_config(config: &Config) -> Result<TlsConfig, Error> {
    let Some(pem) = &config.roots else { return Ok(TlsConfig::builder().build()) };
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(Error::Roots { found: error.to_string() }),
        }
    }
    if roots.is_empty() {
        return Err(Error::Roots { found: "no certificate in them".into() });
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build())
}
