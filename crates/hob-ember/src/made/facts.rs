//! Questions about a passage that is given.

use super::passages::{Passage, passage};
use super::phrase::{capital, plain, say};
use super::{Made, assistant, user};
use hob_base::Random;

/// Above a passage, where the question follows it or comes first.
const LAYOUTS: &str = "{PASSAGE\n\nQUESTION|PASSAGE\nQUESTION|QUESTION\n\nPASSAGE|Text: PASSAGE\n\nQuestion: QUESTION|\
    Read the text and answer the question.\n\nPASSAGE\n\nQUESTION|Answer {from|with the help of} this text: PASSAGE\n\nQUESTION|\
    {Here is a text.|This is my text:|Please read this:}\n\nPASSAGE\n\nQUESTION|QUESTION\nHere is the text: PASSAGE|\
    Context:\nPASSAGE\n\nQuestion: QUESTION|QUESTION\n\nText:\nPASSAGE|\"PASSAGE\"\n\nQUESTION|\
    Use only {this|the following} text.\n\nPASSAGE\n\nQUESTION|I read this: PASSAGE\n\nQUESTION}";

fn layout(random: &mut Random, passage: &str, question: &str) -> String {
    say(random, LAYOUTS).replace("QUESTION", question).replace("PASSAGE", passage)
}

const UNSAID: &str = "{The text does not say.|The text does not say that.|The text does not say.}";

/// One to three questions about a passage, now and then some that it does not answer.
pub fn question(random: &mut Random) -> Made {
    let mut passage = passage(random);
    let text = passage.text.clone();
    let mut messages = Vec::new();
    for turn in 0..1 + random.index(6) / 3 + random.index(8) / 7 {
        let (question, answer) = ask(random, &mut passage);
        messages.push(user(if turn == 0 { layout(random, &text, &question) } else { question }));
        messages.push(assistant(answer));
    }
    Made { messages, tools: Vec::new() }
}

/// A question and its answer.
fn ask(random: &mut Random, passage: &mut Passage) -> (String, String) {
    if random.index(6) == 0 && !passage.missing.is_empty() {
        let fact = random.index(passage.missing.len());
        return (passage.question(random, fact, true), say(random, UNSAID));
    }
    let at = random.index(passage.facts.len());
    if random.index(5) == 0 {
        let (question, yes) = passage.whether(random, at);
        let answer = &passage.facts[at].answer;
        return (question, format!("{}. {}", if yes { "Yes" } else { "No" }, capital(answer)));
    }
    let question = passage.question(random, at, false);
    let fact = &passage.facts[at];
    if random.index(6) == 0 {
        let short = say(
            random,
            "{Answer with one word or number.|Answer in a few words.|Give only the answer.|Short answer, please.}",
        );
        return (format!("{question} {short}"), plain(&fact.value));
    }
    (question, capital(&fact.answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_in_the_passage_and_what_is_missing_does_not() {
        let mut random = Random::new(4, 4);
        for _ in 0..2000 {
            let passage = passage(&mut random);
            for fact in &passage.facts {
                assert!(passage.text.contains(&plain(&fact.value)), "{}: {}", passage.text, fact.value);
                assert!(fact.answer.ends_with('.'), "{}", fact.answer);
            }
            for fact in passage.missing.iter().filter(|f| f.value.is_string()) {
                let words = format!(" {} ", passage.text.replace(['.', ','], " "));
                assert!(!words.contains(&format!(" {} ", plain(&fact.value))), "{words}: {}", fact.value);
            }
        }
    }
}
