//! `hob cloud list`, `test`, `remove` and `mode`.

use super::account;
use crate::store::table;
use crate::{keyring, out};
use clap::Args;
use hob_cloud::{Cloud, KeyFrom, Mode, Target};
use hob_router::Spent;
use serde_json::json;
use std::fmt::Write;
use std::time::Instant;

/// Arguments of `hob cloud list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob cloud test`.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// The target
    pub name: String,
}

/// Arguments of `hob cloud remove`.
#[derive(Args, Debug)]
pub struct RemoveArgs {
    /// The target
    pub name: String,
}

/// Prints the mode, or says it.
pub fn mode(cloud: &Cloud, mode: Option<Mode>) -> anyhow::Result<()> {
    if let Some(mode) = mode {
        cloud.set_mode(mode)?;
    }
    let mode = cloud.mode()?;
    let meaning = match mode {
        Mode::Offline => "nothing is sent to other models",
        Mode::Ask => "what you send to a target by its name leaves; the router sends nothing",
        Mode::Hybrid => "the router sends what the policy lets it",
    };
    out::text(&format!("{mode}: {meaning}\n"))
}

/// Runs `hob cloud list`.
pub fn run(cloud: &Cloud, args: &ListArgs) -> anyhow::Result<()> {
    let (mode, targets) = (cloud.mode()?, cloud.targets()?);
    let spent = |name: Option<&str>| cloud.spent(name);
    if args.json {
        let one = |(name, target): (&String, &Target)| {
            let (dollars, bytes) = spent(Some(name))?;
            Ok(json!({
                "name": name, "target": target, "dollars_today": dollars.day, "dollars_month": dollars.month,
                "bytes_month": bytes,
            }))
        };
        let list = targets.iter().map(one).collect::<anyhow::Result<Vec<_>>>()?;
        return out::json(&json!({"mode": mode, "targets": list}));
    }
    if targets.is_empty() {
        return out::text(&format!(
            "There are no targets; `hob cloud add` adds one. The privacy mode is {mode}.\n"
        ));
    }
    let mut rows = vec![
        ["NAME", "ZONE", "MODEL", "ADDRESS", "KEY", "$/M IN", "OUT", "TODAY", "MONTH"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (name, target) in &targets {
        let (Spent { day, month }, _) = spent(Some(name))?;
        rows.push(vec![
            name.clone(),
            target.zone.to_string(),
            target.model.clone(),
            target.address.clone(),
            target.key.as_ref().map_or("none".into(), place),
            target.input_price.to_string(),
            target.output_price.to_string(),
            dollars(day),
            dollars(month),
        ]);
    }
    let mut text = table::text(&rows, &[5, 6, 7, 8]);
    for (name, target) in targets.iter().filter(|(_, target)| !target.note.is_empty()) {
        writeln!(text, "{name}: {}", target.note)?;
    }
    let (Spent { day, month }, bytes) = spent(None)?;
    writeln!(
        text,
        "privacy mode: {mode}; spent today {}, this month {}, {} sent this month",
        dollars(day),
        dollars(month),
        hob_base::Bytes(bytes)
    )?;
    out::text(&out::harmless(&text))
}

/// Where a key is, in a word: the path of a file is of no use in a table.
fn place(from: &KeyFrom) -> String {
    match from {
        KeyFrom::File(_) => "file".into(),
        other => other.to_string(),
    }
}

pub fn dollars(amount: f64) -> String {
    format!("${amount:.4}")
}

/// Runs `hob cloud test`.
pub fn test(cloud: &Cloud, args: &TestArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let (said, answering) = cloud.test(&args.name)?;
    let ended = answering.ended();
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
    let cost = dollars(ended.cost_micro as f64 / 1e6);
    let cost = if ended.usage.is_some() { cost } else { format!("at most {cost} (it does not say)") };
    let seconds = began.elapsed().as_secs_f64();
    let entry = answering.entry().unwrap_or_default();
    let text = format!(
        "{} answers after {seconds:.2} s: {said:?}; cost {cost}; entry {entry} of the ledger\n",
        args.name
    );
    out::text(&out::harmless(&text))
}

/// Runs `hob cloud remove`.
pub fn remove(cloud: &Cloud, args: &RemoveArgs) -> anyhow::Result<()> {
    let is_in_keyring = |target: &Target| target.key == Some(KeyFrom::Keyring);
    // A file that makes no sense can be removed too.
    let was_in_keyring = cloud.targets().is_ok_and(|all| all.get(&args.name).is_some_and(is_in_keyring));
    cloud.remove(&args.name)?;
    if was_in_keyring {
        keyring::forget(&account(&args.name))?;
    }
    out::text(&format!("removed {}; what was sent to it stays in the ledger\n", args.name))
}
