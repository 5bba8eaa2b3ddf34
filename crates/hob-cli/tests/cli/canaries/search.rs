//! Looking for canaries in bytes, in every form that a text commonly gets.

use super::made::Canary;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

/// Bytes and where they come from.
pub type Place = (String, Vec<u8>);

/// Canaries that were found, with the first place of each.
pub type Found = BTreeMap<usize, String>;

/// Patterns by their first bytes: two hundred searches of megabytes would take long.
#[derive(Default)]
struct Patterns(HashMap<[u8; 4], Vec<(usize, Vec<u8>)>>);

impl Patterns {
    fn add(&mut self, n: usize, pattern: Vec<u8>) {
        let start: [u8; 4] = pattern[..4].try_into().unwrap();
        self.0.entry(start).or_default().push((n, pattern));
    }

    fn find(&self, bytes: &[u8], mut found: impl FnMut(usize)) {
        for at in 0..bytes.len().saturating_sub(3) {
            let Some(patterns) = self.0.get(&bytes[at..at + 4]) else { continue };
            patterns
                .iter()
                .filter(|(_, pattern)| bytes[at..].starts_with(pattern))
                .for_each(|(n, _)| found(*n));
        }
    }
}

/// Looks for all of them.
pub struct Search {
    exact: Patterns,
    folded: Patterns,
    joined: Patterns,
}

impl Search {
    pub fn new(canaries: &[Canary]) -> Self {
        let mut search =
            Self { exact: Patterns::default(), folded: Patterns::default(), joined: Patterns::default() };
        for (n, canary) in canaries.iter().enumerate() {
            for text in [&canary.text].into_iter().chain(&canary.core) {
                forms(text).into_iter().for_each(|form| search.exact.add(n, form));
                search.folded.add(n, folded(text.as_bytes()));
                search.joined.add(n, joined(text.as_bytes()));
            }
        }
        search
    }

    /// Those that are in any of the places, by content or by name.
    pub fn find(&self, places: &[Place]) -> Found {
        let mut all = Found::new();
        for (name, bytes) in places {
            let bytes = [name.as_bytes(), &[0], bytes].concat();
            for (patterns, bytes) in
                [(&self.exact, &bytes), (&self.folded, &folded(&bytes)), (&self.joined, &joined(&bytes))]
            {
                patterns.find(bytes, |n| _ = all.entry(n).or_insert_with(|| name.clone()));
            }
        }
        all
    }
}

/// As it is, as JSON writes it, once and within another text, percent-encoded, in hexadecimal, in base64, in UTF-16.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let json = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let escaped: String = text
        .chars()
        .map(|c| match c {
            c if c.is_ascii() => json(&c.to_string()),
            c => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        })
        .collect();
    let percent = |plain: fn(u8) -> bool| {
        text.bytes()
            .map(|b| if plain(b) { char::from(b).into() } else { format!("%{b:02X}") })
            .collect::<String>()
    };
    let whole = percent(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let mut forms: Vec<Vec<u8>> = [
        text.to_owned(),
        json(text),
        json(&json(text)),
        escaped,
        whole.replace("%20", "+"),
        percent(|b| b.is_ascii_alphanumeric() || b"-._~@:/,".contains(&b)),
        text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        whole,
    ]
    .map(String::into_bytes)
    .into();
    // Where it begins within three bytes makes three texts of base64, of which the middle is always the same.
    forms.extend((0..3).filter_map(|skip| text.as_bytes().get(skip..)).map(base64));
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        forms.push(text.encode_utf16().flat_map(bytes).collect());
    }
    forms.retain(|form| form.len() >= 6);
    forms
}

/// Whole groups of base64.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63])
    });
    groups.collect()
}

/// In small letters.
fn folded(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(u8::to_ascii_lowercase).collect()
}

/// In small letters and without blanks.
fn joined(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect()
}

/// Every file of a folder, whatever is in it.
pub fn files(folder: &Path) -> Vec<Place> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
    found
}

#[test]
fn every_form_is_found_and_nothing_else() {
    let canaries = super::made::all();
    let search = Search::new(&canaries);
    let find =
        |text: String| search.find(&[("place".into(), text.into_bytes())]).into_keys().collect::<Vec<_>>();
    for (n, canary) in canaries.iter().enumerate() {
        let text = &canary.text;
        let said = serde_json::json!({"text": format!("say {text} twice")}).to_string();
        let shapes = [
            text.clone(),
            text.to_ascii_uppercase(),
            text.split(' ').collect::<Vec<_>>().join("\n"),
            text.replace(' ', ""),
            serde_json::json!({"said": said}).to_string(),
            String::from_utf8(base64(format!("xy{text}zzz").as_bytes())).unwrap(),
        ];
        for shape in shapes {
            assert_eq!(find(format!("a {shape} b")), [n], "{} {text} as {shape}", canary.kind);
        }
    }
    assert_eq!(
        find("Nothing of what anybody said. 4111 1111 1111 1111, Maria, Lane".into()),
        Vec::<usize>::new()
    );
}
