//! What is told of a request's way: where it was answered, why, and what left.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hob_cloud::{Change, Plan};
use hob_privacy::Label;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Longest reason in a header.
const REASON_CHARS_MAX: usize = 300;

/// A request's way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// The target; none for the local model.
    pub target: Option<String>,
    /// How far away that is.
    pub zone: Option<String>,
    /// What decided, in a word.
    pub why: String,
    /// The same in a sentence.
    pub reason: String,
    /// Bytes that were sent, if they were.
    pub bytes: u64,
    /// Values that were hidden, by kind.
    pub hidden: BTreeMap<Label, usize>,
    /// The entry of the ledger; none where nothing left.
    pub entry: Option<u64>,
    /// What happened on the way.
    pub note: Option<String>,
    /// What became of the places of an answer of this machine that a target was asked about.
    pub repaired: Option<Repaired>,
}

/// Places of an answer that a target wrote anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Repaired {
    /// The target.
    pub by: String,
    /// Places that it was asked about.
    pub asked: usize,
    /// Those that say something else now.
    pub changed: usize,
    /// What a reader puts in the place of what it has seen; none where it sees the repaired answer alone.
    pub instead: Option<Instead>,
}

/// A repaired answer for whoever has seen what it was before.
#[derive(Clone, PartialEq, Serialize)]
pub struct Instead {
    /// The whole text as it is now.
    text: String,
    /// Where it says something else, in its order.
    places: Vec<Place>,
}

/// A place that says something else.
#[derive(Clone, PartialEq, Serialize)]
struct Place {
    /// Characters of the text before it: Unicode's, which all languages can count.
    start: usize,
    /// The same with those in it; as many where nothing stands there any more.
    end: usize,
    /// What stood there.
    before: String,
}

impl Instead {
    /// Of an answer of which places were asked about.
    pub fn of(repaired: &hob_cloud::Repaired) -> Self {
        let chars = |end: usize| repaired.text[..end].chars().count();
        let place = |Change { place, before }: &Change| Place {
            start: chars(place.start),
            end: chars(place.end),
            before: before.clone(),
        };
        Self { text: repaired.text.clone(), places: repaired.changes.iter().map(place).collect() }
    }
}

/// What was said is nobody's business who reads a log.
impl fmt::Debug for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instead({} bytes, {} places)", self.text.len(), self.places.len())
    }
}

impl Receipt {
    /// Of a request that is answered here.
    pub fn stays(why: &str, reason: &str) -> Self {
        Self { why: why.to_owned(), reason: reason.to_owned(), ..Self::default() }
    }

    /// Of what is planned; what leaves is known by its entry later.
    pub fn of(plan: &Plan) -> Self {
        let (told, cleared) = (&plan.told, plan.cleared());
        Self {
            target: told.target.clone().filter(|_| cleared.is_some()),
            zone: told.zone.map(|zone| zone.to_string()),
            why: told.why.clone(),
            reason: told.reason.clone(),
            bytes: cleared.map_or(0, |cleared| cleared.bytes().len() as u64),
            hidden: cleared.map(|cleared| cleared.hidden().clone()).unwrap_or_default(),
            entry: None,
            note: None,
            repaired: None,
        }
    }

    /// Of an answer of this machine, places of which the target that was asked wrote anew.
    pub fn repaired(self, repaired: &hob_cloud::Repaired, instead: Option<Instead>) -> Self {
        let (asked, changed) = (repaired.asked, repaired.changes.len());
        let by = self.target.clone().unwrap_or_default();
        let note = match (changed, asked) {
            (0, 1) => format!("{by} was asked about a place of this machine's answer and left it as it is"),
            (0, asked) => format!(
                "{by} was asked about {asked} places of this machine's answer and left them as they are"
            ),
            (changed, asked) => {
                format!("{by} wrote {changed} of {asked} places of this machine's answer anew")
            }
        };
        let repaired = Some(Repaired { by, asked, changed, instead });
        Self { target: None, note: Some(note), repaired, ..self }
    }

    /// Bytes that left.
    fn sent_bytes(&self) -> u64 {
        if self.entry.is_some() { self.bytes } else { 0 }
    }

    /// Values that were hidden.
    fn hidden_count(&self) -> usize {
        self.hidden.values().sum()
    }

    /// In an answer's headers.
    pub fn put(&self, headers: &mut HeaderMap) {
        let mut put = |name: &'static str, value: String| {
            // What people wrote may hold anything; headers may not.
            let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
            let value: String = value.chars().map(plain).take(REASON_CHARS_MAX).collect();
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("x-hob-route", self.target.clone().unwrap_or_else(|| "local".into()));
        put("x-hob-why", self.why.clone());
        put("x-hob-reason", self.reason.clone());
        if let Some(Repaired { by, asked, changed, .. }) = &self.repaired {
            put("x-hob-repaired", format!("{changed} of {asked}"));
            put("x-hob-repaired-by", by.clone());
        }
        if self.target.is_some() || self.repaired.is_some() || self.entry.is_some() {
            put("x-hob-sent-bytes", self.sent_bytes().to_string());
            put("x-hob-hidden", self.hidden_count().to_string());
        }
        if let Some(entry) = self.entry {
            put("x-hob-ledger-entry", entry.to_string());
        }
    }

    /// In an answer's body.
    pub fn to_json(&self) -> Value {
        let repaired = self.repaired.as_ref().map(|it| {
            let mut told = json!({"by": it.by, "asked": it.asked, "changed": it.changed});
            if let Some(Instead { text, places }) = &it.instead {
                (told["text"], told["places"]) = (json!(text), json!(places));
            }
            told
        });
        json!({
            "route": self.target.as_deref().unwrap_or("local"), "zone": self.zone, "why": self.why, "reason": self.reason,
            "sent_bytes": self.sent_bytes(), "hidden": self.hidden,
            "ledger_entry": self.entry, "note": self.note,
            "repaired": repaired,
        })
    }
}
