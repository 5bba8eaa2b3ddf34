//! `hob stats`: what the answers of kept conversations took, here and as others publish for theirs.

use crate::progress::span;
use crate::store::table;
use crate::{chats, out, platform, store};
use clap::Args;
use hob_base::Bytes;
use hob_energy::{CORE_WATTS, Figure, Range, estimated_wh};
use hob_server::stats::{Days, Here, Known, Left, Power, Sent, Tally, compared};
use serde_json::{Value, json};
use std::fmt::Write;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

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

impl Price {
    fn of(self, here: &Here) -> f64 {
        (here.prompt_tokens as f64 * self.prompt + here.answer_tokens as f64 * self.answer) / 1e6
    }
}

/// Runs the command.
pub fn run(args: &StatsArgs) -> anyhow::Result<()> {
    let since = platform::unix_ms() - i64::from(args.days) * DAY_MS;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let power = args.watts.map_or(Power::of_cores(cores), |Watts(watts)| Power { watts, is_given: true });
    let mut days = Days::default();
    for one in chats::open()?.taken(since)? {
        days.answer(&platform::local_day(one.created), &one.stats, power);
    }
    let day = |ms: i64| (ms >= since).then(|| platform::local_day(ms));
    let mut left = Left::default();
    store::ledger().read(&mut |entry, _| left.entry(entry, &day))?;
    days.left(&left);
    if args.json {
        return out::json(&as_json(&days, power.watts, args));
    }
    let Tally { here, there, sent } = &days.all;
    if here.answers + there.answers == 0 && sent.questions == 0 {
        return out::text("No answers of kept conversations in that time.\n");
    }
    let how = match args.watts {
        Some(_) => "at the watts you gave".to_owned(),
        None => format!(
            "on {cores} cores of {} to {} W; --watts makes it nearer",
            CORE_WATTS.low, CORE_WATTS.high
        ),
    };
    out::text(&(table_of(&days) + &energy(&days.all, &how) + &money(here, sent, args.price)))
}

fn table_of(days: &Days) -> String {
    let head = ["DAY", "ANSWERS", "PROMPTS", "WRITTEN", "AT WORK", "MEASURED", "ESTIMATED", "ELSEWHERE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let row = |name: &str, tally: &Tally| {
        let here = &tally.here;
        let counts = [here.answers, here.prompt_tokens, here.answer_tokens].map(|n| n.to_string());
        let mut row = vec![name.to_owned()];
        row.extend(counts);
        row.push(if here.seconds < 60.0 { format!("{:.1} s", here.seconds) } else { span(here.seconds) });
        let known =
            |known: Known| if known.is_any() { Figure(known.wh, "Wh").to_string() } else { "-".into() };
        row.extend([here.measured, here.estimated].map(known));
        row.push(tally.there.answers.to_string());
        row
    };
    rows.extend(days.days.iter().map(|(day, tally)| row(day, tally)));
    if days.days.len() > 1 {
        rows.push(row("together", &days.all));
    }
    table::text(&rows, &[1, 2, 3, 4, 5, 6, 7])
}

fn energy(all: &Tally, how: &str) -> String {
    let here = &all.here;
    let measured = (here.measured, "measured".to_owned());
    let estimated = (here.estimated, format!("estimated from the time, {how}"));
    let mut ways = vec![measured, estimated];
    ways.retain(|(known, _)| known.is_any());
    let mut text = String::from("\n");
    // Joules of a counter and estimates are two figures: nobody knows what their sum would be.
    for (at, (known, way)) in ways.iter().enumerate() {
        let name = if at == 0 { "energy here " } else { "" };
        let (wh, answers) = (Figure(known.wh, "Wh"), of_answers(known.answers, here.answers));
        let _ = writeln!(text, "{name:13}{wh}, {way}{answers}");
    }
    if here.parts > 0 {
        let parts = here.parts;
        let _ = writeln!(
            text,
            "             with the parts of {parts} answers of models elsewhere that were computed here"
        );
    }
    for one in compared(all) {
        let verdict = one.here.word().map_or_else(String::new, |_| format!(": {}", one.here));
        let each = one.each.map_or_else(String::new, |each| format!("{} a prompt, ", Figure(each, "Wh")));
        let (wh, whose, scope, source) = (Figure(one.wh, "Wh"), one.whose, one.scope, one.source);
        let _ = writeln!(text, "elsewhere    {wh}, {whose}{verdict}\n             {each}{scope}; {source}");
    }
    text.push_str(
        "             Those answers are of other models: this compares energy, not what it bought.\n",
    );
    if all.there.answers > 0 {
        let (wh, answers) = (Figure(all.there.wh, "Wh"), all.there.answers);
        let _ = writeln!(
            text,
            "energy there {wh} for {answers} answers of models elsewhere, assumed from what is published"
        );
    }
    text
}

/// How many answers of all are meant, where it is not all of them.
fn of_answers(some: u64, all: u64) -> String {
    if some == all { String::new() } else { format!(" ({some} of {all} answers)") }
}

fn money(here: &Here, sent: &Sent, price: Option<Price>) -> String {
    let would = match price {
        Some(price) => format!(
            "answers here would have cost {:.4} at {} and {} a million tokens",
            price.of(here),
            price.prompt,
            price.answer
        ),
        None => "--price says what answers here would have cost elsewhere".to_owned(),
    };
    let (questions, bytes, paid) = (sent.questions, Bytes(sent.bytes), sent.dollars());
    format!("money        {paid:.4} paid for {questions} questions elsewhere ({bytes} sent); {would}\n")
}

fn as_json(days: &Days, watts: Range, args: &StatsArgs) -> Value {
    let range = |range: Range| json!({"low": range.low, "high": range.high});
    let known = |known: Known| json!({"answers": known.answers, "wh": range(known.wh)});
    let tally = |Tally { here, there, sent }: &Tally| {
        json!({
            "answers": here.answers, "prompt_tokens": here.prompt_tokens, "answer_tokens": here.answer_tokens,
            "seconds": here.seconds, "estimated_wh": range(estimated_wh(here.seconds, watts)),
            "measured": known(here.measured), "estimated": known(here.estimated), "parts": here.parts,
            "there": {"answers": there.answers, "prompt_tokens": there.prompt_tokens,
                "answer_tokens": there.answer_tokens, "assumed_wh": range(there.wh)},
            "sent": {"questions": sent.questions, "bytes": sent.bytes, "dollars": sent.dollars()},
        })
    };
    let all = &days.all;
    let elsewhere = compared(all).into_iter().map(|one| {
        json!({"whose": one.whose, "wh": range(one.wh), "each_wh": one.each.map(range), "year": one.year,
            "scope": one.scope, "source": one.source, "verdict": one.here.word().map(|_| one.here.to_string())})
    });
    let mut found = tally(all);
    found["days"] = days
        .days
        .iter()
        .map(|(day, one)| (day.clone(), tally(one)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    found["watts"] = range(watts);
    found["is_measured"] = (all.here.answers > 0 && all.here.measured.answers == all.here.answers).into();
    found["elsewhere"] = elsewhere.collect();
    found["money_elsewhere"] = args.price.map(|price| price.of(&all.here)).into();
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
        let here = Here { prompt_tokens: 2_000_000, answer_tokens: 500_000, ..Tally::default().here };
        assert!((price.of(&here) - 0.6).abs() < 1e-12);
        assert!(parse_price("0.15").is_err() && parse_price("-1/2").is_err());
    }

    #[test]
    fn what_is_known_in_two_ways_is_told_in_two_lines() {
        let mut all = Tally::default();
        (all.here.answers, all.here.parts) = (3, 1);
        all.here.measured = Known { answers: 1, wh: Range::exact(2.0), ..Known::default() };
        let alone = energy(&all, "somehow");
        assert!(alone.starts_with(
            "\nenergy here  2.0 Wh, measured (1 of 3 answers)\n             with the parts of 1"
        ));
        all.here.estimated = Known { answers: 2, wh: Range { low: 1.0, high: 3.0 }, ..Known::default() };
        let both = energy(&all, "somehow");
        let lines = "\nenergy here  2.0 Wh, measured (1 of 3 answers)\n             1.0 to 3.0 Wh, estimated from the time, somehow (2 of 3 answers)\n";
        assert!(both.starts_with(lines), "{both}");
    }
}
