//! The record as people read it.

use super::{Conversations, Kept, Key, Recipient, Recipients, Record, Transfers};
use hob_base::Bytes;
use hob_chats::Rule;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The whole record.
pub fn of(record: &Record) -> String {
    let mut text = format!(
        "# Record of processing: Hob {} in {}\n\nMade at {}, from what is so on this machine.\n\n\
         - Responsible: \n- Purpose: \n- Legal ground: \n- Whose data: \n\n",
        record.hob, record.data_folder, record.made_at
    );
    write_conversations(&mut text, &record.conversations);
    text += "## What is kept, and where\n\n| place | what | personal data | files | size |\n|---|---|---|---|---|\n";
    for Kept { place, what, personal, files, bytes } in &record.kept {
        let _ = writeln!(text, "| {place} | {what} | {personal} | {files} | {} |", Bytes(*bytes));
    }
    let _ = writeln!(text, "\n## Who may reach it\n\n{}.\n", record.access.reach);
    for Key { name, opens, until, may_leave } in &record.access.keys {
        let until = until.as_deref().unwrap_or("it is revoked");
        let leave = if *may_leave { "; what it asks may be sent to a model elsewhere" } else { "" };
        let _ = writeln!(text, "- key `{}`: {}, until {until}{leave}", cell(name), opens.join(", "));
    }
    if record.access.keys.is_empty() {
        text += "There are no keys.\n";
    }
    write_recipients(&mut text, &record.recipients);
    write_transfers(&mut text, &record.transfers);
    let state = if record.offline.is_on { "on" } else { "off; `hob --offline` turns it on" };
    let _ = writeln!(text, "\n## Offline mode\n\n{state}. What enforces it: {}.", record.offline.enforced_by);
    text
}

fn write_conversations(text: &mut String, about: &Conversations) {
    *text += "## Conversations\n\n";
    let _ = match &about.opened_by {
        Some(by) => writeln!(text, "Encrypted with AES-256-GCM, page by page; {by} opens them."),
        None => writeln!(text, "Not encrypted. No other user of this machine may read the file."),
    };
    match (about.count, &about.oldest, &about.newest) {
        (Some(count), Some(oldest), Some(newest)) => {
            let _ = writeln!(text, "{count} are kept, from {oldest} to {newest}.");
        }
        (Some(_), ..) => *text += "None is kept.\n",
        _ => *text += "How many there are was not looked at: they are locked.\n",
    }
    *text += "\n";
    match &about.rules {
        Some(rules) if rules.is_empty() => *text += "They are kept until somebody deletes them.\n\n",
        Some(rules) => {
            *text += "| folder | kept |\n|---|---|\n";
            for Rule { folder, days } in rules {
                let kept = days.map_or("for ever".to_owned(), |days| format!("{days} days"));
                let _ = writeln!(text, "| {} | {kept} |", cell(folder.as_deref().unwrap_or("(all others)")));
            }
            let _ = writeln!(text, "\nDue for deletion now: {}.\n", about.due.unwrap_or(0));
        }
        None => {}
    }
    match about.private_folders.as_deref() {
        Some([]) => *text += "No folder is private.\n\n",
        Some(folders) => {
            let _ = writeln!(
                text,
                "What is asked in these folders never leaves this machine: {}.\n",
                listed(folders)
            );
        }
        None => {}
    }
}

/// Names of folders in a sentence.
fn listed(folders: &[String]) -> String {
    folders.iter().map(|folder| format!("\"{}\"", cell(folder))).collect::<Vec<_>>().join(", ")
}

fn write_recipients(text: &mut String, recipients: &Recipients) {
    let _ = writeln!(text, "\n## Who may be sent something\n\nThe privacy mode is {}.\n", recipients.mode);
    match recipients.private_folders.as_deref() {
        Some([]) => {}
        Some(folders) => {
            let folders = listed(folders);
            let _ = writeln!(text, "Files of these folders are not read for a model elsewhere: {folders}.\n");
        }
        None => *text += "The policy cannot be read, and nothing is sent until it can.\n\n",
    }
    if recipients.targets.is_empty() {
        *text += "No model elsewhere is set up.\n";
        return;
    }
    *text += "| name | address | zone | model | what is private |\n|---|---|---|---|---|\n";
    for Recipient { name, address, zone, model, private_is_hidden } in &recipients.targets {
        let private = if *private_is_hidden { "hidden before it leaves" } else { "sent as it is" };
        let (name, address, model) = (cell(name), cell(address), cell(model));
        let _ = writeln!(text, "| {name} | {address} | {zone} | {model} | {private} |");
    }
}

fn write_transfers(text: &mut String, transfers: &Transfers) {
    *text += "\n## What left this machine\n\n";
    if let Some(problem) = &transfers.problem {
        let _ = writeln!(text, "The ledger is not whole, and nothing is sent until it is: {problem}\n");
    }
    if transfers.to.is_empty() {
        *text += "Nothing has left this machine through Hob.\n";
        return;
    }
    *text += "| to | purpose | requests | sent | received | hidden | shown | first | last |\n|---|---|---|---|---|---|---|---|---|\n";
    for t in &transfers.to {
        let counts = |kinds: &BTreeMap<String, u64>| {
            kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&t.place),
            t.purpose,
            t.requests,
            Bytes(t.bytes_sent),
            Bytes(t.bytes_received),
            cell(&counts(&t.hidden)),
            cell(&counts(&t.shown)),
            t.first,
            t.last
        );
    }
    if let Some(head) = &transfers.head {
        let _ = writeln!(
            text,
            "\n{} entries, none changed, missing or moved; the last has the digest {head}.",
            transfers.entries
        );
    }
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}
