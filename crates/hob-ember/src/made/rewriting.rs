//! A sentence made polite, past, negative, a question, shorter; a sentence to end; short e-mails; the language of a sentence.

use super::Made;
use super::phrase::{Slots, capital, say};
use hob_base::Random;

/// A verb: bare, with he or she, past.
const VERBS: &[(&str, &str, &str, &str)] = &[
    ("buy", "buys", "bought", "{<a thing> in <city>|<a gift> on <day>|some <food> at the <place>}"),
    ("like", "likes", "liked", "{<hobby>|the <thing>|<dish>|the <adjective> <place>}"),
    ("see", "sees", "saw", "{<a animal> near the <place>|the <animal>|<name2> at the <place>}"),
    ("find", "finds", "found", "{<a thing> at the <place>|the <adjective> <thing>}"),
    ("write", "writes", "wrote", "{a letter to <name2>|a long text|an e-mail to the <job>}"),
    ("eat", "eats", "ate", "{<dish> at the <place>|<a fruit> in the morning|<dish> with <name2>}"),
    ("visit", "visits", "visited", "{the <place>|<city> in <month>|<his> <relation> in <city>}"),
    ("sell", "sells", "sold", "{<a thing>|<s thing> in <city>|the <adjective> <thing>}"),
    ("go", "goes", "went", "{to <city> by <vehicle>|to the <place> on <day>}"),
    ("work", "works", "worked", "{in <city>|as <a job>|at the <place>}"),
    ("live", "lives", "lived", "{in <city>|near the <place>|on <street>}"),
    ("need", "needs", "needed", "{<a thing>|some <food>|the <thing> on <day>}"),
    ("bring", "brings", "brought", "{<a gift> for <name2>|some <food>|the <thing>}"),
    ("take", "takes", "took", "{the <vehicle> to <city>|the <thing> from <name2>}"),
    ("make", "makes", "made", "{<dish>|<a thing> of <material>}"),
    ("play", "plays", "played", "{with the <pet>|at the <event>}"),
    ("open", "opens", "opened", "{the <shop> at <time>|the <thing>|a letter from <name2>}"),
    ("clean", "cleans", "cleaned", "{the <thing>|the <place> on <day>}"),
    ("lose", "loses", "lost", "{the <thing> in <city>|<a thing>}"),
    ("speak", "speaks", "spoke", "{<language>|with <name2> about <hobby>|to the <job>}"),
];

/// A sentence in another form.
pub fn rewriting(random: &mut Random) -> Made {
    let (bare, third, past, object) = VERBS[random.index(VERBS.len())];
    let mut slots = Slots::default();
    let rest = slots.say(random, object);
    let name = slots.text(random, "name");
    let now = format!("{name} {third} {rest}.");
    let was = format!("{name} {past} {rest}.");
    let (asked, before, after) = match random.index(7) {
        0 => (
            "{Put this {sentence |}into the past: SENTENCE|Write this in the past tense: SENTENCE|Past tense: SENTENCE|Change this to the past: SENTENCE}",
            now,
            was,
        ),
        1 => (
            "{Turn this into a question: SENTENCE|Make this a question: SENTENCE|Make a question of this: SENTENCE|Write this as a question: SENTENCE}",
            now,
            format!("Does {name} {bare} {rest}?"),
        ),
        2 => (
            "{Make this negative: SENTENCE|Say the opposite: SENTENCE|Write this sentence with not: SENTENCE|Negate this: SENTENCE}",
            now,
            format!("{name} does not {bare} {rest}."),
        ),
        3 => (
            "{Put this into the future: SENTENCE|Write this in the future tense: SENTENCE|Future tense: SENTENCE}",
            now,
            format!("{name} will {bare} {rest}."),
        ),
        4 => (
            "{Put this into the present: SENTENCE|Write this in the present tense: SENTENCE|Present tense: SENTENCE}",
            was,
            now,
        ),
        5 => return polite(random),
        _ => return shorter(random),
    };
    Made::answer(say(random, asked).replace("SENTENCE", &before), after)
}

fn polite(random: &mut Random) -> Made {
    let task = say(
        random,
        "{give me the <thing>|bring the <thing>|close the door|open the window|send me the <thing>|call me on <day>|help me with the <thing>|\
         come at <time>|wait at the <place>|show me the <place>|buy some <food>|clean the <place>|feed the <pet>|write to <name>|\
         tell me the price|repair the <thing>|turn down the music|answer my letter}",
    );
    let asked = say(
        random,
        "{Make this {more |}polite: T{.|!}|Say this politely: T{.|!}|Write this in a friendly way: T{.|!}|More polite, please: T{.|!}|Rewrite politely: T{.|!}}",
    );
    let answer = format!("Could you please {task}?");
    let (lead, end) = asked.split_once(": T").expect("every wording has the task");
    Made::answer(format!("{lead}: {}{end}", capital(&task)), answer)
}

fn shorter(random: &mut Random) -> Made {
    const PAIRS: &[(&str, &str)] = &[
        (
            "I am writing to you because I would like to tell you that <name> is {ill|late|back} today.",
            "<name> is {ill|late|back} today.",
        ),
        (
            "It is a fact that the <thing> which stands over there is very <adjective>.",
            "The <thing> is very <adjective>.",
        ),
        (
            "As you may already know, the <event> will take place on <day> as it was planned.",
            "The <event> is on <day>.",
        ),
        (
            "I just wanted to let you know that I really need <a thing> as soon as possible.",
            "I need <a thing> soon.",
        ),
        ("To be honest, I have to say that I did not like the <dish> at all.", "I did not like the <dish>."),
        (
            "There is no doubt that <name> is the best <job> in all of <city>.",
            "<name> is the best <job> in <city>.",
        ),
        (
            "Please be so kind as to remember that the <place> will be closed on <day>.",
            "The <place> is closed on <day>.",
        ),
    ];
    let (long, short) = PAIRS[random.index(PAIRS.len())];
    let state = say(random, "{ill|late|back}");
    let (long, short) = (long.replace("{ill|late|back}", &state), short.replace("{ill|late|back}", &state));
    let mut slots = Slots::default();
    let asked = say(
        random,
        "{Make this shorter: |Shorten this: |Say this in fewer words: |Write this sentence shorter: |Shorter, please: }",
    );
    let long = slots.say(random, &long);
    Made::answer(asked + &long, capital(&slots.say(random, &short)))
}

/// What an e-mail is about: the request, and its sentences.
const MAILS: &[(&str, &str)] = &[
    ("that the meeting is on <day> at <time>", "{our|the} meeting is on <day> at <time>."),
    ("that I will be <minutes> minutes late", "I am sorry, but I will be <minutes> minutes late."),
    ("to thank for the <gift>", "thank you very much for the <gift>. I like it a lot."),
    (
        "to invite to the <event> on <day>",
        "I would like to invite you to the <event> on <day>. I hope that you can come.",
    ),
    ("that I cannot come on <day>", "I am sorry, but I cannot come on <day>."),
    ("to ask for the <thing>", "could you please send me the <thing>?"),
    ("to ask for a meeting in <city>", "could we meet in <city>? Please tell me which day is good for you."),
    ("that the <place> is closed on <day>", "please note that the <place> is closed on <day>."),
    ("to say happy birthday", "happy birthday! I wish you a wonderful year."),
    ("that I am ill", "I am ill today and cannot come to work."),
    ("to order <count> <s thing>", "I would like to order <count> <s thing>. Please tell me the price."),
    ("that the <thing> arrived broken", "the <thing> arrived broken. Could you please send me a new one?"),
    ("to cancel the table at <time>", "I have to cancel my table at <time>. I am sorry about that."),
    ("to ask about the price of the <thing>", "could you please tell me the price of the <thing>?"),
];

/// A short e-mail or message.
pub fn mail(random: &mut Random) -> Made {
    let (about, body) = MAILS[random.index(MAILS.len())];
    let mut slots = Slots::default();
    let about = slots.say(random, about);
    let asked = slots.say(
        random,
        "{Write {a short|an|a} e-mail to <name> ABOUT.|Write a short message to <name> ABOUT.|Draft an e-mail to <name> ABOUT.|\
         I need an e-mail to <name> ABOUT.|Please write to <name> ABOUT.|Help me write an e-mail to <name> ABOUT.|E-mail to <name> ABOUT}",
    );
    let end = say(random, "{Best wishes|Kind regards|Best regards}");
    let mail = format!(
        "{} {},\n\n{}\n\n{end}",
        say(random, "{Dear|Hello|Hi}"),
        slots.text(random, "name"),
        capital(&slots.say(random, body))
    );
    Made::answer(asked.replace("a e-mail", "an e-mail").replace("ABOUT", &about), mail)
}

/// The rest of a sentence that was begun.
const ENDS: &[(&str, &str)] = &[
    ("{When|Because} it began to rain, <name>", "went home and made some <drink>."),
    ("Every morning <name> drinks", "a cup of {tea|coffee} and reads the paper."),
    ("The <animal> was so hungry that it", "ate the whole <fruit>."),
    ("<name> opened the door and saw", "<a animal> in the garden."),
    ("In the old house there was", "<a adjective> <thing> that nobody had seen for years."),
    ("On <day> we will go to", "the <place> and look for <a gift>."),
    ("My <relation> always says that", "<hobby> is good for you."),
    ("If the weather is {good|fine}, we", "can walk to the <place>."),
    ("<name> was late because", "the <vehicle> did not come."),
    ("The best thing about <city> is", "the <adjective> <place>."),
    ("I need a new <thing> because", "the old one is broken."),
    ("At the end of the day <name>", "was <feeling> but happy."),
];

/// A sentence to go on with.
pub fn ending(random: &mut Random) -> Made {
    let (begin, end) = ENDS[random.index(ENDS.len())];
    let mut slots = Slots::default();
    let begin = slots.say(random, begin);
    let asked = say(
        random,
        "{Complete this sentence: |Finish this sentence: |Go on: |Continue: |How could this sentence end? }",
    );
    let end = slots.say(random, end);
    Made::answer(format!("{asked}{begin} ..."), format!("{begin} {end}"))
}

const FOREIGN: &[(&str, &str)] = &[
    (
        "German",
        "{Das Haus ist alt.|Ich habe einen Hund.|Wo ist der Bahnhof?|Heute ist das Wetter gut.|Wir gehen nach Hause.|Guten Morgen, wie geht es dir?|Das Buch ist neu.|Er trinkt gern Kaffee.}",
    ),
    (
        "French",
        "{La maison est vieille.|J'ai un chien.|Je vais au travail.|Il fait beau.|Nous allons dans la rue.|Bonjour, comment allez-vous?|Le livre est nouveau.|Elle aime le pain.}",
    ),
    (
        "Spanish",
        "{La casa es vieja.|Tengo un perro.|Hoy hace buen tiempo.|Vamos a la playa.|Buenos dias, como estas?|El libro es nuevo.|Me gusta el pan.|Los libros son caros.}",
    ),
    (
        "Italian",
        "{La casa e vecchia.|Ho un cane.|Dove sono i bambini?|Oggi fa bel tempo.|Andiamo a casa.|Buongiorno, come stai?|Il libro e nuovo.|Mi piace il pane.}",
    ),
    (
        "Dutch",
        "{Het huis is oud.|Ik heb een hond.|Waar is het station?|Het is vandaag mooi weer.|Wij gaan naar huis.|Goedemorgen, hoe gaat het?|Het boek is nieuw.}",
    ),
    (
        "English",
        "{The house is old.|I have a dog.|Where is the <place>?|The weather is good today.|We are going to <city>.|Good morning, how are you?|<name> likes <hobby>.|The <thing> is <colour>.}",
    ),
];

/// Which language a sentence is in.
pub fn language(random: &mut Random) -> Made {
    let (language, sentences) = FOREIGN[random.index(FOREIGN.len())];
    let text = say(random, sentences);
    let asked = say(
        random,
        "{Which language is this? T|What language is this sentence: T|In which language is this written? T|Name the language: T|Language of this text? T}",
    );
    let (lead, _) = asked.split_at(asked.len() - 1);
    Made::answer(format!("{lead}{text}"), format!("This is {language}."))
}
