//! `GET /hob/v1/stats`: the same as `hob stats`, for the page.

use super::{Compared, Days, Here, Known, Memo, Power, Sent, Tally, There, compared};
use crate::App;
use crate::chats::{self, Query};
use crate::clock;
use crate::described::described;
use crate::elsewhere;
use crate::problem::{Dialect, Kind, Problem};
use crate::visit::Visit;
use crate::wire;
use axum::http::Uri;
use axum::response::Response;
use hob_energy::{Account, Range};
use std::sync::Arc;

/// Days that are told of when nothing is said, and at most.
const DAYS_DEFAULT: i64 = 30;
const DAYS_MAX: i64 = 366;

described! {
    /// A figure that is known within bounds; the same twice where it is known.
    pub struct RangeReport {
        /// It is this at least.
        low: f64,
        /// It is this at most.
        high: f64,
    }

    /// Kept answers of models of this machine.
    pub struct HereReport {
        /// How many.
        answers: u64,
        /// Tokens that were read for them.
        prompt_tokens: u64,
        /// Tokens that were written.
        answer_tokens: u64,
        /// Seconds of computing.
        seconds: f64,
        /// What a counter gave.
        measured: KnownReport,
        /// What was estimated from the time at work. The two are not added up: a sum would be neither.
        estimated: KnownReport,
        /// Answers of models elsewhere of which a part was computed here; what that took is in the two sums.
        parts: u64,
    }

    /// Energy that is known in one way.
    pub struct KnownReport {
        /// Answers of which it is known in this way.
        answers: u64,
        /// Watt-hours.
        wh: RangeReport,
    }

    /// Kept answers of models elsewhere.
    pub struct ThereReport {
        /// How many.
        answers: u64,
        /// Tokens that were read for them.
        prompt_tokens: u64,
        /// Tokens that were written.
        answer_tokens: u64,
        /// Watt-hours, assumed: what is published of a prompt, times the answers.
        wh: RangeReport,
    }

    /// What left for models elsewhere, by the ledger.
    pub struct SentReport {
        /// Questions.
        questions: u64,
        /// Bytes of them.
        bytes: u64,
        /// What they cost.
        dollars: f64,
    }

    /// A day, or all of them.
    pub struct TallyReport {
        /// Answers here.
        here: HereReport,
        /// Answers elsewhere.
        there: ThereReport,
        /// What left.
        sent: SentReport,
    }

    /// A day where the server is.
    pub struct DayReport {
        /// `2026-11-29`.
        day: String,
        /// What it brought.
        took: TallyReport,
    }

    /// What others publish beside what answers here took.
    pub struct ComparedReport {
        /// Whose model, by whom.
        whose: &'static str,
        /// Watt-hours of one prompt; null where they follow from tokens.
        each_wh: Option<RangeReport>,
        /// Watt-hours of as many answers as there were here.
        wh: RangeReport,
        /// When it was published.
        year: u64,
        /// What it is a figure of.
        scope: &'static str,
        /// Where.
        source: &'static str,
        /// Whether answers here took `less`, `more`, or it is `unclear` as the bounds overlap; null where there are none. Those that
        /// were measured and those that were estimated are compared each by itself; `more` if either took more.
        verdict: Option<&'static str>,
        /// The same in words, with both bounds.
        words: Option<String>,
    }

    /// What a model elsewhere asks for a million tokens.
    pub struct PriceReport {
        /// The user's name of it.
        target: String,
        /// Dollars for what it reads.
        input: f64,
        /// Dollars for what it writes.
        output: f64,
    }

    /// What answers took, day by day.
    pub struct StatsReport {
        /// Every day, oldest first; the last is today.
        days: Vec<DayReport>,
        /// All of them together.
        all: TallyReport,
        /// What others publish of theirs.
        compared: Vec<ComparedReport>,
        /// Prices of the models elsewhere that can be asked.
        prices: Vec<PriceReport>,
        /// The counter that is read, if there is one.
        counter: Option<String>,
        /// How energy is found where none is.
        method: String,
        /// What is not counted, and why.
        trouble: Vec<String>,
    }
}

impl From<Range> for RangeReport {
    fn from(range: Range) -> Self {
        Self { low: range.low, high: range.high }
    }
}

impl From<Tally> for TallyReport {
    fn from(Tally { here, there, sent }: Tally) -> Self {
        let Here { answers, prompt_tokens, answer_tokens, seconds, measured, estimated, parts } = here;
        let known = |Known { answers, wh, .. }| KnownReport { answers, wh: wh.into() };
        let (measured, estimated) = (known(measured), known(estimated));
        let here = HereReport { answers, prompt_tokens, answer_tokens, seconds, measured, estimated, parts };
        let There { answers, prompt_tokens, answer_tokens, wh } = there;
        let there = ThereReport { answers, prompt_tokens, answer_tokens, wh: wh.into() };
        let Sent { questions, bytes, .. } = sent;
        Self { here, there, sent: SentReport { questions, bytes, dollars: sent.dollars() } }
    }
}

impl From<Compared> for ComparedReport {
    fn from(one: Compared) -> Self {
        Self {
            whose: one.whose,
            each_wh: one.each.map(Into::into),
            wh: one.wh.into(),
            year: one.year.into(),
            scope: one.scope,
            source: one.source,
            verdict: one.here.word(),
            words: one.here.word().map(|_| one.here.to_string()),
        }
    }
}

/// `GET /hob/v1/stats`.
pub async fn report(app: App, uri: Uri) -> Response {
    let report = async {
        let wanted = Query::of(&uri)?.number("days")?.unwrap_or(DAYS_DEFAULT);
        Ok::<_, Problem>(wire::answer(&find(&app, wanted.clamp(1, DAYS_MAX)).await?))
    };
    report.await.unwrap_or_else(|problem| problem.respond(Dialect::OpenAi))
}

async fn find(app: &App, count: i64) -> Result<StatsReport, Problem> {
    let names = clock::last_days(count);
    let first = names.first().cloned().unwrap_or_default();
    let threads = app.metrics.meter().threads();
    let power = Power::of_cores(threads);
    let (mut days, mut trouble) = (Days::default(), Vec::new());
    match chats::taken_since(app, app.stats.stands()).await {
        Ok(changes) => app.stats.answers_since(&first, changes, power, &mut days),
        // Money and bytes are counted all the same.
        Err(problem) => trouble.push(format!("Answers are not counted: {}", problem.message)),
    }
    let (cloud, memo) = (app.cloud.clone(), Arc::clone(&app.stats));
    let visit = Arc::clone(&app.visit);
    let read = move || read_elsewhere(cloud.as_ref(), &visit, &memo, days, &first);
    let read = tokio::task::spawn_blocking(read).await;
    let (days, prices, trouble_there) =
        read.map_err(|_| Problem::new(Kind::Internal, "the work ended unexpectedly"))?;
    trouble.extend(trouble_there);
    let day = |name: String| {
        let took = days.days.get(&name).copied().unwrap_or_default().into();
        DayReport { day: name, took }
    };
    Ok(StatsReport {
        days: names.into_iter().map(day).collect(),
        all: days.all.into(),
        compared: compared(&days.all).into_iter().map(Into::into).collect(),
        prices,
        counter: app.machine.energy.as_ref().map(|counter| counter.name.clone()),
        method: Account::estimated(Range::exact(0.0), threads).about,
        trouble,
    })
}

/// What the ledger adds, the prices there are, and what could not be read.
fn read_elsewhere(
    cloud: Option<&hob_cloud::Cloud>,
    visit: &Visit,
    memo: &Memo,
    mut days: Days,
    first: &str,
) -> (Days, Vec<PriceReport>, Vec<String>) {
    let Some(cloud) = cloud else { return (days, Vec::new(), Vec::new()) };
    let mut trouble = Vec::new();
    let told = |error| elsewhere::problem_to(visit, &error).message;
    match memo.left_since(first, cloud) {
        Ok(left) => days.left(&left),
        Err(error) => trouble.push(format!("What left is not counted: {}", told(error))),
    }
    let targets = cloud.targets().unwrap_or_else(|error| {
        trouble.push(format!("Prices are not known: {}", told(error)));
        Default::default()
    });
    // Whoever watches the machine's figures learns no names and prices of those that may be asked.
    let targets = targets.into_iter().filter(|_| elsewhere::may_be_named(visit));
    let price = |(target, one): (String, hob_cloud::Target)| PriceReport {
        target,
        input: one.input_price,
        output: one.output_price,
    };
    (days, targets.map(price).collect(), trouble)
}
