//! `hob stats`: what the answers of kept conversations took, here and as others publish for theirs.

use crate::progress::span;
use crate::store::table;
use crate::{chats, out, platform, store};
use clap::Args;
use hob_base::Bytes;
use hob_chats::Taken;
use hob_egress::What;
use hob_energy::{CORE_WATTS, PUBLISHED, Range, Served, estimated_wh, request_wh};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A large model as EcoLogits takes GPT-4o to be, in a good data centre and an ordinary one.
const LARGE: Served = Served {
    active: Range { low: 44.0, high: 132.0 },
    total: Range::exact(440.0),
    pue: Range { low: 1.1, high: 1.2 },
};

/// Arguments of `hob stats`.
#[derive(Args, Debug)]
pub struct StatsArgs {
    /// Days to look back
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,
    /// What this machine draws at work, in watts, if you have measured it: 15-25, or 18, taken as within a tenth [default: so much a core]
    #[arg(long, value_name = "WATTS", value_parser = parse_watts)]
    pub watts: Option<Watts>,
    /// Price of a million tokens elsewhere, of prompts and of answers, such as 0.15/0.60
    #[arg(long, value_name = "IN/OUT", value_parser = parse_price)]
    pub price: Option<Price>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What a machine draws.
#[derive(Clone, Copy, Debug)]
pub struct Watts(Range);

/// Prices of a million tokens.
#[derive(Clone, Copy, Debug)]
pub struct Price {
    prompt: f64,
    answer: f64,
}

fn parse_watts(text: &str) -> Result<Watts, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    // One reading is no more exact than that, and one number of two estimates would say more than is known.
    let spread = if text.contains('-') { 0.0 } else { 0.1 };
    let watts = |text: &str| text.trim().parse().ok().filter(|watts: &f64| *watts > 0.0 && watts.is_finite());
    match (watts(low), watts(high)) {
        (Some(low), Some(high)) => Ok(Watts(Range::between(low * (1.0 - spread), high * (1.0 + spread)))),
        _ => Err(format!("expected watts such as 18 or 15-25, found {text:?}")),
    }
}

fn parse_price(text: &str) -> Result<Price, String> {
    let price =
        |text: &str| text.trim().parse().ok().filter(|price: &f64| *price >= 0.0 && price.is_finite());
    match text.split_once('/').map(|(prompt, answer)| (price(prompt), price(answer))) {
        Some((Some(prompt), Some(answer))) => Ok(Price { prompt, answer }),
        _ => Err(format!("expected two prices such as 0.15/0.60, found {text:?}")),
    }
}

/// What some answers took.
#[derive(Clone, Copy, Default)]
struct Sum {
    answers: u64,
    prompt_tokens: u64,
    answer_tokens: u64,
    /// Seconds of computing, without waiting for others.
    seconds: f64,
}

impl Sum {
    fn add(&mut self, taken: &Taken) {
        let stats = &taken.stats;
        self.answers += 1;
        self.prompt_tokens += stats.prompt_tokens;
        self.answer_tokens += stats.answer_tokens;
        if stats.elsewhere.is_some() {
            // Waiting for another machine is no work of this one.
            return;
        }
        let written =
            if stats.per_second > 0.0 { stats.answer_tokens as f64 / stats.per_second } else { 0.0 };
        self.seconds += written + (stats.first_token_ms - stats.queue_ms).max(0.0) / 1000.0;
    }

    fn money(&self, price: Price) -> f64 {
        (self.prompt_tokens as f64 * price.prompt + self.answer_tokens as f64 * price.answer) / 1e6
    }
}

/// Runs the command.
pub fn run(args: &StatsArgs) -> anyhow::Result<()> {
    let since = platform::unix_ms() - i64::from(args.days) * DAY_MS;
    let taken = chats::open()?.taken(since)?;
    let (mut days, mut all) = (BTreeMap::<String, Sum>::new(), Sum::default());
    for one in &taken {
        days.entry(platform::local_day(one.created)).or_default().add(one);
        all.add(one);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let watts = args.watts.map_or(CORE_WATTS.times(cores as f64), |watts| watts.0);
    let sent = Sent::since(since)?;
    if args.json {
        return out::json(&as_json(&days, &all, watts, &sent, args));
    }
    if all.answers == 0 && sent.questions == 0 {
        return out::text("No answers of kept conversations in that time.\n");
    }
    let how = match args.watts {
        Some(_) => "at the watts you gave".to_owned(),
        None => format!(
            "on {cores} cores of {} to {} W; --watts makes it nearer",
            CORE_WATTS.low, CORE_WATTS.high
        ),
    };
    out::text(&(table_of(&days, &all) + &energy(&all, watts, &how) + &money(&all, &sent, args.price)))
}

fn table_of(days: &BTreeMap<String, Sum>, all: &Sum) -> String {
    let mut rows = vec![["DAY", "ANSWERS", "PROMPTS", "WRITTEN", "AT WORK"].map(str::to_owned).to_vec()];
    let row = |name: &str, sum: &Sum| {
        let counts = [sum.answers, sum.prompt_tokens, sum.answer_tokens].map(|n| n.to_string());
        let mut row = vec![name.to_owned()];
        row.extend(counts);
        row.push(if sum.seconds < 60.0 { format!("{:.1} s", sum.seconds) } else { span(sum.seconds) });
        row
    };
    rows.extend(days.iter().map(|(day, sum)| row(day, sum)));
    if days.len() > 1 {
        rows.push(row("together", all));
    }
    table::text(&rows, &[1, 2, 3, 4])
}

fn energy(all: &Sum, watts: Range, how: &str) -> String {
    let here = estimated_wh(all.seconds, watts);
    let mut text = format!("\nenergy here  {}, estimated from the time, {how}\n", wh(here));
    let mut compare = |name: &str, there: Range, about: &str| {
        let verdict = here.compared(there).map_or_else(String::new, |verdict| format!(": {verdict}"));
        let _ = writeln!(text, "elsewhere    {}, {name}{verdict}\n             {about}", wh(there));
    };
    for one in PUBLISHED {
        let about = format!("{} Wh a prompt, {}; {}", one.wh.low, one.scope, one.source);
        compare(one.whose, one.wh.times(all.answers as f64), &about);
    }
    compare(
        "a large model, by the formula of EcoLogits",
        request_wh(LARGE, all.answer_tokens as f64),
        "an upper scenario: 440 billion parameters of which 44 to 132 are used, a guess at GPT-4o; EcoLogits 0.11.3",
    );
    text.push_str(
        "             Those answers are of other models: this compares energy, not what it bought.\n",
    );
    text
}

/// What was asked of models elsewhere, by the ledger.
#[derive(Default)]
struct Sent {
    questions: u64,
    bytes: u64,
    cost_micro: u64,
}

impl Sent {
    fn since(since_ms: i64) -> anyhow::Result<Self> {
        let (mut sent, mut open) = (Self::default(), BTreeMap::new());
        store::ledger().read(&mut |entry, _| match &entry.what {
            What::Send(sending) if sending.target.is_some() && entry.time_ms >= since_ms => {
                sent.questions += 1;
                sent.bytes += sending.bytes;
                // As long as it is not known what one cost, it cost the most that it could.
                sent.cost_micro += sending.cost_max_micro;
                open.insert(entry.n, sending.cost_max_micro);
            }
            What::Outcome(outcome) => {
                if let Some(most) = open.remove(&outcome.of) {
                    sent.cost_micro = sent.cost_micro - most + outcome.cost_micro;
                }
            }
            What::Send(_) | What::Repaired(_) => {}
        })?;
        Ok(sent)
    }

    fn dollars(&self) -> f64 {
        self.cost_micro as f64 / 1e6
    }
}

fn money(all: &Sum, sent: &Sent, price: Option<Price>) -> String {
    let would = match price {
        Some(price) => format!(
            "answers here would have cost {:.4} at {} and {} a million tokens",
            all.money(price),
            price.prompt,
            price.answer
        ),
        None => "--price says what answers here would have cost elsewhere".to_owned(),
    };
    let (questions, bytes, paid) = (sent.questions, Bytes(sent.bytes), sent.dollars());
    format!("money        {paid:.4} paid for {questions} questions elsewhere ({bytes} sent); {would}\n")
}

/// Watt-hours with two digits that count.
fn wh(range: Range) -> String {
    let two = |value: f64| {
        let digits = if value > 0.0 { (1 - value.log10().floor() as i32).max(0) as usize } else { 0 };
        format!("{value:.digits$}")
    };
    if range.low == range.high {
        format!("{} Wh", two(range.low))
    } else {
        format!("{} to {} Wh", two(range.low), two(range.high))
    }
}

fn as_json(days: &BTreeMap<String, Sum>, all: &Sum, watts: Range, sent: &Sent, args: &StatsArgs) -> Value {
    let range = |range: Range| json!({"low": range.low, "high": range.high});
    let sum = |sum: &Sum| {
        json!({"answers": sum.answers, "prompt_tokens": sum.prompt_tokens, "answer_tokens": sum.answer_tokens,
            "seconds": sum.seconds, "estimated_wh": range(estimated_wh(sum.seconds, watts))})
    };
    let mut elsewhere: Vec<Value> = PUBLISHED
        .iter()
        .map(|one| {
            json!({"whose": one.whose, "wh": range(one.wh.times(all.answers as f64)), "year": one.year, "scope": one.scope,
                "source": one.source})
        })
        .collect();
    let formula = request_wh(LARGE, all.answer_tokens as f64);
    elsewhere
        .push(json!({"whose": "a large model", "wh": range(formula), "source": "EcoLogits 0.11.3, formula"}));
    let mut found = sum(all);
    found["days"] =
        days.iter().map(|(day, one)| (day.clone(), sum(one))).collect::<serde_json::Map<_, _>>().into();
    found["watts"] = range(watts);
    found["is_measured"] = false.into();
    found["elsewhere"] = elsewhere.into();
    found["sent"] = json!({"questions": sent.questions, "bytes": sent.bytes, "dollars": sent.dollars()});
    found["money_elsewhere"] = args.price.map(|price| all.money(price)).into();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watts_and_prices_are_read_or_refused() {
        assert_eq!(parse_watts("25-15").unwrap().0, Range { low: 15.0, high: 25.0 });
        assert_eq!(parse_watts("20").unwrap().0, Range { low: 18.0, high: 22.0 });
        for text in ["", "-", "0", "a", "nan", "1-inf"] {
            assert!(parse_watts(text).is_err(), "{text}");
        }
        let price = parse_price("0.15/0.60").unwrap();
        let sum = Sum { prompt_tokens: 2_000_000, answer_tokens: 500_000, ..Sum::default() };
        assert!((sum.money(price) - 0.6).abs() < 1e-12);
        assert!(parse_price("0.15").is_err() && parse_price("-1/2").is_err());
    }

    #[test]
    fn waiting_is_no_work_and_unknown_speed_takes_no_time() {
        let mut sum = Sum::default();
        let stats = hob_chats::Stats {
            answer_tokens: 20,
            per_second: 10.0,
            first_token_ms: 1500.0,
            queue_ms: 1000.0,
            ..Default::default()
        };
        sum.add(&Taken { created: 0, model: None, stats: stats.clone() });
        assert!((sum.seconds - 2.5).abs() < 1e-12);
        sum.add(&Taken { created: 0, model: None, stats: hob_chats::Stats { per_second: 0.0, ..stats } });
        assert!((sum.seconds - 3.0).abs() < 1e-12);
    }

    #[test]
    fn energy_has_two_digits_and_both_bounds() {
        assert_eq!(wh(Range { low: 0.00123, high: 1.26 }), "0.0012 to 1.3 Wh");
        assert_eq!(wh(Range::exact(240.0)), "240 Wh");
        assert_eq!(wh(Range::exact(0.0)), "0 Wh");
    }
}
