//! A passage made short: a summary, a title, keywords, its topic; and what kind a short text is.

use super::Made;
use super::passages::passage;
use super::phrase::{Slots, capital, plain, say};
use hob_base::Random;

/// A request above a text, or below it.
fn around(random: &mut Random, request: &str, text: &str) -> String {
    let request = say(random, request);
    say(random, "{REQUEST\n\nTEXT|TEXT\n\nREQUEST|REQUEST\n\nText: TEXT|REQUEST\nTEXT|Text: TEXT\n\nREQUEST}")
        .replace("REQUEST", &request)
        .replace("TEXT", text)
}

/// What the passage is about, in one sentence; two of its facts if asked for two sentences.
pub fn summary(random: &mut Random) -> Made {
    let passage = passage(random);
    let more = passage.facts.iter().find(|f| !passage.summary.contains(&plain(&f.value)));
    if let (0, Some(more)) = (random.index(3), more) {
        let asked = around(random, "{Summarise|Summarize} {this|the} text in two sentences.", &passage.text);
        return Made::answer(asked, format!("{} {}", passage.summary, capital(&more.answer)));
    }
    let asked = around(
        random,
        "{{Summarise|Summarize} this {text|}.|{Summarise|Summarize} {this|the} text {briefly|in one sentence}.|\
         Give {me|} a {short|brief} summary{.| of this text.}|What is this text about?|Write a one-sentence summary.|\
         {Please sum|Sum} this up.|What is the main point of this text?|Make this shorter.|tl;dr|\
         Tell me in one sentence what this says.}",
        &passage.text,
    );
    Made::answer(asked.replace(" .", ".").replace("Give  a", "Give a"), passage.summary)
}

/// A title of a few words.
pub fn title(random: &mut Random) -> Made {
    let passage = passage(random);
    let asked = around(
        random,
        "{Write a {short|} title for this text.|Give this text a {title|headline}.|Find a title.|What would be a good title?|\
         Suggest a title for this{.| text.}|Title, please.|I need a {title|headline} for this {text|}.}",
        &passage.text,
    );
    let asked = asked.replace("a  title", "a title").replace("this .", "this.");
    Made::answer(asked, headline(&passage.title))
}

/// Capitals where a headline has them.
fn headline(text: &str) -> String {
    const SMALL: [&str; 13] =
        ["a", "an", "the", "in", "at", "for", "of", "to", "and", "near", "from", "on", "is"];
    let word = |w: &str| if SMALL.contains(&w) { w.to_owned() } else { capital(w) };
    capital(&text.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

/// The topic of a passage, free or from a list, or keywords.
pub fn topic(random: &mut Random) -> Made {
    let passage = passage(random);
    if random.index(3) == 0 {
        let mut words: Vec<String> =
            passage.facts.iter().filter(|f| f.value.is_string()).map(|f| plain(&f.value)).collect();
        words.dedup();
        words.truncate(4);
        words.insert(0, passage.topic.to_owned());
        let asked = around(
            random,
            "{Give me keywords for this text.|List {some|the} {tags|keywords}.|Which keywords fit this text?|\
             Tag this text.|Find good tags for it.}",
            &passage.text,
        );
        return Made::answer(asked, words.join(", "));
    }
    let mut others: Vec<&str> = [
        "people", "shopping", "travel", "work", "animals", "food", "notices", "family", "news", "school",
        "home",
    ]
    .into_iter()
    .filter(|t| *t != passage.topic)
    .collect();
    random.shuffle(&mut others);
    others.truncate(2 + random.index(4));
    others.insert(random.index(others.len() + 1), passage.topic);
    let asked = around(
        random,
        "{Which topic fits: LIST?|Choose one topic: LIST.|Classify this text as one of: LIST.|\
         What is the topic? Choose from LIST.|Topic (LIST)?|Is this about LIST?}",
        &passage.text,
    );
    Made::answer(asked.replace("LIST", &others.join(", ")), passage.topic)
}

const GOOD: &str = "{I love this <thing>.|The <thing> works very well.|What a {wonderful|great|lovely} <place>!|\
    The <dish> was {delicious|very good|excellent}.|{Great|Very good} service and friendly people.|\
    I will come back soon.|The best <thing> that I have ever had.|<name> was very helpful.|We had a great time at the <place>.|\
    I can recommend it to everyone.|It was worth every cent.|The <event> was {fun|wonderful|fantastic}.}";

const BAD: &str = "{The <thing> broke after <days> days.|I do not like this <thing>.|What a {terrible|bad|boring} <place>!|\
    The <dish> was {cold|awful|much too salty}.|{Slow|Bad} service and rude people.|I will never come back.|\
    The worst <thing> that I have ever had.|<name> was very unfriendly.|We waited <hours> hours at the <place>.|\
    I want my money back.|It is not worth the price.|The <event> was {boring|a disappointment|far too loud}.}";

/// Whether a review is positive or negative.
pub fn sentiment(random: &mut Random) -> Made {
    let good = random.index(2) == 0;
    let mut slots = Slots::default();
    let mut parts: Vec<String> = Vec::new();
    for _ in 0..1 + random.index(3) {
        let part = slots.say(random, if good { GOOD } else { BAD });
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    let asked = around(
        random,
        "{Is this {review|text|comment} positive or negative?|Positive or negative?|What is the sentiment of this review?|\
         Sentiment (positive or negative):|Does the writer like it? Answer positive or negative.|Classify the sentiment.}",
        &parts.join(" "),
    );
    Made::answer(asked, if good { "positive" } else { "negative" })
}

const SPAM: &str = "{You have won <many> euros! Click here now.|Dear customer, your account is locked. Send us your password.|\
    Buy <count> {pills|watches} for the price of one! Only today!|Get rich in <days> days. Answer now!|\
    FREE <gift> for the first <many> people! Click the link.|Your parcel is waiting. Pay <price> euros at this link now.|\
    Make <many> euros a day from home, no work needed!|Last chance! Your prize of <many> euros ends today!}";

const MAIL: &str = "{Hello <name>, can we meet on <day> at <time>?|Hi, I will be <minutes> minutes late. Sorry! <name>|\
    Dear <name>, thank you for the <gift>.|The meeting is in room <room> at <time>.|\
    Hi <name>, could you bring the <thing> on <day>?|Dear team, the <place> is closed on <day>.|\
    <name> and I are going to the <event> on <day>. Do you want to come?|Here are the notes from <day>. Best wishes, <name>}";

/// Whether a mail is spam.
pub fn spam(random: &mut Random) -> Made {
    let spam = random.index(2) == 0;
    let text = say(random, if spam { SPAM } else { MAIL });
    let asked = around(
        random,
        "{Is this {mail|message|e-mail} spam?|Spam or not spam?|Is this spam or not?|Check this mail: spam or not spam?|\
         Classify this message as spam or not spam.}",
        &text,
    );
    let yes_no = asked.contains("Is this") && !asked.contains("or not");
    let answer = match (yes_no, spam) {
        (true, true) => "Yes, this is spam.",
        (true, false) => "No, this is not spam.",
        (false, true) => "spam",
        (false, false) => "not spam",
    };
    Made::answer(asked, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_one_of_those_offered_and_a_title_is_short() {
        for i in 0..500 {
            let made = topic(&mut Random::new(7, i));
            let (asked, said) = (made.messages[0]["content"].as_str(), made.messages[1]["content"].as_str());
            let (asked, said) = (asked.expect("text"), said.expect("text"));
            assert!(said.contains(", ") || asked.contains(said), "{asked}: {said}");
            let title = title(&mut Random::new(8, i)).messages[1]["content"].to_string();
            assert!(title.split(' ').count() <= 9, "{title}");
        }
    }
}
