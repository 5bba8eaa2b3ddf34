//! Loads a model and streams an answer: `cargo run --release -p hob --example stream -- MODEL "Your question"`.

use hob::{AnswerOptions, ChatOptions, LanguageModel, Options, Piece};
use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: stream MODEL PROMPT")?;
    let model = LanguageModel::open(path.as_ref(), &Options::default())?;
    let mut chat = model.chat(ChatOptions::default());
    chat.say(&arguments.next().unwrap_or_else(|| "Hello!".into()));
    let mut answer = chat.answer(&mut AnswerOptions::default())?;
    while let Some(piece) = answer.next()? {
        if let Piece::Text(text) = piece {
            print!("{text}");
            std::io::stdout().flush()?;
        }
    }
    Ok(())
}
