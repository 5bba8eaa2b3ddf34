//! Answers of a model here that become doubtful while they are written, and go to a model elsewhere.

use crate::client::{Answer, Running, cloud_at, config, start_with};
use hob::{LanguageModel, Options};
use hob_chats::Chats;
use hob_cloud::{Cloud, Mode, Protocol, Target, Zone};
use hob_router::{Confidence, Example, Features, Scale};
use hob_server::{ChatsAt, Config, Folder};
use hob_testhub::{Api, Asked, Reply, Said};
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;

pub const PROMPT: &str = "Tell me a long story about Maria Gonzalez and a ship.";

pub struct Set {
    pub server: Running,
    pub cloud: Cloud,
    pub api: Api,
    _folder: tempfile::TempDir,
}

/// Ember's answers are taken to be mostly wrong where they have more tokens than `sure`.
pub fn set(sure: u64, script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Set {
    let (folder, api) = (tempfile::tempdir().unwrap(), Api::start(script));
    let cloud = cloud_at(folder.path());
    let target = Target::new(&format!("{}/v1", api.address()), Protocol::OpenAi, "big-1", Zone::Cloud);
    cloud.add("big", &target, None).unwrap();
    cloud.set_mode(Mode::Hybrid).unwrap();
    cloud.keep_confidence(&confidence(sure)).unwrap();
    let chats = ChatsAt::File(Arc::new(Chats::in_data(folder.path())));
    let config = Config { cloud: Some(cloud.clone()), chats, ..config() };
    let set = Set { server: start_with(config, Folder::new(&[], None)), cloud, api, _folder: folder };
    set.policy("allow = [\"cloud\"]\nquality = 0.0\nhandover = { below = 0.3 }\n");
    set
}

fn confidence(sure: u64) -> Confidence {
    let ember = LanguageModel::new(hob::builtin().unwrap(), &Options::default()).unwrap();
    let scale = Scale::of([&Features::of("One"), &Features::of("If not, how many more are there than 7?")]);
    let example = |number: u64| {
        // Each another question, all of one length.
        let letter = |part: u64| char::from(b'a' + (part % 26) as u8);
        let ship = format!("z{}{}z", letter(number), letter(number / 26));
        let mut example = Example::new(&PROMPT.replace("ship", &ship), &scale);
        example.right = number.is_multiple_of(2);
        // Some right ones are long too: of what is always wrong nothing is learned.
        let tokens = if example.right && !number.is_multiple_of(10) { sure } else { 200 };
        for token in 0..tokens {
            let logprob = ((token * 7 + number) % 5) as f32 / -5.0;
            example.push(logprob, &[(1, logprob), (2, logprob - 1.0)]);
        }
        example
    };
    let examples: Vec<Example> = (0..200).map(example).collect();
    Confidence::learn(&ember.fingerprint(), scale, &examples, 1).unwrap().0
}

impl Set {
    pub fn policy(&self, text: &str) {
        fs::write(self.cloud.policy_path(), text).unwrap();
    }

    pub fn chat(&self, more: Value) -> Answer {
        let mut body = json!({
            "model": "ember", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 60, "temperature": 0,
        });
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        self.server.post("/v1/chat/completions", &body)
    }

    /// What Ember says when nobody watches it.
    pub fn alone(&self) -> String {
        text(&self.chat(json!({"hob": {"stay": true}})))
    }

    fn bodies(&self) -> Vec<Value> {
        self.api.asked().iter().map(Asked::json).collect()
    }
}

pub fn text(answer: &Answer) -> String {
    answer.ok()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The text of a stream, and what its last event says of the way.
pub fn streamed(answer: &Answer) -> (String, Value) {
    let events = answer.events();
    let said = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
    (said, events.last().unwrap()["hob"].clone())
}

fn better() -> Reply {
    Reply::said(Said::text(&["Once upon a time [PER", "SON_1] sailed."]))
}

#[test]
fn what_is_doubtful_at_once_is_answered_elsewhere_as_if_nothing_had_been_written() {
    let set = set(4, |_| better());
    let answer = set.chat(json!({"stream": true}));
    for (name, value) in [("x-hob-route", "big"), ("x-hob-why", "doubt")] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let reason = answer.header("x-hob-reason").unwrap();
    assert!(reason.starts_with("after 8 tokens the local answer is right with probability 0."), "{reason}");
    let (said, told) = streamed(&answer);
    assert_eq!(said, "Once upon a time Maria Gonzalez sailed.");
    assert_eq!(told["note"], "8 tokens were written on this machine first and are not shown");
    let asked = &set.bodies()[0]["messages"];
    assert_eq!(asked.as_array().unwrap().len(), 1);
    assert!(!asked.to_string().contains("Maria"));
}

#[test]
fn what_becomes_doubtful_is_gone_on_with_elsewhere() {
    let set = set(20, |_| better());
    let alone = set.alone();
    let answer = set.chat(json!({"stream": true}));
    assert_eq!((answer.header("x-hob-route"), answer.header("x-hob-why")), (Some("local"), Some("suffices")));
    let (said, told) = streamed(&answer);
    let begun = said.strip_suffix("Once upon a time Maria Gonzalez sailed.").unwrap();
    assert!(begun.len() > 30 && alone.starts_with(begun) && begun.ends_with(char::is_whitespace), "{said}");
    assert_eq!((&told["route"], &told["why"]), (&"big".into(), &"doubt".into()));
    assert_eq!(told["note"], "the first 32 tokens were written on this machine");
    // It was told what was written, but for what is private, and how much is left to say.
    let asked = &set.bodies()[0];
    let messages = asked["messages"].as_array().unwrap();
    assert_eq!((&messages[1]["role"], &messages[2]["role"]), (&"assistant".into(), &"user".into()));
    let draft = messages[1]["content"].as_str().unwrap();
    assert!(draft.len() > 30 && !asked.to_string().contains("Gonzalez"), "{draft}");
    assert!(messages[2]["content"].as_str().unwrap().contains("exactly where it stops"));
    assert_eq!(asked["max_tokens"], 28);
}

#[test]
fn an_answer_that_is_read_as_a_whole_is_judged_to_its_end() {
    let set = set(20, |_| better());
    let answer = set.chat(json!({}));
    assert_eq!(text(&answer), "Once upon a time Maria Gonzalez sailed.");
    assert_eq!(answer.header("x-hob-why"), Some("doubt"));
    assert_eq!(set.bodies()[0]["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn where_nobody_can_be_asked_the_answer_goes_on_here() {
    for (sure, stream) in [(4, true), (20, true), (20, false)] {
        let set = set(sure, |_| Reply::status(401, "no such key"));
        let alone = set.alone();
        let answer = set.chat(json!({"stream": stream}));
        let (said, told) =
            if stream { streamed(&answer) } else { (text(&answer), answer.ok()["hob"].clone()) };
        assert_eq!(said, alone);
        assert_eq!((&told["route"], &told["why"]), (&"local".into(), &"fallback".into()), "{told}");
        assert!(told["reason"].as_str().unwrap().contains("no such key"), "{told}");
        assert_eq!(set.api.asked().len(), 1);
    }
}

#[test]
fn a_target_that_breaks_off_is_gone_on_with_here() {
    let set = set(20, |_| Reply::Cut(Said::text(&["Then [PERSON_1] ", "sailed home "]), 500));
    let alone = set.alone();
    let (said, told) = streamed(&set.chat(json!({"stream": true, "max_tokens": 90})));
    let at = said.find("Then Maria Gonzalez sailed home ").unwrap();
    assert!(at > 30 && alone.starts_with(&said[..at]) && said.len() > at + 40, "{said}");
    assert!(told["note"].as_str().unwrap().ends_with("this machine went on"), "{told}");
}

#[test]
fn the_usage_of_an_answer_is_what_all_models_took_for_it() {
    let cut = || Reply::Cut(Said::text(&["Then [PERSON_1] ", "sailed home "]), 500);
    // Shown from its beginning, and not shown at all; the target's end, and its break-off.
    for (sure, breaks) in [(20, false), (4, false), (20, true), (4, true)] {
        let set = set(sure, move |_| if breaks { cut() } else { better() });
        let prompt =
            set.chat(json!({"hob": {"stay": true}})).ok()["usage"]["prompt_tokens"].as_u64().unwrap();
        let more = json!({"stream": true, "max_tokens": 90, "stream_options": {"include_usage": true}});
        let events = set.chat(more).events();
        let usage = &events.last().unwrap()["usage"];
        let told = &events.iter().rev().find(|event| event["hob"].is_object()).unwrap()["hob"];
        let (here, there) = (&told["tokens"]["here"], &told["tokens"]["elsewhere"]);
        let count = |value: &Value| value.as_u64().unwrap();
        for (name, part) in [("prompt_tokens", "prompt"), ("completion_tokens", "answer")] {
            assert_eq!(
                count(&usage[name]),
                count(&here[part]) + count(&there[part]),
                "{sure} {breaks}: {told}"
            );
        }
        assert_eq!(
            usage["total_tokens"],
            count(&usage["prompt_tokens"]) + count(&usage["completion_tokens"])
        );
        // What was written before the target was asked, and after it where it broke off.
        let held = if sure == 4 { 8 } else { 32 };
        let written = if breaks { held + 1 } else { held };
        assert!(count(&here["answer"]) >= written, "{sure} {breaks}: {told}");
        let prompts = if breaks { 2 * prompt } else { prompt };
        assert!(count(&here["prompt"]) >= prompts, "{sure} {breaks}: {told}");
        match breaks {
            // As the target counts them.
            false => assert_eq!((&there["prompt"], &there["answer"]), (&11.into(), &7.into())),
            true => assert!(count(&there["prompt"]) > 0 && count(&there["answer"]) > 0),
        }
    }
}

#[test]
fn what_is_private_or_not_spoken_of_stays() {
    let set = set(4, |_| better());
    let alone = set.alone();
    let why = |more: Value| {
        let answer = set.chat(more);
        assert_eq!(text(&answer), alone);
        answer.header("x-hob-why").map(str::to_owned)
    };
    assert_eq!(why(json!({"hob": {"private": true}})), Some("private".into()));
    set.policy("allow = [\"cloud\"]\nquality = 0.0\n");
    assert_eq!(why(json!({})), Some("suffices".into()));
    set.policy("quality = 0.0\nhandover = { below = 0.3 }\n");
    assert_eq!(why(json!({})), Some("nobody".into()));
    set.policy("allow = [\"cloud\"]\nquality = 0.0\nhandover = { below = 0.3 }\n[[rule]]\nname = \"ships\"\ncontains = [\"ship\"]\nthen = \"stay\"\n");
    assert_eq!(why(json!({})), Some("rule".into()));
    set.cloud.set_mode(Mode::Ask).unwrap();
    set.policy("allow = [\"cloud\"]\nquality = 0.0\nhandover = { below = 0.3 }\n");
    assert_eq!(why(json!({})), None);
    assert_eq!(set.api.asked().len(), 0);
}

#[test]
fn a_document_of_a_schema_that_breaks_off_elsewhere_is_the_one_from_here() {
    let set = set(4, |_| Reply::Cut(Said::text(&["{\"name\": \"A"; 20]), 900));
    set.policy("allow = [\"cloud\"]\nquality = 0.0\nhandover = { below = 0.99 }\n");
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "who", "strict": true, "schema": schema}});
    let alone = text(&set.chat(json!({"response_format": format, "hob": {"stay": true}})));
    let answer = set.chat(json!({"response_format": format}));
    assert_eq!(text(&answer), alone);
    assert_eq!(answer.ok()["hob"]["route"], "local");
    // What broke off is not bought a second time.
    assert_eq!(set.api.asked().len(), 1);
}

#[test]
fn who_hangs_up_while_another_model_is_asked_ends_the_answer_here_too() {
    let set = set(20, |_| Reply::Endless(Said::text(&["on and on "])));
    let mut open = set.server.open(
        "/v1/chat/completions",
        &json!({"model": "ember", "stream": true, "temperature": 0, "messages": [{"role": "user", "content": PROMPT}]}),
    );
    assert!(open.chunk().is_some());
    drop(open);
    let idle = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        set.server.get("/hob/v1/server").ok()["answers_running"].as_u64() == Some(0)
    });
    assert!(idle, "{}", set.server.get("/hob/v1/server").ok());
}

#[test]
fn plans_know_what_the_models_answers_are_worth_and_that_they_are_watched() {
    let set = set(20, |_| better());
    let plan = |model: &str| {
        let messages = json!([{"role": "user", "content": PROMPT}]);
        set.server.post("/hob/v1/cloud/plan", &json!({"messages": messages, "model": model})).ok()
    };
    let known = plan("ember");
    assert_eq!(
        (&known["stays"], &known["why"], &known["is_watched"]),
        (&true.into(), &"suffices".into(), &true.into())
    );
    assert!(
        known["reason"].as_str().unwrap().starts_with("the local answer is right with probability"),
        "{known}"
    );
    set.policy("allow = [\"cloud\"]\nquality = 0.0\n");
    assert_eq!(plan("ember")["is_watched"], false);
    // Nothing is known of a model that is not here.
    assert_eq!(plan("none")["is_watched"], false);
}

#[test]
fn the_users_word_is_remembered_unless_it_would_lie_in_the_clear() {
    let set = set(20, |_| better());
    set.policy("allow = [\"cloud\"]\nquality = 0.3\n");
    let correct = |prompt: &str, to: &str| {
        set.server.post("/hob/v1/cloud/corrections", &json!({"prompt": prompt, "to": to}))
    };
    let suffices = || {
        let messages = json!([{"role": "user", "content": PROMPT}]);
        let plan =
            set.server.post("/hob/v1/cloud/plan", &json!({"messages": messages, "model": "ember"})).ok();
        plan["suffices"].as_f64().unwrap()
    };
    let before = suffices();
    assert_eq!(correct(PROMPT, "larger").ok()["remembered"], true);
    assert!(suffices() < before - 0.1);
    assert_eq!(correct(PROMPT, "local").ok()["remembered"], true);
    assert!(suffices() > before);
    assert_eq!((correct(" ", "local").status, correct(PROMPT, "nobody").status), (400, 400));
}
