//! `/hob/v1/cloud`: models elsewhere for the page and for programs: which there are, what may leave, what would, what did.

use super::{may_be_named, problem, problem_to};
use crate::App;
use crate::ask::{Ask, Leave};
use crate::chats::Query;
use crate::clock;
use crate::described::{Shape, described};
use crate::fields::Fields;
use crate::openai::chat_request;
use crate::problem::{Dialect, Kind, Problem};
use crate::reading;
use crate::visit::Visit;
use crate::wire;
use axum::extract::Path;
use axum::http::Uri;
use axum::response::Response;
use hob_chats::Id;
use hob_cloud::{Asked, Cloud, Error, Mode, Plan, Protocol, Target, Way, Wish, Zone};
use hob_egress::{Outcome, Sending, What};
use hob_privacy::{Answer, Label};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Requests of the ledger that are told at once.
const ENTRIES_MAX: usize = 200;

described! {
    /// A model elsewhere that can be asked.
    pub struct TargetReport {
        /// What the user calls it. Requests ask for the model `cloud/NAME`.
        name: String,
        /// `organisation` or `cloud`.
        zone: String,
        /// The model, as its interface names it.
        model: String,
        /// Where it is.
        address: String,
        /// `openai` or `anthropic`.
        protocol: &'static str,
        /// Dollars for a million tokens that it reads.
        input_price: f64,
        /// Dollars for a million tokens that it writes.
        output_price: f64,
        /// Tokens that it takes.
        context: u64,
        /// Whether what is private is hidden from it.
        redact: bool,
        /// Whether it has a key, and where that is: `env`, `file` or `keyring`.
        key: Option<String>,
        /// Dollars spent today.
        dollars_today: f64,
        /// Dollars spent this month.
        dollars_month: f64,
        /// What its owner says of data that it gets.
        note: String,
    }

    /// Whether anything may leave, and to whom.
    pub struct CloudReport {
        /// `offline`, `ask` or `hybrid`.
        mode: &'static str,
        /// Whether the server was started with the network forbidden; the mode changes nothing then.
        is_offline: bool,
        /// Models elsewhere; none for a key that may not ask them.
        targets: Vec<TargetReport>,
        /// Dollars spent today, by all of them.
        dollars_today: f64,
        /// Dollars spent this month.
        dollars_month: f64,
        /// Bytes that left this month.
        sent_bytes_month: u64,
        /// What keeps everything from leaving: a policy, a target or a ledger that cannot be read.
        trouble: Option<String>,
    }

    /// The mode that holds.
    pub struct ModeReport {
        /// `offline`, `ask` or `hybrid`.
        mode: String,
    }

    /// Who should have answered a question.
    pub struct CorrectionWanted {
        /// What was asked.
        prompt: String,
        /// `local`, or `larger`.
        to: String,
    }

    /// What became of it.
    pub struct CorrectionReport {
        /// Whether it is remembered: not where conversations are encrypted, since it would lie in the clear.
        remembered: bool,
    }

    /// A target that is wanted.
    pub struct TargetWanted {
        /// What it is called: small letters, digits, - and _.
        name: String,
        /// What its interface is below.
        address: String,
        /// The model, as its interface names it.
        model: String,
        /// `openai` or `anthropic`; the first unless said.
        protocol: Option<String>,
        /// `organisation` or `cloud`; the latter unless said.
        zone: Option<String>,
        /// Its key, which is kept in a file that nobody else may read.
        key: Option<String>,
        /// Dollars for a million tokens that it reads.
        input_price: Option<f64>,
        /// Dollars for a million tokens that it writes.
        output_price: Option<f64>,
        /// Dollars that it may cost in a day.
        dollars_day: Option<f64>,
    }

    /// A target that was added or removed.
    pub struct TargetChanged {
        /// What it is called.
        name: String,
    }

    /// What a target said to something short.
    pub struct TargetTested {
        /// What it is called.
        name: String,
        /// The beginning of what it said.
        said: String,
        /// Milliseconds until the end of that.
        milliseconds: u64,
        /// What it cost.
        dollars: f64,
        /// The entry of the ledger.
        ledger_entry: Option<u64>,
    }

    /// How many values of a kind.
    pub struct KindCount {
        /// The kind.
        kind: String,
        /// How many.
        count: u64,
    }

    /// A line of what would be sent.
    pub struct PreviewLine {
        /// The bytes.
        sent: String,
        /// What they were before something was hidden, if anything was.
        was: Option<String>,
    }

    /// A question about a question: would it leave, and what would? It has the members of a request for an answer, each of them as
    /// there, since the bytes, what they can cost and whether they leave at all follow from all of them.
    pub struct AskPlanWanted {
        /// The conversation, as for an answer.
        messages: Vec<AnyMessage>,
        /// Longest answer, as for an answer.
        max_tokens: Option<u64>,
        /// The same under its newer name.
        max_completion_tokens: Option<u64>,
        /// How tokens are drawn, as for an answer.
        temperature: Option<f64>,
        /// The same.
        top_p: Option<f64>,
        /// Texts that end it, as for an answer.
        stop: Option<AsThere>,
        /// Tools, as for an answer; what is said of them leaves too.
        tools: Option<Vec<AsThere>>,
        /// Whether they are called, as for an answer.
        tool_choice: Option<AsThere>,
        /// The form of the answer, as for an answer.
        response_format: Option<AsThere>,
        /// `hide`, `show` or `refuse` by the ids of values that `asks` of an earlier plan named.
        answers: Option<AsThere>,
        /// The target, by its name; the router chooses unless it is said.
        target: Option<String>,
        /// Whether it must never leave.
        private: Option<bool>,
        /// The conversation that it belongs to; where that is private, or its folder is, it stays.
        chat: Option<String>,
        /// The folder in which that lies.
        folder: Option<String>,
        /// The same in one object, as for an answer; also the kind of task, for rules of the policy.
        hob: Option<AsThere>,
        /// The model of this machine that would answer otherwise.
        model: Option<String>,
    }

    /// A value that the user wants to be asked about.
    pub struct AskedValue {
        /// By which a request answers for it. It holds for this value and this target.
        id: String,
        /// Its kind.
        kind: String,
        /// The value.
        value: String,
        /// What was said: `hide`, `show`, or nothing yet. What nobody has answered for is not sent.
        answer: Option<String>,
    }

    /// What would happen to a question. Nothing was sent.
    pub struct AskPlan {
        /// Whether it stays on this machine.
        stays: bool,
        /// Whether sending it needs the user to name the target, as the mode is not hybrid.
        is_advice: bool,
        /// The target.
        target: Option<String>,
        /// How far away that is.
        zone: Option<String>,
        /// What decides, in a word.
        why: String,
        /// The same in a sentence.
        reason: String,
        /// The probability that the local answer suffices, where the router was asked.
        suffices: Option<f64>,
        /// Whether an answer here goes to a target after all when it becomes doubtful while it is written.
        is_watched: bool,
        /// Bytes that would be sent.
        bytes: u64,
        /// Values that would be hidden.
        hidden: Vec<KindCount>,
        /// Values that would be sent as they are, as the user wants it.
        shown: Vec<KindCount>,
        /// Values that the user wants to be asked about.
        asks: Vec<AskedValue>,
        /// What it would cost, about.
        dollars: f64,
        /// Most that it could cost.
        dollars_max: f64,
        /// What would be sent, to the byte.
        preview: Vec<PreviewLine>,
    }

    /// A request that left, or was about to.
    pub struct LedgerRequest {
        /// Its entry.
        entry: u64,
        /// When.
        at: String,
        /// Scheme, host and port.
        to: String,
        /// The target's name.
        target: Option<String>,
        /// `download`, `ask`, `repair` (about places of an answer of this machine) or `test`.
        purpose: &'static str,
        /// Bytes of its body.
        bytes: u64,
        /// Values that were hidden in it.
        hidden: Vec<KindCount>,
        /// The answer's status.
        status: Option<u64>,
        /// Bytes that came back.
        received: u64,
        /// What it cost.
        dollars: f64,
        /// Why there was no answer, or not all of it.
        failed: Option<String>,
    }

    /// What left this machine.
    pub struct LedgerReport {
        /// The latest requests, newest first.
        requests: Vec<LedgerRequest>,
        /// Entries in all.
        entries: u64,
        /// The digest of the last, to be kept elsewhere by whoever wants proof.
        head: String,
    }
}

/// A message, in any form that the chat interface takes.
#[derive(Clone, Debug)]
pub struct AnyMessage;

/// Something else as the chat interface takes it.
#[derive(Clone, Debug)]
pub struct AsThere;

impl Shape for AnyMessage {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({"type": "object", "properties": {"role": {"type": "string"}}, "required": ["role"]})
    }
}

impl Shape for AsThere {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({})
    }
}

impl Serialize for AnyMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl Serialize for AsThere {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

fn cloud(app: &App) -> Result<Cloud, Problem> {
    let message = "there is no place for targets: neither HOB_HOME nor the home folder is set";
    app.cloud.clone().ok_or_else(|| Problem::new(Kind::NotFound, message).code("no_place"))
}

/// Runs what reads files or waits for others.
async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::new(Kind::Internal, "the work ended unexpectedly"))?
        .map_err(|error| problem_to(&app.visit, &error))
}

fn respond(answered: Result<Response, Problem>) -> Response {
    answered.unwrap_or_else(|problem| problem.respond(Dialect::OpenAi))
}

/// `GET /hob/v1/cloud`.
pub async fn report(app: App) -> Response {
    let is_offline = app.machine.network.is_offline;
    let report = async {
        let (cloud, visit) = (cloud(&app)?, Arc::clone(&app.visit));
        blocking(&app, move || Ok(report_of(&cloud, is_offline, &visit))).await
    };
    respond(report.await.map(|report| wire::answer(&report)))
}

fn report_of(cloud: &Cloud, is_offline: bool, visit: &Visit) -> CloudReport {
    let mut report = CloudReport {
        mode: Mode::Offline.name(),
        is_offline,
        targets: Vec::new(),
        dollars_today: 0.0,
        dollars_month: 0.0,
        sent_bytes_month: 0,
        trouble: None,
    };
    let mut fill = || -> Result<(), Error> {
        report.mode = cloud.mode()?.name();
        let targets = cloud.targets()?.into_iter().filter(|_| may_be_named(visit));
        for (name, target) in targets {
            let (spent, _) = cloud.spent(Some(&name))?;
            report.targets.push(target_of(name, target, spent));
        }
        let (spent, bytes) = cloud.spent(None)?;
        (report.dollars_today, report.dollars_month, report.sent_bytes_month) =
            (spent.day, spent.month, bytes);
        Ok(())
    };
    let filled = fill();
    report.trouble = filled.err().map(|error| problem_to(visit, &error).message);
    report
}

fn target_of(name: String, target: Target, spent: hob_router::Spent) -> TargetReport {
    let place = |key: &hob_cloud::KeyFrom| key.to_string().split(':').next().unwrap_or_default().to_owned();
    TargetReport {
        name,
        zone: target.zone.to_string(),
        key: target.key.as_ref().map(place),
        model: target.model,
        address: target.address,
        protocol: target.protocol.name(),
        input_price: target.input_price,
        output_price: target.output_price,
        context: target.context,
        redact: target.redact,
        dollars_today: spent.day,
        dollars_month: spent.month,
        note: target.note,
    }
}

/// `POST /hob/v1/cloud/mode`.
pub async fn set_mode(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let mode: Mode =
        fields.need_text("mode")?.parse().map_err(|_| fields.wrong("mode", "offline, ask or hybrid"))?;
    let cloud = cloud(&app)?;
    blocking(&app, move || cloud.set_mode(mode)).await?;
    Ok(wire::answer(&ModeReport { mode: mode.name().to_owned() }))
}

/// `POST /hob/v1/cloud/corrections`.
pub async fn correct(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let prompt = fields.need_text("prompt")?.to_owned();
    let suffices = match fields.need_text("to")? {
        "local" => true,
        "larger" => false,
        _ => return Err(fields.wrong("to", "local or larger")),
    };
    if prompt.trim().is_empty() {
        return Err(fields.wrong("prompt", "a question"));
    }
    let cloud = cloud(&app)?;
    let remembered = !crate::chats::are_encrypted(&app).await;
    if remembered {
        blocking(&app, move || cloud.correct(&prompt, suffices)).await?;
    }
    Ok(wire::answer(&CorrectionReport { remembered }))
}

/// `POST /hob/v1/cloud/targets`.
pub async fn add(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let protocol = match fields.text("protocol")? {
        None | Some("openai") => Protocol::OpenAi,
        Some("anthropic") => Protocol::Anthropic,
        Some(_) => return Err(fields.wrong("protocol", "openai or anthropic")),
    };
    let zone = match fields.text("zone")? {
        None | Some("cloud") => Zone::Cloud,
        Some("organisation") => Zone::Organisation,
        Some(_) => return Err(fields.wrong("zone", "organisation or cloud")),
    };
    let price = |name| fields.number(name, 0.0..=1e6).map(|price| f64::from(price.unwrap_or(0.0)));
    let mut target = Target::new(fields.need_text("address")?, protocol, fields.need_text("model")?, zone);
    (target.input_price, target.output_price) = (price("input_price")?, price("output_price")?);
    target.dollars_day = fields.number("dollars_day", 0.0..=1e6)?.map(f64::from);
    let name = fields.need_text("name")?.to_owned();
    let key = fields.text("key")?.filter(|key| !key.is_empty()).map(str::to_owned);
    let cloud = cloud(&app)?;
    let changed = TargetChanged { name: name.clone() };
    let added = blocking(&app, move || Ok(cloud.add(&name, &target, key.as_deref()))).await?;
    added.map_err(|error| match &error {
        Error::Taken { .. } => Problem::new(Kind::Conflict, error.to_string()).code("target_exists"),
        Error::Name { .. } => Problem::invalid("name", error.to_string()),
        Error::Address { .. } => Problem::invalid("address", error.to_string()),
        Error::Field { field, .. } => Problem::invalid(*field, error.to_string()),
        _ => problem(&error),
    })?;
    Ok(wire::answer(&changed))
}

/// `DELETE /hob/v1/cloud/targets/{name}`.
pub async fn remove(app: App, Path(name): Path<String>) -> Response {
    let removed = async {
        let cloud = cloud(&app)?;
        let changed = TargetChanged { name: name.clone() };
        blocking(&app, move || cloud.remove(&name)).await?;
        Ok(wire::answer(&changed))
    };
    respond(removed.await)
}

/// `POST /hob/v1/cloud/targets/{name}/test`.
pub async fn test(app: App, Path(name): Path<String>) -> Response {
    let tested = async {
        let cloud = cloud(&app)?;
        let began = clock::now();
        let tested = blocking(&app, move || {
            let (said, answering) = cloud.test(&name)?;
            Ok(TargetTested {
                name,
                said: said.chars().take(200).collect(),
                milliseconds: u64::try_from(clock::now().saturating_sub(began).as_millis())
                    .unwrap_or(u64::MAX),
                dollars: answering.ended().cost_micro as f64 / 1e6,
                ledger_entry: answering.entry(),
            })
        });
        Ok(wire::answer(&tested.await?))
    };
    respond(tested.await)
}

/// `POST /hob/v1/cloud/plan`.
pub async fn plan(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let ask = asked_as_for_an_answer(&body, &fields)?;
    let target = fields.text("target")?.map(str::to_owned);
    let leave = leave_of(&fields, &ask)?;
    let question = match (super::question::of(&ask), &target) {
        (Ok(_), None) if leave.stays => return Ok(wire::answer(&stays("stay", "the request says so"))),
        (Ok(question), _) => question,
        (Err(problem), Some(_)) => return Err(problem),
        // As for an answer: what only a model of this machine does is done here.
        (Err(problem), None) => return Ok(wire::answer(&stays("fallback", &problem.message))),
    };
    let is_private = super::is_private(&app, &leave).await?;
    let model = fields.text("model")?;
    let local = model.and_then(|model| super::local(&app, model));
    let cloud = cloud(&app)?;
    let confidence = match model.filter(|_| target.is_none()) {
        Some(model) => super::confidence(&app, &cloud, model).await?,
        None => None,
    };
    let report = blocking(&app, move || {
        let mode = cloud.mode()?;
        let way = match target {
            Some(name) => Way::Named(name),
            None if mode == Mode::Hybrid => Way::Router,
            None => Way::Advice,
        };
        let is_advice = way == Way::Advice;
        let is_known = confidence.is_some();
        let consent = Some(&leave.consent);
        let task = leave.task.clone();
        let wish = Wish { is_private, local, confidence, task, consent, ..Wish::new(&question, way) };
        let plan = cloud.plan(&wish, &mut |_, _| Answer::Refuse)?;
        let mut report = plan_of(&plan, is_advice);
        let may_go = is_known && mode == Mode::Hybrid && report.why == "suffices";
        report.is_watched = may_go && cloud.policy()?.handover.is_some();
        Ok(report)
    });
    Ok(wire::answer(&report.await?))
}

/// What a request with the same members asks for. All of them are read: one that was left out here would make other bytes there.
fn asked_as_for_an_answer(body: &Value, fields: &Fields<'_>) -> Result<Ask, Problem> {
    let mut request = body.clone();
    if fields.get("model").is_none() {
        request["model"] = hob::BUILTIN_NAME.into();
    }
    Ok(chat_request::read(&request)?.ask)
}

/// What it says about models elsewhere, in `hob` as for an answer or beside the other members.
fn leave_of(fields: &Fields<'_>, ask: &Ask) -> Result<Leave, Problem> {
    let mut leave = ask.leave.clone();
    leave.is_private |= fields.flag("private")?.unwrap_or(false);
    let (chat, folder) = (fields.text("chat")?.map(Id::parse).transpose()?, fields.text("folder")?);
    // Of two that are named, either may keep it here.
    leave.go_on_from(Leave { chat, folder: folder.map(str::to_owned), ..Leave::default() });
    if fields.get("answers").is_some() {
        leave.consent = reading::consent(fields)?;
    }
    Ok(leave)
}

/// The plan of a question that is answered here, whoever else could.
fn stays(why: &str, reason: &str) -> AskPlan {
    AskPlan {
        stays: true,
        is_advice: false,
        target: None,
        zone: None,
        why: why.to_owned(),
        reason: reason.to_owned(),
        suffices: None,
        is_watched: false,
        bytes: 0,
        hidden: Vec::new(),
        shown: Vec::new(),
        asks: Vec::new(),
        dollars: 0.0,
        dollars_max: 0.0,
        preview: Vec::new(),
    }
}

fn counts(found: &BTreeMap<Label, usize>) -> Vec<KindCount> {
    found.iter().map(|(label, count)| KindCount { kind: label.to_string(), count: *count as u64 }).collect()
}

fn asked_value(asked: &Asked) -> AskedValue {
    AskedValue {
        id: asked.id.clone(),
        kind: asked.label.to_string(),
        value: asked.value.clone(),
        answer: asked.said.map(|say| say.name().to_owned()),
    }
}

fn plan_of(plan: &Plan, is_advice: bool) -> AskPlan {
    let (told, cleared) = (&plan.told, plan.cleared());
    AskPlan {
        stays: cleared.is_none(),
        is_advice,
        target: told.target.clone(),
        zone: told.zone.map(|zone| zone.to_string()),
        why: told.why.clone(),
        reason: told.reason.clone(),
        is_watched: false,
        suffices: told.signals.as_ref().and_then(|signals| signals["suffices"].as_f64()),
        bytes: cleared.map_or(0, |cleared| cleared.bytes().len() as u64),
        hidden: cleared.map(|cleared| counts(cleared.hidden())).unwrap_or_default(),
        shown: cleared.map(|cleared| counts(cleared.shown())).unwrap_or_default(),
        asks: plan.asked().iter().map(asked_value).collect(),
        dollars: told.dollars,
        dollars_max: plan.dollars_max(),
        preview: cleared
            .map(|cleared| {
                let lines = cleared.preview();
                lines
                    .into_iter()
                    .map(|line| PreviewLine { sent: line.sent.to_owned(), was: line.was })
                    .collect()
            })
            .unwrap_or_default(),
    }
}

/// `GET /hob/v1/cloud/ledger`: the latest requests, as many as `limit` says.
pub async fn ledger(app: App, uri: Uri) -> Response {
    let report = async {
        let last = Query::of(&uri)?.limit()?.min(ENTRIES_MAX);
        let cloud = cloud(&app)?;
        Ok(wire::answer(&blocking(&app, move || read_ledger(&cloud, last)).await?))
    };
    respond(report.await)
}

fn read_ledger(cloud: &Cloud, last: usize) -> Result<LedgerReport, Error> {
    let mut list: VecDeque<(u64, i64, Sending, Option<Outcome>)> = VecDeque::new();
    let verified = cloud.ledger(&mut |entry, _| match &entry.what {
        What::Send(sending) => {
            list.push_back((entry.n, entry.time_ms, sending.clone(), None));
            if list.len() > last {
                list.pop_front();
            }
        }
        What::Outcome(outcome) => {
            if let Ok(at) = list.binary_search_by_key(&outcome.of, |(n, ..)| *n) {
                list[at].3 = Some(outcome.clone());
            }
        }
        What::Repaired(_) => {}
    })?;
    let request = |(entry, time_ms, sending, outcome): (u64, i64, Sending, Option<Outcome>)| {
        let cost = outcome.as_ref().map_or(sending.cost_max_micro, |outcome| outcome.cost_micro);
        LedgerRequest {
            entry,
            at: clock::rfc3339_of_ms(time_ms),
            to: sending.to,
            target: sending.target,
            purpose: sending.purpose.name(),
            bytes: sending.bytes,
            hidden: sending.hidden.into_iter().map(|(kind, count)| KindCount { kind, count }).collect(),
            status: outcome.as_ref().and_then(|outcome| outcome.status).map(u64::from),
            received: outcome.as_ref().map_or(0, |outcome| outcome.received),
            dollars: cost as f64 / 1e6,
            failed: outcome.and_then(|outcome| outcome.failed),
        }
    };
    Ok(LedgerReport {
        requests: list.into_iter().rev().map(request).collect(),
        entries: verified.entries,
        head: verified.head.to_string(),
    })
}
