//! A passage is given; questions about it, the same facts as JSON, a title for it.

use super::words::{CITIES, COLOURS, DAYS, HOBBIES, JOBS, NAMES, PETS, SURNAMES};
use super::{Made, pick};
use hob_base::Random;
use serde_json::{Map, Value, json};

/// Something that is said about a person.
struct Fact {
    key: &'static str,
    value: Value,
    sentences: [String; 2],
    questions: [String; 2],
    answer: String,
}

struct Person {
    name: String,
    pronoun: &'static str,
    facts: Vec<Fact>,
}

fn person(random: &mut Random) -> Person {
    let first = pick(random, &NAMES);
    let name = format!("{first} {}", pick(random, &SURNAMES));
    let pronoun = pick(random, &["He", "She"]);
    let own = if pronoun == "He" { "his" } else { "her" };
    let (age, job, city) = (18 + random.index(70), pick(random, &JOBS), pick(random, &CITIES));
    let (colour, pet, hobby) = (pick(random, &COLOURS), pick(random, &PETS), pick(random, &HOBBIES));
    let (day, years) = (pick(random, &DAYS), 2 + random.index(20));
    let mut facts = vec![
        Fact {
            key: "age",
            value: json!(age),
            sentences: [format!("{first} is {age} years old."), format!("{pronoun} turned {age} this year.")],
            questions: [format!("How old is {first}?"), format!("What is the age of {first}?")],
            answer: format!("{first} is {age} years old."),
        },
        Fact {
            key: "job",
            value: json!(job),
            sentences: [
                format!("{pronoun} works as a {job}."),
                format!("{first} has been a {job} for {years} years."),
            ],
            questions: [format!("What is {first}'s job?"), format!("What does {first} do for a living?")],
            answer: format!("{first} works as a {job}."),
        },
        Fact {
            key: "city",
            value: json!(city),
            sentences: [
                format!("{first} lives in {city}."),
                format!("{pronoun} has a small flat in {city}."),
            ],
            questions: [format!("Where does {first} live?"), format!("In which city does {first} live?")],
            answer: format!("{first} lives in {city}."),
        },
        Fact {
            key: "pet",
            value: json!(format!("{colour} {pet}")),
            sentences: [
                format!("At home a {colour} {pet} waits for {first}."),
                format!("{pronoun} has a {colour} {pet}."),
            ],
            questions: [format!("What colour is {first}'s {pet}?"), format!("What pet does {first} have?")],
            answer: format!("{first} has a {colour} {pet}."),
        },
        Fact {
            key: "hobby",
            value: json!(hobby),
            sentences: [
                format!("In {own} free time {first} likes {hobby}."),
                format!("{pronoun} enjoys {hobby} with friends."),
            ],
            questions: [format!("What does {first} like?"), format!("What is {first}'s hobby?")],
            answer: format!("{first} likes {hobby}."),
        },
        Fact {
            key: "day",
            value: json!(day),
            sentences: [format!("{first} is free on {day}."), format!("{pronoun} never works on {day}.")],
            questions: [format!("On which day is {first} free?"), format!("When does {first} have time?")],
            answer: format!("{first} is free on {day}."),
        },
    ];
    random.shuffle(&mut facts);
    facts.truncate(3 + random.index(3));
    Person { name, pronoun, facts }
}

impl Person {
    fn passage(&self, random: &mut Random) -> String {
        let opening = pick(
            random,
            &["This is {}.", "Meet {}.", "Let me tell you about {}.", "{} is a friend of mine."],
        );
        let mut text = opening.replace("{}", &self.name);
        for fact in &self.facts {
            text.push(' ');
            text += &fact.sentences[random.index(2)];
        }
        text
    }
}

/// A question about a passage, now and then one that it does not answer.
pub fn question(random: &mut Random) -> Made {
    let person = person(random);
    let passage = person.passage(random);
    let missing = random.index(8) == 0;
    let (question, answer) = if missing {
        let first = person.name.split(' ').next().unwrap_or_default();
        let asked =
            pick(random, &["shoe size", "favourite song", "phone number", "middle name", "eye colour"]);
        (format!("What is {first}'s {asked}?"), format!("The text does not say what {first}'s {asked} is."))
    } else {
        let fact = &person.facts[random.index(person.facts.len())];
        (fact.questions[random.index(2)].clone(), fact.answer.clone())
    };
    let asked = match random.index(4) {
        0 => format!("{passage}\n\n{question}"),
        1 => format!("Read the text and answer the question.\n\nText: {passage}\n\nQuestion: {question}"),
        2 => format!("{question}\n\n{passage}"),
        _ => format!("Answer from this text: {passage}\n{question}"),
    };
    Made::answer(asked, answer)
}

/// The facts of a passage as JSON with the keys that are asked for.
pub fn extraction(random: &mut Random) -> Made {
    let person = person(random);
    let passage = person.passage(random);
    let mut fields = Map::new();
    fields.insert("name".into(), json!(person.name));
    let count = 1 + random.index(person.facts.len());
    for fact in &person.facts[..count] {
        fields.insert(fact.key.into(), fact.value.clone());
    }
    let keys = fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let asked = match random.index(3) {
        0 => format!("Give {keys} as JSON.\n\n{passage}"),
        1 => format!("{passage}\n\nExtract these fields as a JSON object: {keys}."),
        _ => format!("Extract JSON with the keys {keys} from this text: {passage}"),
    };
    Made::answer(asked, Value::Object(fields).to_string())
}

/// A title or a one-sentence summary.
pub fn title(random: &mut Random) -> Made {
    let person = person(random);
    let passage = person.passage(random);
    let first = person.name.split(' ').next().unwrap_or_default();
    let fact = &person.facts[0];
    if random.index(2) == 0 {
        return Made::answer(
            format!("Write a short title for this text.\n\n{passage}"),
            format!("About {}", person.name),
        );
    }
    let rest = person.facts.get(1).map_or(String::new(), |f| {
        let said = f.answer.strip_prefix(first).unwrap_or(&f.answer).trim();
        format!(" {} {said}", person.pronoun)
    });
    Made::answer(format!("Summarise this text briefly.\n\n{passage}"), format!("{}{rest}", fact.answer))
}
