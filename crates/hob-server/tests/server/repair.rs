//! Complete answers of a model here of which a model elsewhere writes the doubted places anew.

use crate::client::Answer;
use crate::handover::{PROMPT, Set, set, streamed, text};
use hob_cloud::{Mode, Protocol, Target, Zone};
use hob_testhub::{Asked, Reply, Said};
use serde_json::{Value, json};

const REPAIR: &str = "allow = [\"cloud\"]\nquality = 0.0\nhandover = { below = 0.0, repair = 0.999 }\n";

/// Every complete answer is asked about where doubt sits in few places.
fn repairing(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Set {
    let set = set(4, script);
    set.policy(REPAIR);
    set
}

/// The answer with marks, as it arrived.
fn marked(asked: &Asked) -> String {
    let messages = asked.json()["messages"].clone();
    let list = messages.as_array().unwrap();
    list[list.len() - 2]["content"].as_str().unwrap().to_owned()
}

fn places(asked: &Asked) -> usize {
    (1..).take_while(|number| marked(asked).contains(&format!("⟦{number}⟧"))).count()
}

/// Edits of these places.
fn edits<'a>(edits: impl IntoIterator<Item = (usize, &'a str)>) -> Reply {
    let list: Vec<Value> =
        edits.into_iter().map(|(span, text)| json!({"span": span, "text": text})).collect();
    Reply::said(Said::text(&[&json!({"edits": list}).to_string()]))
}

/// Every place becomes a word of its own.
fn all_anew(asked: &Asked) -> Reply {
    let words: Vec<String> = (1..=places(asked)).map(|number| format!("EDIT{number}.")).collect();
    edits(words.iter().enumerate().map(|(index, word)| (index + 1, word.as_str())))
}

/// Whether `text` is `alone` with something else in `count` places.
fn differs_in_places(text: &str, alone: &str, count: usize) {
    let mut parts = Vec::new();
    let mut rest = text;
    for number in 1..=count {
        let (part, after) =
            rest.split_once(&format!("EDIT{number}.")).unwrap_or_else(|| panic!("{number} in {text}"));
        parts.push(part);
        rest = after;
    }
    let mut before = alone.strip_prefix(parts[0]).unwrap();
    for part in &parts[1..] {
        // Something stood in the place.
        let start = before.char_indices().nth(1).unwrap().0;
        let at = start + before[start..].find(part).unwrap_or_else(|| panic!("{part:?} in {alone}"));
        before = &before[at + part.len()..];
    }
    assert!(before.len() > rest.len() && before.ends_with(rest), "{text}\n{alone}");
}

/// A stream whose reader can put another text in the place of what it has seen.
fn replaceable(more: Value) -> Value {
    let mut body = json!({"stream": true, "hob": {"repairs": true}});
    for (key, value) in more.as_object().unwrap() {
        match key.as_str() {
            "hob" => body["hob"].as_object_mut().unwrap().extend(value.as_object().unwrap().clone()),
            _ => body[key] = value.clone(),
        }
    }
    body
}

/// What a stream says of who is asked, and how much of its text follows that.
fn asking(answer: &Answer) -> Option<(Value, usize)> {
    let events = answer.events();
    let at = events.iter().position(|event| event["hob"]["asking"].is_object())?;
    let rest = events[at..].iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    Some((events[at]["hob"]["asking"].clone(), rest.map(str::len).sum()))
}

fn why(answer: &Answer) -> Option<&str> {
    answer.header("x-hob-why")
}

#[test]
fn doubted_places_are_written_anew_and_nothing_else() {
    let set = repairing(all_anew);
    let alone = set.alone();
    let answer = set.chat(json!({}));
    let asked = &set.api.asked()[0];
    let count = places(asked);
    assert!((1..=8).contains(&count), "{}", marked(asked));
    differs_in_places(&text(&answer), &alone, count);
    // What the target was told: the question, the draft with what is private hidden, and what is wanted of it.
    let body = asked.json();
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert!(!asked.body.contains("Gonzalez") && !asked.body.contains("Maria"), "{}", asked.body);
    assert_eq!(body["response_format"]["json_schema"]["schema"]["required"], json!(["edits"]));
    // What the reader is told.
    let told = answer.ok()["hob"].clone();
    assert_eq!(told["repaired"], json!({"by": "big", "asked": count, "changed": count}));
    assert_eq!((&told["route"], &told["why"]), (&"local".into(), &"repair".into()));
    assert!(told["energy"].is_object() && told["energy_elsewhere"].is_object(), "{told}");
    for (name, value) in [
        ("x-hob-route", "local".to_owned()),
        ("x-hob-why", "repair".to_owned()),
        ("x-hob-repaired", format!("{count} of {count}")),
        ("x-hob-repaired-by", "big".to_owned()),
        ("x-hob-sent-bytes", asked.body.len().to_string()),
    ] {
        assert_eq!(answer.header(name), Some(value.as_str()), "{name}");
    }
    // And what stands in the ledger.
    let ledger = set.server.get("/hob/v1/cloud/ledger").ok();
    let entry = &ledger["requests"][0];
    assert_eq!((&entry["purpose"], &entry["target"]), (&"repair".into(), &"big".into()));
    assert_eq!((&entry["bytes"], &entry["entry"]), (&told["sent_bytes"], &told["ledger_entry"]));
}

#[test]
fn what_it_costs_is_told_and_the_same_is_not_bought_twice() {
    let set = repairing(all_anew);
    set.cloud.remove("big").unwrap();
    let mut target =
        Target::new(&format!("{}/v1", set.api.address()), Protocol::OpenAi, "big-1", Zone::Cloud);
    (target.input_price, target.output_price) = (1000.0, 1000.0);
    set.cloud.add("big", &target, None).unwrap();
    let first = set.chat(json!({}));
    // Eleven tokens read and seven written.
    assert_eq!(first.ok()["hob"]["dollars"], 0.018);
    let again = set.chat(json!({}));
    assert_eq!(text(&again), text(&first), "{}", again.ok()["hob"]);
    let told = again.ok()["hob"].clone();
    assert_eq!(
        (&told["dollars"], &told["ledger_entry"], &told["sent_bytes"]),
        (&0.0.into(), &Value::Null, &0.into())
    );
    assert_eq!((told["energy_elsewhere"].clone(), set.api.asked().len()), (Value::Null, 1));
    // What could cost more than the policy allows is not asked.
    set.policy(&format!("{REPAIR}budget = {{ request = 0.001 }}\n"));
    let alone = set.alone();
    let answer = set.chat(json!({"max_tokens": 50}));
    assert!(alone.starts_with(&text(&answer)), "{}", text(&answer));
    assert_eq!((why(&answer), set.api.asked().len()), (Some("nobody"), 1));
}

#[test]
fn what_was_hidden_comes_back_in_an_edit() {
    let set = repairing(|_| edits([(1, "[PERSON_1],")]));
    let answer = text(&set.chat(json!({})));
    let person = answer.split_once(',').unwrap().0;
    assert!(PROMPT.contains(person) && person.contains("Maria"), "{answer}");
}

#[test]
fn what_cannot_be_used_leaves_the_answer_as_it_was() {
    let long = "x".repeat(1000);
    let said = |text: &str| Reply::said(Said::text(&[text]));
    let cases = [
        (Reply::status(401, "no such key"), "no such key"),
        (said("Once upon a time."), "no document of edits"),
        (said("{\"edits\": [{\"span\": 99, \"text\": \"a\"}]}"), "an edit of place 99"),
        (edits([(1, long.as_str())]), "place 1 with more than"),
        (edits([(1, "⟦1⟧a⟦/1⟧")]), "place 1 with marks"),
        (edits([(1, "a"), (1, "b")]), "place 1 twice"),
        (edits([(1, "[CARD_7]")]), "a placeholder that nobody gave out"),
        (Reply::Cut(Said::text(&["{\"edits\": ["]), 300), ""),
        (Reply::said(Said { is_cut: true, ..Said::text(&["{\"edits\": []}"]) }), "cut at their limit"),
        (Reply::Endless(Said::text(&["on and on "])), "went on beyond"),
        (
            Reply::said(Said { calls: vec![("look".into(), json!({}))], ..Said::text(&["{\"edits\": []}"]) }),
            "a call of a tool",
        ),
    ];
    let count = cases.len();
    let mut replies = cases.clone().into_iter().map(|(reply, _)| reply);
    let set = repairing(move |_| replies.next().unwrap());
    let alone = set.alone();
    for (index, (_, reason)) in cases.into_iter().enumerate() {
        let answer = set.chat(json!({"hob": {"fresh": true}}));
        assert_eq!(text(&answer), alone, "{reason}");
        let told = answer.ok()["hob"].clone();
        assert_eq!((&told["route"], &told["why"]), (&"local".into(), &"fallback".into()), "{index} {told}");
        assert!(told["reason"].as_str().unwrap().contains(reason) && told["repaired"].is_null(), "{told}");
        // What left is told all the same, and nobody is asked a second time.
        assert_eq!(set.api.asked().len(), index + 1);
        assert!(index == 0 || told["sent_bytes"].as_u64().unwrap() > 0, "{told}");
    }
    assert_eq!(set.api.asked().len(), count);
}

#[test]
fn what_must_stay_or_is_seen_already_is_not_asked_about() {
    let set = repairing(all_anew);
    let alone = set.alone();
    let stays = |more: Value| {
        let answer = set.chat(more);
        assert_eq!(text(&answer), alone);
        why(&answer).map(str::to_owned)
    };
    assert_eq!(stays(json!({"hob": {"private": true}})), Some("private".into()));
    set.policy(&format!("{REPAIR}[[rule]]\nname = \"ships\"\ncontains = [\"ship\"]\nthen = \"stay\"\n"));
    assert_eq!(stays(json!({})), Some("rule".into()));
    // Whoever has to be asked about names was not.
    set.policy(&format!("{REPAIR}[privacy.labels]\nPERSON = \"ask\"\n"));
    assert_eq!(stays(json!({})), Some("fallback".into()));
    set.policy(&REPAIR.replace(", repair = 0.999", ""));
    assert_eq!(stays(json!({})), Some("suffices".into()));
    set.cloud.set_mode(Mode::Ask).unwrap();
    set.policy(REPAIR);
    assert_eq!(stays(json!({})), None);
    set.cloud.set_mode(Mode::Hybrid).unwrap();
    let streamed = set.chat(json!({"stream": true}));
    let said: String = streamed
        .events()
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!((said, why(&streamed)), (alone, Some("suffices")));
    // Where doubt is everywhere, it is no matter of places.
    let long = set.chat(json!({"max_tokens": 200}));
    assert_eq!((why(&long), set.api.asked().len()), (Some("suffices"), 0));
}

#[test]
fn other_interfaces_read_the_repaired_answer_too() {
    let set = repairing(all_anew);
    let user = json!([{"role": "user", "content": PROMPT}]);
    let openai = text(&set.chat(json!({})));
    let messages = json!({"model": "ember", "messages": user, "max_tokens": 60, "temperature": 0});
    let anthropic = set.server.post("/v1/messages", &messages);
    assert_eq!(anthropic.ok()["content"][0]["text"], openai.as_str());
    let options = json!({"temperature": 0, "num_predict": 60});
    let ollama = set
        .server
        .post("/api/chat", &json!({"model": "ember", "messages": user, "stream": false, "options": options}));
    assert_eq!(ollama.ok()["message"]["content"], openai.as_str());
    let input = json!({"model": "ember", "input": PROMPT, "max_output_tokens": 60, "temperature": 0});
    let responses = set.server.post("/v1/responses", &input);
    assert_eq!(responses.ok()["output"][0]["content"][0]["text"], openai.as_str());
    assert!(openai.contains("EDIT1.") && why(&responses) == Some("repair"), "{openai}");
}

#[test]
fn a_document_follows_its_schema_after_a_repair_or_stays() {
    let texts = json!({"name": {"type": "string"}, "city": {"type": "string", "maxLength": 20}});
    let schema = json!({"type": "object", "properties": texts, "required": ["name", "city"], "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "who", "strict": true, "schema": schema}});
    let messages =
        json!([{"role": "user", "content": "Extract name and city: Maria Gonzalez lives in Rome."}]);
    // A quotation mark ends a text too early, and a word is a word. What is drawn hot is doubted somewhere.
    for (edit, expected) in [("b\"a", "fallback"), ("word", "repair")] {
        let set = repairing(move |asked| edits([(places(asked), edit)]));
        let mut seen = 0;
        for seed in 1..=12 {
            let ask = |stays: bool| {
                let hob = if stays { json!({"stay": true}) } else { json!({}) };
                set.chat(json!({"response_format": format, "messages": messages, "temperature": 1.0, "seed": seed, "hob": hob}))
            };
            let (alone, answer) = (text(&ask(true)), ask(false));
            let said = text(&answer);
            let whole: Value = serde_json::from_str(&said).unwrap();
            assert!(whole["name"].is_string() && whole["city"].is_string(), "{whole}");
            assert!(said == alone || expected == "repair" && said.contains("word"), "{said}");
            seen +=
                usize::from(why(&answer) == Some(expected) && (said == alone) == (expected == "fallback"));
        }
        assert!(seen > 0, "{expected}");
    }
}

#[test]
fn a_reader_that_can_replace_what_it_has_seen_is_told_what_stands_there() {
    // With all of it held back as well.
    for hold in ["", ", hold = 256"] {
        let set = repairing(all_anew);
        set.policy(&REPAIR.replace(" }", &format!("{hold} }}")));
        let alone = set.alone();
        let answer = set.chat(replaceable(json!({})));
        let (said, told) = streamed(&answer);
        // What is streamed is what was written here, to its last word.
        assert_eq!((said.as_str(), why(&answer)), (alone.as_str(), Some("suffices")));
        let count = places(&set.api.asked()[0]);
        assert_eq!(asking(&answer), Some((json!({"by": "big", "places": count}), 0)));
        let repaired = &told["repaired"];
        assert_eq!(
            (&repaired["by"], &repaired["asked"], &repaired["changed"]),
            (&"big".into(), &count.into(), &count.into())
        );
        assert_eq!((&told["route"], &told["why"]), (&"local".into(), &"repair".into()));
        assert!(told["sent_bytes"].as_u64().unwrap() > 0 && told["ledger_entry"].is_u64(), "{told}");
        let now = repaired["text"].as_str().unwrap();
        differs_in_places(now, &alone, count);
        // Its places are counted in characters, and undo it.
        let mut chars: Vec<char> = now.chars().collect();
        let all = repaired["places"].as_array().unwrap();
        assert_eq!(all.len(), count);
        for (index, place) in all.iter().enumerate().rev() {
            let [start, end] = ["start", "end"].map(|key| place[key].as_u64().unwrap() as usize);
            assert_eq!(chars[start..end].iter().collect::<String>(), format!("EDIT{}.", index + 1));
            chars.splice(start..end, place["before"].as_str().unwrap().chars());
        }
        assert_eq!(chars.into_iter().collect::<String>(), alone);
        // Who reads it as a whole is told the same text, and the same is not bought twice.
        assert_eq!((text(&set.chat(json!({}))).as_str(), set.api.asked().len()), (now, 1));
    }
}

#[test]
fn places_are_characters_in_any_script() {
    let set = repairing(|_| edits([(1, "\u{1f525}\u{e4}\u{6f22}"), (2, "")]));
    let (alone, (_, told)) = (set.alone(), streamed(&set.chat(replaceable(json!({})))));
    let repaired = &told["repaired"];
    let (mut chars, all): (Vec<char>, _) =
        (repaired["text"].as_str().unwrap().chars().collect(), &repaired["places"]);
    assert!(all[0]["end"].as_u64() == all[0]["start"].as_u64().map(|start| start + 3), "{repaired}");
    for place in all.as_array().unwrap().iter().rev() {
        let [start, end] = ["start", "end"].map(|key| place[key].as_u64().unwrap() as usize);
        chars.splice(start..end, place["before"].as_str().unwrap().chars());
    }
    assert_eq!(chars.into_iter().collect::<String>(), alone);
}

#[test]
fn a_stream_stays_as_it_is_where_its_reader_cannot_replace_it_or_nothing_may_leave() {
    let set = repairing(all_anew);
    let alone = set.alone();
    let stays = |body: Value| {
        let answer = set.chat(body);
        let (said, told) = streamed(&answer);
        assert_eq!((said, asking(&answer)), (alone.clone(), None));
        assert!(told["repaired"].is_null(), "{told}");
        told["why"].as_str().unwrap().to_owned()
    };
    assert_eq!(stays(json!({"stream": true})), "suffices");
    assert_eq!(stays(replaceable(json!({"hob": {"repairs": false}}))), "suffices");
    assert_eq!(stays(replaceable(json!({"hob": {"private": true}}))), "private");
    set.policy(&format!("{REPAIR}[[rule]]\nname = \"ships\"\ncontains = [\"ship\"]\nthen = \"stay\"\n"));
    assert_eq!(stays(replaceable(json!({}))), "rule");
    set.policy(&format!("{REPAIR}[privacy.labels]\nPERSON = \"ask\"\n"));
    assert_eq!(stays(replaceable(json!({}))), "fallback");
    set.policy(&REPAIR.replace(", repair = 0.999", ""));
    assert_eq!(stays(replaceable(json!({}))), "suffices");
    set.policy(REPAIR);
    // Another interface has no place to tell it.
    let user = json!([{"role": "user", "content": PROMPT}]);
    let body = json!({"model": "ember", "messages": user, "max_tokens": 60, "temperature": 0, "stream": true, "hob": {"repairs": true}});
    let answer = set.server.post("/v1/messages", &body);
    let said: String = answer
        .events()
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!((said, set.api.asked().len()), (alone, 0));
    // And a flag is a flag.
    assert_eq!(set.chat(json!({"hob": {"repairs": "yes"}})).status, 400);
}

#[test]
fn a_stream_ends_as_it_was_where_edits_cannot_be_used() {
    let mut replies = [edits([(99, "a")]), Reply::status(401, "no such key"), edits([])].into_iter();
    let set = repairing(move |_| replies.next().unwrap());
    let alone = set.alone();
    for (reason, expected) in
        [("an edit of place 99", "fallback"), ("no such key", "fallback"), ("", "repair")]
    {
        let answer = set.chat(replaceable(json!({"hob": {"fresh": true}})));
        let (said, told) = streamed(&answer);
        assert_eq!((&said, told["why"].as_str()), (&alone, Some(expected)), "{told}");
        assert!(told["reason"].as_str().unwrap().contains(reason), "{told}");
        assert!(asking(&answer).is_some(), "{told}");
        match expected {
            "repair" => assert_eq!(
                (&told["repaired"]["text"], &told["repaired"]["places"]),
                (&alone.as_str().into(), &json!([]))
            ),
            _ => assert!(told["repaired"].is_null(), "{told}"),
        }
    }
}
