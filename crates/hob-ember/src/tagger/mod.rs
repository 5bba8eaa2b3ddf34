//! The tagger of names: learned from texts that are made, and from prose in which nobody is named.

mod made;
mod measure;

use anyhow::{Context, Result, bail};
use hob_base::Random;
use hob_privacy::{Detector, Example, Lesson, Tagger, Terms};
use hob_train::data::{Document, read_documents};
use made::Maker;
use std::path::{Path, PathBuf};

/// Texts that are made.
const MADE: usize = 12_000;

/// Paragraphs of documentation, in which capitals name languages and programs.
const PLAIN: usize = 1_200;

/// Characters of a paragraph.
const PARAGRAPH: std::ops::Range<usize> = 30..400;

/// What paragraphs about people, code and tables have.
const NOT_PLAIN: [&str; 14] = [
    "@",
    "{",
    "|",
    "<",
    "=",
    "::",
    "Author",
    "```",
    "http",
    "Sponsor",
    "Delegate",
    "hank",
    "Acknowledg",
    "Copyright",
];

/// Arguments of `hob-ember tagger`.
#[derive(clap::Args)]
pub struct TaggerArgs {
    /// Folder with the published sets (`text/`, `tasks/`)
    #[arg(long)]
    data: PathBuf,
    /// File to write
    #[arg(long)]
    out: PathBuf,
    /// Start of every random choice
    #[arg(long, default_value_t = 3)]
    seed: u64,
}

/// Learns, writes, measures.
pub fn run_tagger(args: &TaggerArgs) -> Result<()> {
    let rules = Detector::rules(Terms::default());
    let maker = Maker::new(hob_privacy::LISTS);
    let mut random = Random::new(args.seed, 0);
    let made = (0..MADE).map(|_| maker.make(&mut random));
    let mut examples: Vec<Example> =
        made.map(|m| Example { rules: rules.find(&m.text), text: m.text, marked: m.marked }).collect();
    let plain = plain(&args.data.join("text/docs.train.jsonl.zst"), &mut random)?;
    examples.extend(plain.into_iter().map(|text| Example { rules: rules.find(&text), text, marked: vec![] }));
    let tagger = Tagger::learn(&examples, Lesson { seed: args.seed, ..Lesson::default() });
    let bytes = tagger.to_bytes();
    std::fs::write(&args.out, &bytes).with_context(|| args.out.display().to_string())?;
    println!("{}: {} bytes, learned from {} texts", args.out.display(), bytes.len(), examples.len());
    measure::print(&Detector::rules(Terms::default()).with_tagger(tagger), &args.data.join("tasks"))
}

/// Paragraphs of `path`, drawn at random.
fn plain(path: &Path, random: &mut Random) -> Result<Vec<String>> {
    let mut all = Vec::new();
    read_documents(path, &mut |document| {
        if let Document::Text(text) = document {
            let paragraphs = text.split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
            let is_plain =
                |p: &String| PARAGRAPH.contains(&p.len()) && !NOT_PLAIN.iter().any(|mark| p.contains(mark));
            all.extend(paragraphs.filter(is_plain).map(|p| p.replace('`', "")));
        }
        Ok(true)
    })?;
    if all.len() < PLAIN {
        bail!("{}: expected at least {PLAIN} paragraphs of prose, found {}", path.display(), all.len());
    }
    Ok((0..PLAIN).map(|_| all.swap_remove(random.index(all.len()))).collect())
}
