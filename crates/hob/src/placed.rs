//! Where the tokens of an answer stand in its text, for whoever wants to know which words the model was unsure of.

use crate::{Error, Grammar, LanguageModel, Reply};
use hob_engine::constraint::Limits;
use hob_tokenizer::{EncodeOptions, StreamDecoder};
use std::ops::Range;

/// A token's place in the text of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Its bytes. Where several tokens make up one character, they belong to the last of them.
    pub range: Range<usize>,
    /// Its log-probability, and that of the least probable token where several share a place.
    pub logprob: f32,
}

impl LanguageModel {
    /// The tokens of an answer whose log-probabilities were asked for. `None` where its text is not what its tokens say one after
    /// the other, as with thoughts and calls of tools.
    pub fn placed(&self, reply: &Reply) -> Option<Vec<Placed>> {
        if !reply.thought.is_empty() || !reply.calls.is_empty() {
            return None;
        }
        let tokenizer = self.tokenizer().ok()?;
        let mut decoder = StreamDecoder::continuing(false);
        let mut places = Places::new(&reply.text);
        for token in reply.logprobs.iter().filter(|token| !tokenizer.is_special(token.id)) {
            places.push(&decoder.push(tokenizer, token.id), token.logprob)?;
        }
        places.push(&decoder.finish(), 0.0)?;
        places.end()
    }

    /// Whether `text` is an answer that `grammar` allows, from its beginning to its end.
    ///
    /// # Errors
    /// A grammar that cannot be used or runs out of its budget, or [`Error::NoTokenizer`].
    pub fn satisfies(&self, grammar: &Grammar, text: &str) -> Result<bool, Error> {
        let ids = self.tokenizer()?.encode(text, EncodeOptions { add_special: false, parse_special: false });
        let Some(factory) = self.constraints() else { return Ok(false) };
        let mut constraint = factory.compile(grammar, &Limits::default())?;
        for id in ids {
            match constraint.accept(id) {
                Err(hob_engine::Error::TokenNotAllowed { .. }) => return Ok(false),
                accepted => accepted?,
            }
        }
        Ok(constraint.can_end()?)
    }
}

/// Tokens that are laid along a text.
struct Places<'a> {
    text: &'a str,
    at: usize,
    /// What tokens without text of their own leave to the next.
    waiting: f32,
    placed: Vec<Placed>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, waiting: 0.0, placed: Vec::new() }
    }

    /// Takes what a token says; `None` where the text says something else. A stop text cuts the text in the middle of a token.
    fn push(&mut self, said: &str, logprob: f32) -> Option<()> {
        let logprob = logprob.min(self.waiting);
        let rest = &self.text[self.at..];
        let length = said.len().min(rest.len());
        if said.is_empty() || length == 0 {
            self.waiting = logprob;
            return Some(());
        }
        if !said.as_bytes().starts_with(&rest.as_bytes()[..length]) {
            return None;
        }
        self.placed.push(Placed { range: self.at..self.at + length, logprob });
        (self.at, self.waiting) = (self.at + length, 0.0);
        Some(())
    }

    fn end(self) -> Option<Vec<Placed>> {
        (self.at == self.text.len()).then_some(self.placed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn placed(text: &str, tokens: &[(&str, f32)]) -> Option<Vec<(String, f32)>> {
        let mut places = Places::new(text);
        tokens.iter().try_for_each(|(said, logprob)| places.push(said, *logprob))?;
        let all = places.end()?;
        Some(all.into_iter().map(|one| (text[one.range].to_owned(), one.logprob)).collect())
    }

    #[test]
    fn tokens_are_laid_along_the_text() {
        let tokens = [("It ", -0.1), ("", -3.0), ("é", -0.2), ("!", -0.4)];
        let expected = [("It ".to_owned(), -0.1), ("é".to_owned(), -3.0), ("!".to_owned(), -0.4)];
        assert_eq!(placed("It é!", &tokens).unwrap(), expected);
        // A stop text ended it within a token, and the rest of what was drawn is not shown.
        let cut = placed("It", &[("It is", -0.1), (" so", -0.2)]).unwrap();
        assert_eq!(cut, [("It".to_owned(), -0.1)]);
        for (text, tokens) in [("It is", &[("It", 0.0)][..]), ("It is", &[("It", 0.0), (" was", 0.0)])] {
            assert_eq!(placed(text, tokens), None, "{text}");
        }
    }

    #[test]
    fn an_answers_own_tokens_fit_and_a_grammar_knows_its_texts() {
        let model = LanguageModel::new(crate::builtin().unwrap(), &crate::Options::default()).unwrap();
        let mut chat = model.chat(crate::ChatOptions::default());
        chat.say("Say hello to Zoë in one sentence.");
        let sampler = hob_engine::sampling::SamplerConfig {
            logprobs: Some(1),
            ..hob_engine::sampling::SamplerConfig::greedy()
        };
        let mut options = crate::AnswerOptions {
            sampler: Some(sampler),
            max_tokens: Some(40),
            ..crate::AnswerOptions::default()
        };
        let mut reply = chat.answer(&mut options).unwrap().finish().unwrap();
        let placed = model.placed(&reply).unwrap();
        let joined: String = placed.iter().map(|one| &reply.text[one.range.clone()]).collect();
        assert!(placed.len() > 3 && joined == reply.text, "{reply:?}");
        reply.thought = "Hm.".into();
        assert_eq!(model.placed(&reply), None);
        let schema = serde_json::json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
        let grammar = Grammar::json_schema(schema);
        for (text, is) in
            [(r#"{"n": 12}"#, true), (r#"{"n": "12"}"#, false), (r#"{"n": 1"#, false), ("", false)]
        {
            assert_eq!(model.satisfies(&grammar, text).unwrap(), is, "{text}");
        }
    }
}
