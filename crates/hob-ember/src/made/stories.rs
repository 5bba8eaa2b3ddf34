//! Short stories of 8 to 14 sentences: a hero, a trouble, a helper, an end. `stories.txt` has what happens.

use super::phrase::{Slots, article, capital, say, word};
use super::{Made, assistant, user};
use hob_base::Random;
use std::sync::LazyLock;

/// What happens in a kind of story, and the slot that people may ask for.
struct Plot {
    asks: &'static str,
    beats: Vec<&'static str>,
}

static PLOTS: LazyLock<Vec<Plot>> =
    LazyLock::new(|| include_str!("stories.txt").split("\n= ").skip(1).map(plot).collect());

fn plot(block: &'static str) -> Plot {
    let mut lines = block.lines().skip(1);
    let asks = lines.next().and_then(|l| l.strip_prefix("asks ")).expect("a plot says what to ask for");
    Plot { asks, beats: lines.collect() }
}

const OPEN: &str = "{Once upon a time|Long ago|Many years ago|Once} there was <a kind> {called|named} <name> who lived \
    {near|not far from} the <place>.|{Once upon a time|Long ago} <a kind> called <name> lived near the <place>.|<name> was <a kind> \
    and lived {near|beside} the <place>.|Near the <place> lived <a kind> {called|whose name was} <name>.|\
    In a {small|quiet|little} house near the <place> lived <a kind> called <name>.";

const LIKED: &str = "{|<^he> was {small|young} but {brave|clever|kind}.|Everybody {liked|knew} <him>.|<^he> liked <hobby> and <drink>.|\
    |<name> was {curious|cheerful|shy}, and <his> best friend was <a pet>.|The summer was warm that year.|It was a cold winter.}";

const END: &str = "{From that day on they were {friends|the best of friends}.|And if you walk by, you can still see them together.|\
    <name> never forgot that day.|That night <name> slept very well.|Since then <name> has never been alone.|\
    And they lived happily ever after.|So <name> learned that {a friend is worth more than gold|kindness comes back|it is good to ask for help|\
    small people can do great things|patience helps}.|And that was the end of a long day.|{The end.|They went home and were happy.}}";

const ASKED: &str = "{Tell me a {short |little |}story about TOPIC.|Write a {short |little |small |}story about TOPIC.|\
    Can you tell me a story about TOPIC?|I want {to hear |}a story about TOPIC.|A story about TOPIC, please.|\
    Write a {bedtime story|fairy tale|tale|story for children} about TOPIC.|Please write a story with TOPIC.|\
    {Make up|Invent} a story with TOPIC.|Story: TOPIC|Do you know a story about TOPIC?|My {son|daughter} wants a story about TOPIC.|\
    Tell {us|me} something nice about TOPIC.|Write a few sentences about TOPIC.}";

const FREE: &str = "{Tell me a story.|Tell me a short story.|Write a short story.|Can you tell me a story?|A bedtime story, please.|\
    I am bored, tell me a story.|Do you know a fairy tale?|Write something nice for my children.|Once more a story, please.}";

const HEROES: [&str; 14] = [
    "girl", "boy", "king", "queen", "princess", "prince", "robot", "giant", "wizard", "pirate", "dragon",
    "ghost", "knight", "child",
];

/// Who a story is about.
fn hero(random: &mut Random, slots: &mut Slots) -> String {
    let hero = match random.index(3) {
        0 => word(random, "job"),
        1 => HEROES[random.index(HEROES.len())],
        _ => word(random, "animal"),
    };
    let gender = match hero {
        "girl" | "queen" | "princess" => "female",
        "boy" | "king" | "prince" => "male",
        _ => ["female", "male"][random.index(2)],
    };
    slots.set("name", word(random, gender));
    let forms = if gender == "female" { ["she", "her", "her"] } else { ["he", "his", "him"] };
    for (slot, form) in ["he", "his", "him"].iter().zip(forms) {
        slots.set(slot, form);
    }
    slots.set("hero", hero);
    let kind = say(random, "{young |little |old |small |clever |lazy |brave |}");
    slots.set("kind", format!("{kind}{hero}"));
    hero.to_owned()
}

/// A story, and the words that it was asked to have.
fn tell(random: &mut Random) -> (Vec<String>, String) {
    let plot = &PLOTS[random.index(PLOTS.len())];
    let mut slots = Slots::default();
    let hero = hero(random, &mut slots);
    // A helper is another animal than the hero.
    let helper = slots.value(random, "animal");
    slots.set("helper", helper);
    let mut parts = vec![slots.say(random, &format!("{{{OPEN}}}")), slots.say(random, LIKED)];
    parts.extend(plot.beats.iter().map(|beat| slots.say(random, beat)));
    parts.push(slots.say(random, END));
    parts.retain(|part| !part.is_empty());
    let mut story = parts.join(" ");
    if random.index(4) == 0 {
        let at = story.len() / 2;
        if let Some(end) = story[at..].find(". ") {
            story.replace_range(at + end + 1..at + end + 2, "\n\n");
        }
    }
    let wanted = slots.text(random, plot.asks);
    let place = slots.text(random, "place");
    let words = match random.index(6) {
        0 | 1 => vec![hero],
        2 => vec![hero, wanted],
        3 => vec![wanted],
        4 => vec![hero, place],
        _ => Vec::new(),
    };
    (words, story)
}

/// A story about what is asked for.
pub fn story(random: &mut Random) -> Made {
    let (words, story) = tell(random);
    let hobbies = super::words::words("hobby");
    let named = |w: &String| if hobbies.contains(&w.as_str()) { w.clone() } else { article(w) };
    let topic: Vec<String> = words.iter().map(named).collect();
    let asked = match topic.is_empty() {
        true => say(random, FREE),
        false => say(random, ASKED).replace("TOPIC", &topic.join(" and ")),
    };
    Made { messages: vec![user(capital(&asked)), assistant(story)], tools: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_were_asked_for_occur() {
        for i in 0..1000 {
            let (words, story) = tell(&mut Random::new(10, i));
            for word in words {
                assert!(story.contains(&word), "{word}: {story}");
            }
            let sentences = story.matches(['.', '?', '!']).count();
            assert!((6..=24).contains(&sentences) && story.len() < 1400, "{sentences}: {story}");
        }
    }
}
