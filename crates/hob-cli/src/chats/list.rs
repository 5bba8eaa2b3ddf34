//! Conversations in the terminal: listed, found, renamed, deleted.

use super::{ListArgs, RenameArgs, RmArgs, SearchArgs, short};
use crate::store::table;
use crate::{fail, out, platform};
use hob_chats::{Chats, Listed, title_of};
use serde_json::json;

/// Conversations that are asked for at a time.
const PAGE: usize = 500;

/// All conversations.
pub fn all(chats: &Chats) -> anyhow::Result<Vec<Listed>> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = chats.list(after, PAGE)?;
        listed.extend(page.chats);
        after = page.next;
        if after.is_none() {
            return Ok(listed);
        }
    }
}

/// Lists conversations.
pub fn run(chats: &Chats, args: &ListArgs) -> anyhow::Result<()> {
    let mut listed = all(chats)?;
    if let Some(folder) = &args.folder {
        listed.retain(|one| one.chat.folder.as_ref() == Some(folder));
    }
    if args.json {
        return out::json(&listed);
    }
    if listed.is_empty() {
        return out::text(
            "No conversations yet. `hob chat` on a terminal and the page of `hob serve` keep theirs here.\n",
        );
    }
    let mut rows = vec![["ID", "LAST", "FOLDER", "TITLE"].map(str::to_owned).to_vec()];
    for Listed { chat, .. } in &listed {
        let folder = chat.folder.clone().unwrap_or_default();
        rows.push(vec![
            short(&chat.id).to_owned(),
            platform::local_text(chat.updated),
            folder,
            title_of(&chat.title),
        ]);
    }
    out::text(&table::text(&rows, &[]))
}

/// Prints messages, and conversations whose titles hold the words.
pub fn search(chats: &Chats, args: &SearchArgs) -> anyhow::Result<()> {
    let text = args.text.join(" ");
    let hits = chats.search(&text, args.limit.into())?;
    let words: Vec<String> = text.replace('"', " ").split_whitespace().map(str::to_lowercase).collect();
    let mut titled = all(chats)?;
    titled.retain(|one| {
        !words.is_empty() && words.iter().all(|word| one.chat.title.to_lowercase().contains(word))
    });
    if args.json {
        return out::json(&json!({"chats": titled, "messages": hits}));
    }
    if titled.is_empty() && hits.is_empty() {
        return out::text("Nothing found.\n");
    }
    let mut text = String::new();
    for Listed { chat, .. } in &titled {
        text += &format!("{}  {}\n", short(&chat.id), title_of(&chat.title));
    }
    for hit in &hits {
        text += &format!("{}  {}\n    {}\n", short(&hit.chat), title_of(&hit.title), hit.around);
    }
    out::text(&out::harmless(&text))
}

/// Deletes conversations.
pub fn remove(chats: &Chats, args: &RmArgs) -> anyhow::Result<()> {
    for id in &args.ids {
        let chat = chats.find(id)?.chat;
        chats.delete(&chat.id)?;
        out::text(&out::harmless(&format!("deleted {} ({})\n", short(&chat.id), title_of(&chat.title))))?;
    }
    if args.shred { super::encrypt::rekey(chats) } else { Ok(()) }
}

/// Gives a conversation another title.
pub fn rename(chats: &Chats, args: &RenameArgs) -> anyhow::Result<()> {
    let title = args.title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() {
        return Err(fail::usage("expected a title of at least one word"));
    }
    let mut chat = chats.find(&args.id)?.chat;
    (chat.title, chat.is_named) = (title, true);
    chats.put(&chat, &[])?;
    out::text(&out::harmless(&format!("{} is now called {}\n", short(&chat.id), chat.title)))
}
