//! Targets seen from both sides: what arrives there, to the byte, and what becomes of what they say.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use hob_cloud::{
    Choice, Cloud, Consent, Ended, Error, Event, Finish, Mode, Plan, Protocol, Question, Repair, Say, Setup,
    Target, Usage, Way, Wish, Zone,
};
use hob_egress::{Config, Egress, Ledger, Purpose, Secret, What};
use hob_privacy::{Answer, Refusal};
use hob_testhub::{Api, Asked, Reply, Said};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn cloud(folder: &Path) -> Cloud {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let ledger = folder.join("ledger");
    Cloud::new(Setup {
        folder: folder.to_owned(),
        connect: Box::new(move |policy| {
            let config = Config { policy, read_timeout: Duration::from_secs(2), ..Config::default() };
            Egress::new(config, Ledger::at(&ledger, || 1_000)).map_err(|error| error.to_string())
        }),
        key: Box::new(|_, from| match from.to_string().as_str() {
            "env:PLANTED" => Ok(Secret::new("sk-planted").unwrap()),
            _ => Err("not set".into()),
        }),
        clock: || Duration::from_secs(5),
        seed: || SEED.fetch_add(1, Ordering::Relaxed),
    })
}

/// A cloud with one target, `big`, that is asked by its name.
struct Set {
    folder: tempfile::TempDir,
    cloud: Cloud,
    api: Api,
}

fn set(protocol: Protocol, script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Set {
    set_with(protocol, |_| {}, script)
}

fn set_with(
    protocol: Protocol,
    change: impl FnOnce(&mut Target),
    script: impl FnMut(&Asked) -> Reply + Send + 'static,
) -> Set {
    let (folder, api) = (tempfile::tempdir().unwrap(), Api::start(script));
    let cloud = cloud(folder.path());
    let mut target = Target::new(&format!("{}/v1", api.address()), protocol, "big-1", Zone::Cloud);
    (target.input_price, target.output_price) = (3.0, 15.0);
    change(&mut target);
    cloud.add("big", &target, None).unwrap();
    cloud.set_mode(Mode::Ask).unwrap();
    Set { folder, cloud, api }
}

/// An answer as a whole.
#[derive(Debug, Default, PartialEq)]
struct Whole {
    text: String,
    thought: String,
    calls: Vec<(String, Value)>,
    ended: Ended,
    entry: Option<u64>,
}

impl Set {
    fn ask(&self, question: &Question) -> Result<Whole, Error> {
        self.ask_with(&Wish::new(question, Way::Named("big".into())))
    }

    fn ask_with(&self, wish: &Wish<'_>) -> Result<Whole, Error> {
        let plan = self.cloud.plan(wish, &mut |_, _| Answer::Refuse)?;
        let mut answering = self.cloud.begin(plan)?.unwrap();
        let mut whole = Whole::default();
        while let Some(event) = answering.next()? {
            match event {
                Event::Text(text) => whole.text += &text,
                Event::Thought(text) => whole.thought += &text,
                Event::Call(call) => whole.calls.push((call.name, Value::Object(call.arguments))),
            }
        }
        whole.ended = answering.ended();
        whole.entry = answering.entry();
        Ok(whole)
    }

    /// What the ledger says, a line for each entry.
    fn ledger(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.cloud
            .ledger(&mut |entry, _| {
                lines.push(match &entry.what {
                    What::Send(s) => {
                        let hidden: Vec<String> = s.hidden.iter().map(|(l, n)| format!("{n} {l}")).collect();
                        format!("{} {} {} max {}", s.method, s.path, hidden.join(","), s.cost_max_micro)
                    }
                    What::Outcome(o) => {
                        format!(
                            "{} {:?} cost {} {}",
                            o.of,
                            o.status,
                            o.cost_micro,
                            o.failed.clone().unwrap_or_default()
                        )
                    }
                    What::Repaired(_) => "repaired".into(),
                });
            })
            .unwrap();
        lines
    }
}

const BOTH: [Protocol; 2] = [Protocol::OpenAi, Protocol::Anthropic];

#[test]
fn what_is_private_never_arrives_and_comes_back_in_any_pieces() {
    let said = ["Dear [PER", "SON_1], I wrote to [email_1", "] and to [Person 1]. ", "[EMAIL_9] is yours"];
    for protocol in BOTH {
        for size in [1, 3, 7, 4096] {
            let set = set(protocol, move |_| Reply::Stream(Said::text(&said), size));
            let question = Question {
                messages: vec![
                    json!({"role": "system", "content": "Answer for Maria Gonzalez."}),
                    json!({"role": "user", "content": [{"type": "text", "text": "Write to maria.gonzalez@mail.example"}]}),
                    json!({"role": "assistant", "content": "Done, Maria Gonzalez.", "reasoning_content": "PLANTED"}),
                    json!({"role": "user", "content": "Again, please: maria.gonzalez@mail.example"}),
                ],
                ..Question::default()
            };
            let whole = set.ask(&question).unwrap();
            let expected = "Dear Maria Gonzalez, I wrote to maria.gonzalez@mail.example and to Maria Gonzalez. [EMAIL_9] is yours";
            assert_eq!(whole.text, expected, "{protocol:?} {size}");
            assert_eq!(whole.ended.usage, Some(Usage { read: 11, written: 7 }));
            assert_eq!(whole.ended.cost_micro, 11 * 3 + 7 * 15);
            let body = &set.api.asked()[0].body.to_lowercase();
            for private in ["maria", "gonzalez", "mail.example", "planted"] {
                assert!(!body.contains(private), "{protocol:?}: {private} in {body}");
            }
            assert!(body.contains("[email_1]") && body.contains("[person_1]"), "{body}");
        }
    }
}

/// A question with all that a conversation with tools has.
fn with_tools() -> (Question, Value) {
    let tools =
        vec![json!({"type": "function", "function": {"name": "look", "description": "It looks there.",
        "parameters": {"type": "object", "properties": {"at": {"type": "integer", "minimum": -3}}}}})];
    let call =
        json!({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}});
    let messages = vec![
        json!({"role": "developer", "content": "Be short."}),
        json!({"role": "user", "content": "Please look at it."}),
        json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        json!({"role": "tool", "tool_call_id": "c1", "content": "a tree"}),
    ];
    let question = Question {
        messages,
        tools,
        choice: Some(Choice::Required),
        max_tokens: Some(50),
        temperature: Some(1.5),
        stop: vec!["END".into()],
        ..Question::default()
    };
    (question, call)
}

/// What arrives of it.
fn arrived(protocol: Protocol, question: &Question) -> Asked {
    let arguments = json!({"at": 2, "of": "[PERSON_4]"});
    let said =
        Said { calls: vec![("look".into(), arguments.clone())], usage: Some((1, 1)), ..Said::default() };
    let planted = |target: &mut Target| target.key = Some("env:PLANTED".parse().unwrap());
    let set = set_with(protocol, planted, move |_| Reply::said(said.clone()));
    let whole = set.ask(question).unwrap();
    assert_eq!(whole.calls, [("look".to_owned(), arguments)]);
    assert_eq!(whole.ended.finish, Finish::Stop);
    set.api.asked().remove(0)
}

#[test]
fn chat_completions_get_what_they_know() {
    let (question, call) = with_tools();
    let asked = arrived(Protocol::OpenAi, &question);
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.header("authorization"), Some("Bearer sk-planted"));
    assert_eq!(
        asked.json(),
        json!({
            "model": "big-1", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 50, "temperature": 1.5,
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": "Please look at it."},
                {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "content": "a tree", "tool_call_id": "c1"},
            ],
            "tools": question.tools, "tool_choice": "required",
        })
    );
}

#[test]
fn messages_get_what_they_know() {
    let (question, _) = with_tools();
    let asked = arrived(Protocol::Anthropic, &question);
    assert_eq!(asked.path, "/v1/messages");
    assert_eq!((asked.header("x-api-key"), asked.header("authorization")), (Some("sk-planted"), None));
    assert_eq!(asked.header("anthropic-version"), Some("2023-06-01"));
    let schema = &question.tools[0]["function"]["parameters"];
    assert_eq!(
        asked.json(),
        json!({
            "model": "big-1", "stream": true, "max_tokens": 50, "temperature": 1, "system": "Be short.",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Please look at it."}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "a tree"}]},
            ],
            "tools": [{"name": "look", "description": "It looks there.", "input_schema": schema}],
            "tool_choice": {"type": "any"},
        })
    );
}

/// Servers differ in how they number calls and in how often they name them.
#[test]
fn calls_in_a_stream_are_told_apart() {
    let call = |id: Value, name: &str, arguments: &str| json!({"index": 0, "id": id, "function": {"name": name, "arguments": arguments}});
    let no_id = Value::Null;
    for (pieces, expected) in [
        // Named with each piece, with its id or without.
        (
            vec![
                call("a".into(), "look", "{\"at\":"),
                call("a".into(), "look", "1}"),
                call(no_id.clone(), "look", ""),
            ],
            vec![("look", json!({"at": 1}))],
        ),
        (
            vec![call(no_id.clone(), "look", "{\"at\":"), call(no_id.clone(), "look", "1}")],
            vec![("look", json!({"at": 1}))],
        ),
        // Several calls with one index.
        (
            vec![
                call("a".into(), "look", "{\"at\":1}"),
                call("b".into(), "look", "{\"at\":2}"),
                call(no_id, "note", "{}"),
            ],
            vec![("look", json!({"at": 1})), ("look", json!({"at": 2})), ("note", json!({}))],
        ),
    ] {
        let chunk =
            |delta: Value| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}));
        let mut body: String = pieces.iter().map(|piece| chunk(json!({"tool_calls": [piece]}))).collect();
        body += "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
        let headers = vec![("Content-Type", "text/event-stream".to_owned())];
        let set = set(Protocol::OpenAi, move |_| Reply::Whole(200, headers.clone(), body.clone()));
        let question = Question {
            tools: ["look", "note"].map(|name| json!({"function": {"name": name}})).into(),
            choice: Some(Choice::Auto),
            ..Question::of("Look")
        };
        let calls = set.ask(&question).unwrap().calls;
        let expected: Vec<_> = expected.into_iter().map(|(name, with)| (name.to_owned(), with)).collect();
        assert_eq!(calls, expected, "{pieces:?}");
    }
}

#[test]
fn hidden_values_in_arguments_of_calls_come_back() {
    for protocol in BOTH {
        let said = Said {
            calls: vec![("send".into(), json!({"to": ["[EMAIL_1]"], "n": 1}))],
            usage: None,
            ..Said::default()
        };
        let set = set(protocol, move |_| Reply::said(said.clone()));
        let question = Question {
            tools: vec![json!({"function": {"name": "send"}})],
            choice: Some(Choice::Auto),
            ..Question::of("Send it to \"a.b\"@mail.example or to ann@mail.example")
        };
        let whole = set.ask(&question).unwrap();
        assert_eq!(whole.calls.len(), 1);
        let to = whole.calls[0].1["to"][0].as_str().unwrap();
        assert!(to.ends_with("@mail.example") && !to.contains('['), "{to}");
    }
}

#[test]
fn stop_texts_end_an_answer_here() {
    for protocol in BOTH {
        let said = Said::text(&["Ask ann", "@mail.exa", "mple or [EMAIL_1]", ", then more"]);
        let set = set(protocol, move |_| Reply::said(said.clone()));
        let question = Question { stop: vec!["bob@mail".into()], ..Question::of("Ask bob@mail.example") };
        let whole = set.ask(&question).unwrap();
        assert_eq!((whole.text.as_str(), whole.ended.finish), ("Ask ann@mail.example or ", Finish::Stop));
        assert!(!set.api.asked()[0].body.contains("bob"));
    }
}

#[test]
fn an_answer_with_a_schema_is_text_from_either() {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let question = Question { schema: Some(schema.clone()), ..Question::of("Who is Maria Gonzalez?") };
    let openai = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["{\"name\":\"[PER", "SON_1]\"}"])));
    let anthropic = set(Protocol::Anthropic, |_| {
        Reply::said(Said { calls: vec![("answer".into(), json!({"name": "[PERSON_1]"}))], ..Said::default() })
    });
    for set in [&openai, &anthropic] {
        let whole = set.ask(&question).unwrap();
        assert_eq!((whole.text.as_str(), whole.calls.len()), ("{\"name\":\"Maria Gonzalez\"}", 0));
    }
    assert_eq!(openai.api.asked()[0].json()["response_format"]["json_schema"]["schema"], schema);
    assert_eq!(anthropic.api.asked()[0].json()["tool_choice"], json!({"type": "tool", "name": "answer"}));
}

#[test]
fn a_target_that_answers_in_one_piece_is_understood() {
    let body = |asked: &Asked| match asked.path.ends_with("/messages") {
        true => {
            json!({"content": [{"type": "text", "text": "Hi [EMAIL_1]"}], "stop_reason": "end_turn", "usage": {"input_tokens": 2, "output_tokens": 3}})
        }
        false => {
            json!({"choices": [{"message": {"content": "Hi [EMAIL_1]"}, "finish_reason": "length"}], "usage": {"prompt_tokens": 2, "completion_tokens": 3}})
        }
    };
    for protocol in BOTH {
        let set = set(protocol, move |asked| Reply::Whole(200, Vec::new(), body(asked).to_string()));
        let whole = set.ask(&Question::of("I am ann@mail.example")).unwrap();
        assert_eq!(
            (whole.text.as_str(), whole.ended.usage),
            ("Hi ann@mail.example", Some(Usage { read: 2, written: 3 }))
        );
    }
}

#[test]
fn nothing_leaves_unless_everything_agrees() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["no"])));
    let question = Question::of("Hello");
    set.cloud.set_mode(Mode::Offline).unwrap();
    assert!(matches!(set.ask(&question), Err(Error::Offline)));
    assert!(matches!(set.cloud.test("big"), Err(Error::Offline)));
    set.cloud.set_mode(Mode::Ask).unwrap();
    let private = Wish { is_private: true, ..Wish::new(&question, Way::Named("big".into())) };
    assert!(matches!(set.ask_with(&private), Err(Error::Refused(Refusal::Private))));
    let picture = json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]});
    assert!(matches!(
        set.ask(&Question { messages: vec![picture], ..Question::default() }),
        Err(Error::NotText)
    ));
    assert!(matches!(
        set.ask_with(&Wish::new(&question, Way::Named("none".into()))),
        Err(Error::NoTarget { .. })
    ));
    // The router may advise, and what it advises is not sent.
    fs::write(set.cloud.policy_path(), "allow = [\"cloud\"]\nquality = 1.0").unwrap();
    let advice = set.cloud.plan(&Wish::new(&question, Way::Advice), &mut |_, _| Answer::Refuse).unwrap();
    assert_eq!(advice.told.target.as_deref(), Some("big"));
    assert!(matches!(set.cloud.begin(advice), Err(Error::NotHybrid { .. })));
    let stays = set.cloud.plan(&Wish::new(&question, Way::Router), &mut |_, _| Answer::Refuse).unwrap();
    assert_eq!((stays.told.why.as_str(), stays.cleared().is_some()), ("mode", false));
    // What the policy blocks.
    fs::write(set.cloud.policy_path(), "[privacy.labels]\nEMAIL = \"block\"\nPHONE = \"ask\"").unwrap();
    let blocked = set.ask(&Question::of("I am ann@mail.example"));
    assert!(matches!(blocked, Err(Error::Refused(Refusal::Blocked { .. }))), "{blocked:?}");
    let asked = set.ask(&Question::of("Call me: +49 30 901820"));
    assert!(matches!(asked, Err(Error::Refused(Refusal::NotAllowed { .. }))), "{asked:?}");
    // A policy or a ledger that cannot be read.
    fs::write(set.cloud.policy_path(), "alow = []").unwrap();
    assert!(set.ask(&question).unwrap_err().to_string().contains("policy.toml"));
    fs::remove_file(set.cloud.policy_path()).unwrap();
    fs::create_dir_all(set.folder.path().join("ledger")).unwrap();
    fs::write(set.folder.path().join("ledger/ledger.jsonl"), "nonsense\n").unwrap();
    assert!(matches!(set.ask(&question), Err(Error::Egress(hob_egress::Error::Ledger(_)))));
    assert_eq!(set.api.asked().len(), 0);
}

#[test]
fn hybrid_mode_sends_what_the_router_sends() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["yes"])));
    set.cloud.set_mode(Mode::Hybrid).unwrap();
    let question = Question::of("Prove that there are infinitely many primes p with p = 3 mod 4.");
    let wish = Wish::new(&question, Way::Router);
    let plan = |wish: &Wish<'_>| set.cloud.plan(wish, &mut |_, _| Answer::Refuse).unwrap();
    // No zone is allowed unless the policy says so.
    fs::write(set.cloud.policy_path(), "quality = 1.0").unwrap();
    assert_eq!(plan(&wish).told.why, "nobody");
    fs::write(set.cloud.policy_path(), "allow = [\"cloud\"]\nquality = 1.0\n[budget]\nday = 0.5").unwrap();
    let sent = plan(&wish);
    assert_eq!((sent.told.target.as_deref(), sent.told.why.as_str()), (Some("big"), "insufficient"));
    assert!(sent.dollars_max() > sent.told.dollars);
    let private = plan(&Wish { is_private: true, ..wish.clone() });
    assert_eq!((private.told.why.as_str(), private.cleared().is_some()), ("private", false));
    assert_eq!(set.ask_with(&wish).unwrap().text, "yes");
    assert_eq!(set.api.asked().len(), 1);
}

#[test]
fn faults_are_tried_again_and_told() {
    let busy = |times: usize, status: u16| {
        move |asked: &Asked| match asked.index < times {
            true => Reply::Whole(
                status,
                vec![("retry-after", "0".into())],
                "{\"error\":{\"message\":\"too busy\"}}".into(),
            ),
            false => Reply::said(Said::text(&["at last"])),
        }
    };
    for protocol in BOTH {
        let set = set(protocol, busy(2, 529));
        assert_eq!(set.ask(&Question::of("Hello")).unwrap().text, "at last");
        let asked = set.api.asked();
        let names: Vec<_> = asked.iter().map(|a| a.header("idempotency-key").unwrap()).collect();
        assert!(names[0] == names[1] && names[1] == names[2] && names[0].len() == 64);
        // Each try stands in the ledger; what was refused cost nothing.
        let ledger = set.ledger();
        assert_eq!(ledger.len(), 6);
        assert_eq!((ledger[1].as_str(), ledger[3].as_str()), ("1 Some(529) cost 0 ", "3 Some(529) cost 0 "));
        assert_eq!(ledger[5], format!("5 Some(200) cost {} ", 11 * 3 + 7 * 15));
    }
    let refused = set(Protocol::OpenAi, busy(9, 401));
    let error = refused.ask(&Question::of("Hello")).unwrap_err();
    assert_eq!(error.to_string(), "big answered 401: too busy");
    assert_eq!(refused.api.asked().len(), 1);
    let hangup = set(Protocol::OpenAi, |_| Reply::Hangup);
    assert!(matches!(hangup.ask(&Question::of("Hello")), Err(Error::Egress(_))));
    assert_eq!(hangup.api.asked().len(), 3);
    let redirect = set(Protocol::OpenAi, |_| {
        Reply::Whole(307, vec![("location", "https://elsewhere.example/".into())], String::new())
    });
    let error = redirect.ask(&Question::of("Hello")).unwrap_err();
    assert!(matches!(error, Error::Egress(hob_egress::Error::Redirected { .. })), "{error:?}");
    let late =
        set(Protocol::OpenAi, |_| Reply::Whole(429, vec![("retry-after", "3600".into())], "{}".into()));
    assert!(matches!(
        late.ask(&Question::of("Hello")),
        Err(Error::Status { status: 429, after: Some(3600), .. })
    ));
    assert_eq!(late.api.asked().len(), 1);
}

#[test]
fn a_target_that_keeps_failing_is_left_alone() {
    let set = set(Protocol::OpenAi, |_| Reply::status(500, "broken"));
    for n in 1..=3 {
        assert!(matches!(set.ask(&Question::of("Hello")), Err(Error::Status { status: 500, .. })), "{n}");
    }
    let before = set.api.asked().len();
    assert!(matches!(set.ask(&Question::of("Hello")), Err(Error::Resting { failures: 3, .. })));
    assert_eq!(set.api.asked().len(), before);
}

#[test]
fn answers_that_break_off_or_never_end_are_errors() {
    for protocol in BOTH {
        let whole = Said::text(&["This is ", "the answer"]);
        let cut = whole.clone();
        let set = set(protocol, move |_| Reply::Cut(cut.clone(), 300));
        let error = set.ask(&Question::of("Hello")).unwrap_err();
        assert!(matches!(error, Error::BrokenOff { .. } | Error::Egress(_)), "{error:?}");
        // How much came before is not known to have been free.
        let ledger = set.ledger();
        let most = ledger[0].rsplit(' ').next().unwrap().to_owned();
        assert!(ledger[1].contains(&format!("cost {most} ")), "{ledger:?}");

        let stalled = whole.clone();
        let set = self::set(protocol, move |_| Reply::Stall(stalled.clone(), 200, Duration::from_secs(6)));
        assert!(matches!(
            set.ask(&Question::of("Hello")),
            Err(Error::Egress(hob_egress::Error::Stalled { .. }))
        ));

        let set = self::set(protocol, move |_| Reply::Endless(whole.clone()));
        let question = Question { max_tokens: Some(40), ..Question::of("Hello") };
        assert!(matches!(set.ask(&question), Err(Error::Budget { tokens: 40, .. })));
    }
}

#[test]
fn limits_hold_before_anything_is_sent() {
    let most = |set: &Set| {
        let plan = set
            .cloud
            .plan(&Wish::new(&Question::of("Hello"), Way::Named("big".into())), &mut |_, _| Answer::Refuse);
        plan.unwrap().dollars_max()
    };
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["yes"])));
    let dear = most(&set);
    fs::write(set.cloud.policy_path(), format!("[budget]\nrequest = {}", dear / 2.0)).unwrap();
    assert!(matches!(set.ask(&Question::of("Hello")), Err(Error::Dear { .. })));
    // A limit for the day that is reached only by what was spent before.
    fs::write(set.cloud.policy_path(), format!("[budget]\nday = {}", dear + 0.0001)).unwrap();
    set.ask(&Question::of("Hello")).unwrap();
    let error = set.ask(&Question::of("Hello again")).unwrap_err();
    assert_eq!(error.kind(), "budget", "{error}");
    assert_eq!(set.api.asked().len(), 1);
    let small =
        set_with(Protocol::OpenAi, |t| t.bytes_day = Some(100), |_| Reply::said(Said::text(&["yes"])));
    assert_eq!(small.ask(&Question::of("Hello")).unwrap_err().kind(), "budget");
    let narrow = set_with(Protocol::OpenAi, |t| t.context = 100, |_| Reply::said(Said::text(&["yes"])));
    assert!(matches!(narrow.ask(&Question::of(&"word ".repeat(100))), Err(Error::TooLong { .. })));
    assert_eq!(narrow.api.asked().len(), 0);
}

#[test]
fn the_same_question_is_sent_and_paid_once() {
    let set = set(Protocol::OpenAi, |asked| {
        Reply::said(Said::text(&["for ", "[EMAIL_1] ", &asked.index.to_string()]))
    });
    let first = set.ask(&Question::of("I am ann@mail.example")).unwrap();
    assert_eq!((first.text.as_str(), first.entry), ("for ann@mail.example 0", Some(1)));
    let again = set.ask(&Question::of("I am ann@mail.example")).unwrap();
    assert_eq!(
        (again.text.as_str(), again.entry, again.ended.cost_micro),
        ("for ann@mail.example 0", None, 0)
    );
    // The same bytes of somebody else: the answer is the same, what was hidden is not.
    let other = set.ask(&Question::of("I am bob@mail.example")).unwrap();
    assert_eq!((other.text.as_str(), other.entry), ("for bob@mail.example 0", None));
    let question = Question::of("I am ann@mail.example");
    let fresh = Wish { is_fresh: true, ..Wish::new(&question, Way::Named("big".into())) };
    assert_eq!(set.ask_with(&fresh).unwrap().text, "for ann@mail.example 1");
    assert_eq!(set.api.asked().len(), 2);
}

#[test]
fn what_another_place_under_the_same_name_says_is_its_own() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["one"])));
    let question = Question::of("Hello");
    assert_eq!(set.ask(&question).unwrap().text, "one");
    let other = Api::start(|_| Reply::said(Said::text(&["other"])));
    set.cloud.remove("big").unwrap();
    let address = format!("{}/v1", other.address());
    set.cloud.add("big", &Target::new(&address, Protocol::OpenAi, "big-1", Zone::Cloud), None).unwrap();
    assert_eq!(set.ask(&question).unwrap().text, "other");
    assert_eq!((set.api.asked().len(), other.asked().len()), (1, 1));
}

#[test]
fn an_organisations_target_may_see_everything_but_what_is_blocked() {
    let change = |t: &mut Target| (t.zone, t.redact) = (Zone::Organisation, false);
    let set = set_with(Protocol::OpenAi, change, |_| Reply::said(Said::text(&["yes"])));
    fs::write(set.cloud.policy_path(), "[privacy.labels]\nSECRET = \"block\"").unwrap();
    set.ask(&Question::of("I am ann@mail.example")).unwrap();
    assert!(set.api.asked()[0].body.contains("ann@mail.example"));
    let key = "The key is ghp_0123456789abcdefghijklmnopqrstuvwxyz";
    assert!(matches!(set.ask(&Question::of(key)), Err(Error::Refused(Refusal::Blocked { .. }))));
    assert_eq!(set.ledger().len(), 2);
}

#[test]
fn keys_and_tests_are_told_apart_from_questions() {
    let change = |t: &mut Target| t.key = Some("env:ABSENT".parse().unwrap());
    let set = set_with(Protocol::OpenAi, change, |_| Reply::said(Said::text(&["ok"])));
    assert_eq!(set.ask(&Question::of("Hello")).unwrap_err().to_string(), "the key of big: not set");
    let set = self::set(Protocol::Anthropic, |_| {
        Reply::said(Said { thought: vec!["hm ".into()], ..Said::text(&["ok"]) })
    });
    let (said, answering) = set.cloud.test("big").unwrap();
    assert_eq!((said.as_str(), answering.ended().usage), ("hm ok", Some(Usage { read: 11, written: 7 })));
    let mut purposes = Vec::new();
    let visit = &mut |entry: &hob_egress::Entry, _| {
        if let What::Send(sending) = &entry.what {
            purposes.push(sending.purpose.name());
        }
    };
    set.cloud.ledger(visit).unwrap();
    assert_eq!(purposes, ["test"]);
}

/// A conversation in which a tool was called with these arguments, as text.
fn called_with(arguments: &str) -> Question {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "note", "arguments": arguments}});
    let messages = vec![
        json!({"role": "user", "content": "Please note it."}),
        json!({"role": "assistant", "content": "", "tool_calls": [call]}),
        json!({"role": "tool", "tool_call_id": "c1", "content": "done"}),
    ];
    Question {
        messages,
        tools: vec![json!({"function": {"name": "note"}})],
        choice: Some(Choice::Auto),
        ..Question::default()
    }
}

#[test]
fn arguments_of_calls_are_looked_at_as_they_read() {
    for protocol in BOTH {
        let set = set(protocol, |_| Reply::said(Said::text(&["yes"])));
        fs::write(set.cloud.policy_path(), "[privacy]\nwords = [\"Falcön\"]").unwrap();
        set.ask(&called_with("{\"card\":4111111111111111,\"text\":\"Dear\\nFalc\\u00f6n\",\"n\":7}"))
            .unwrap();
        let body = &set.api.asked()[0].body;
        for private in ["4111", "Falc", "u00f6"] {
            assert!(!body.contains(private), "{protocol:?}: {body}");
        }
        let said = &set.api.asked()[0].json()["messages"][1];
        let arguments = match protocol {
            Protocol::OpenAi => {
                serde_json::from_str(said["tool_calls"][0]["function"]["arguments"].as_str().unwrap())
                    .unwrap()
            }
            Protocol::Anthropic => said["content"][0]["input"].clone(),
        };
        assert_eq!(arguments, json!({"card": "[CARD_1]", "text": "Dear\n[CUSTOM_1]", "n": 7}));
    }
}

#[test]
fn what_a_schema_gives_as_examples_is_looked_at() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["{}"])));
    let default = json!({"name": "Maria Gonzalez", "card": 4_111_111_111_111_111_u64});
    let who = json!({"type": "object", "default": default, "maxProperties": 9});
    let schema =
        json!({"type": "object", "properties": {"default": {"type": "string", "maxLength": 40}, "who": who}});
    set.ask(&Question { schema: Some(schema), ..Question::of("Who is it?") }).unwrap();
    let body = &set.api.asked()[0].body;
    assert!(!body.contains("Gonzalez") && !body.contains("4111"), "{body}");
    let sent = &set.api.asked()[0].json()["response_format"]["json_schema"]["schema"]["properties"];
    assert_eq!(sent["default"], json!({"type": "string", "maxLength": 40}));
    assert_eq!(sent["who"]["maxProperties"], 9);
}

#[test]
fn nothing_is_sent_again_once_the_user_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let other = cloud(folder.path());
    let api = Api::start(move |_| {
        other.set_mode(Mode::Offline).unwrap();
        Reply::status(503, "later")
    });
    let target = Target::new(&api.address(), Protocol::OpenAi, "big-1", Zone::Cloud);
    let cloud = cloud(folder.path());
    cloud.add("big", &target, None).unwrap();
    cloud.set_mode(Mode::Ask).unwrap();
    let question = Question::of("Hello");
    let plan = |cloud: &Cloud| {
        cloud.plan(&Wish::new(&question, Way::Named("big".into())), &mut |_, _| Answer::Refuse)
    };
    assert!(matches!(cloud.begin(plan(&cloud).unwrap()), Err(Error::Offline)));
    assert_eq!(api.asked().len(), 1);
    cloud.set_mode(Mode::Ask).unwrap();
    let planned = plan(&cloud).unwrap();
    fs::write(cloud.policy_path(), "[privacy.labels]\nPERSON = \"block\"").unwrap();
    assert!(matches!(cloud.begin(planned), Err(Error::Changed)));
    assert_eq!(api.asked().len(), 1);
}

#[test]
fn what_a_target_says_of_its_tokens_is_believed_within_reason() {
    let cost = |usage: Value| {
        let body =
            json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": usage})
                .to_string();
        let set = set(Protocol::OpenAi, move |_| Reply::Whole(200, Vec::new(), body.clone()));
        let whole = set.ask(&Question::of("Hello")).unwrap();
        let most: u64 = set.ledger()[0].rsplit(' ').next().unwrap().parse().unwrap();
        (whole.ended.cost_micro, most)
    };
    for nothing in [json!({}), json!({"total_tokens": 50}), json!({"prompt_tokens": 5}), Value::Null] {
        let (booked, most) = cost(nothing.clone());
        assert_eq!(booked, most, "{nothing}");
    }
    let (booked, most) = cost(json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}));
    assert_eq!(booked, most);
    assert_eq!(cost(json!({"prompt_tokens": 2, "completion_tokens": 1})).0, 2 * 3 + 15);
}

#[test]
fn failures_that_may_have_cost_something_are_booked_and_bound_the_tries() {
    let set = set(Protocol::OpenAi, |_| Reply::status(502, "gateway"));
    assert!(set.ask(&Question::of("Hello")).is_err());
    let ledger = set.ledger();
    let most = ledger[0].rsplit(' ').next().unwrap().to_owned();
    assert_eq!((ledger.len(), ledger[1].as_str()), (6, format!("1 Some(502) cost {most} ").as_str()));
    let once = self::set(Protocol::OpenAi, |_| Reply::status(502, "gateway"));
    let dollars = most.parse::<f64>().unwrap() * 1.5 / 1e6;
    fs::write(once.cloud.policy_path(), format!("[budget]\nrequest = {dollars}")).unwrap();
    assert!(once.ask(&Question::of("Hello")).is_err());
    assert_eq!(once.api.asked().len(), 1);
}

#[test]
fn values_are_put_back_into_documents_as_documents_write_them() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["{\"who\":\"[CUS", "TOM_1]\"}"])));
    fs::write(set.cloud.policy_path(), "[privacy]\nwords = ['Bob \"B\" Smith']").unwrap();
    let schema = json!({"type": "object", "properties": {"who": {"type": "string"}}});
    let whole =
        set.ask(&Question { schema: Some(schema), ..Question::of("Is Bob \"B\" Smith in?") }).unwrap();
    let answer: Value = serde_json::from_str(&whole.text).unwrap();
    assert_eq!(answer["who"], "Bob \"B\" Smith");
}

#[test]
fn an_answer_that_nobody_wants_any_more_is_hung_up_on() {
    let set = set(Protocol::OpenAi, |_| Reply::Endless(Said::text(&["on and on "])));
    let question = Question { max_tokens: Some(100_000), ..Question::of("Hello") };
    let plan =
        set.cloud.plan(&Wish::new(&question, Way::Named("big".into())), &mut |_, _| Answer::Refuse).unwrap();
    let mut answering = set.cloud.begin(plan).unwrap().unwrap();
    answering.while_wanted(|| false);
    assert!(matches!(answering.next(), Err(Error::HungUp)));
}

#[test]
fn an_answer_that_was_begun_goes_as_one_and_is_looked_through() {
    for protocol in [Protocol::OpenAi, Protocol::Anthropic] {
        let set = set(protocol, |_| Reply::said(Said::text(&["and [PERSON_1] slept."])));
        let mut question = Question::of("Tell me of Maria Gonzalez.");
        question.begun = Some("Maria Gonzalez had a ship ".into());
        assert_eq!(set.ask(&question).unwrap().text, "and Maria Gonzalez slept.");
        let asked = set.api.asked().remove(0);
        let messages = asked.json()["messages"].clone();
        let roles: Vec<&str> =
            messages.as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert_eq!(messages[1]["content"], "[PERSON_1] had a ship ");
        assert!(messages[2]["content"].as_str().unwrap().contains("Go on from exactly where it stops"));
        assert!(!asked.body.contains("Maria"));
        // Half a name would be told.
        question.begun = Some("She is called Maria ".into());
        assert!(matches!(set.ask(&question), Err(Error::InsideHidden)));
        assert_eq!(set.api.asked().len(), 1);
    }
}

/// A place that cuts a name takes all of it in, which may be most of the answer.
#[test]
fn places_that_grow_over_most_of_an_answer_are_not_asked_about() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["{\"edits\": []}"])));
    let question = Question::of("Who is it?");
    let repair = |text: &str| {
        let start = text.find("Maria").unwrap();
        let places = std::iter::once(start..start + "Maria".len()).collect();
        question.repairing(hob_cloud::Repair { text: text.into(), places, is_document: false })
    };
    assert!(matches!(set.ask(&repair("It is Maria Gonzalez.")), Err(Error::Spread)));
    assert!(set.api.asked().is_empty());
    set.ask(&repair("It is Maria Gonzalez, who has always lived there, as everybody knows.")).unwrap();
}

#[test]
fn corrections_of_the_user_move_decisions_and_are_shared_through_the_folder() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["Hi"])));
    fs::write(set.cloud.policy_path(), "allow = [\"cloud\"]\nquality = 0.3\n").unwrap();
    let question = Question::of("Draft a contract with the harbour.");
    let advice = |cloud: &Cloud| {
        let plan = cloud.plan(&Wish::new(&question, Way::Advice), &mut |_, _| Answer::Refuse).unwrap();
        plan.told.signals.unwrap()["suffices"].as_f64().unwrap()
    };
    let before = advice(&set.cloud);
    // Another process has the same files.
    cloud(set.folder.path()).correct("Draft a contract with the harbour.", false).unwrap();
    assert!(advice(&set.cloud) < before - 0.1);
    set.cloud.correct("Draft a contract with the harbour.", true).unwrap();
    assert!(advice(&set.cloud) > before);
    let path = set.folder.path().join("corrections.json");
    assert!(!fs::read_to_string(&path).unwrap().contains("contract"));
    fs::write(&path, "{").unwrap();
    let broken = set.cloud.plan(&Wish::new(&question, Way::Advice), &mut |_, _| Answer::Refuse);
    assert!(broken.is_err_and(|error| error.to_string().contains("corrections.json")));
    assert_eq!(set.cloud.forget_corrections().unwrap(), 0);
    assert_eq!(advice(&set.cloud), before);
    assert_eq!(set.cloud.forget_corrections().unwrap(), 0);
}

#[test]
fn what_the_user_wants_to_be_asked_about_waits_for_an_answer_about_each_value() {
    let set = set(Protocol::OpenAi, |_| Reply::said(Said::text(&["ok"])));
    set.cloud
        .add(
            "other",
            &Target::new(&format!("{}/v1", set.api.address()), Protocol::OpenAi, "m", Zone::Cloud),
            None,
        )
        .unwrap();
    fs::write(set.cloud.policy_path(), "[privacy.labels]\nEMAIL = \"ask\"\n").unwrap();
    let question = Question::of("From ann@mail.example to bob@mail.example, card 4111 1111 1111 1111");
    let plan = |question: &Question, target: &str, consent: &Consent| {
        let wish = Wish { consent: Some(consent), ..Wish::new(question, Way::Named(target.into())) };
        set.cloud.plan(&wish, &mut |_, _| unreachable!("what was said counts"))
    };
    let unanswered = |plan: Plan| {
        let error = set.cloud.begin(plan).map(drop).unwrap_err();
        assert_eq!(error.kind(), "unanswered");
        assert!(!error.to_string().contains("@mail"), "{error}");
        error.to_string()
    };
    let none = plan(&question, "big", &Consent::default()).unwrap();
    let asked = none.asked().to_vec();
    assert_eq!(
        asked.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(),
        ["ann@mail.example", "bob@mail.example"]
    );
    assert!(asked.iter().all(|one| one.said.is_none()) && !format!("{asked:?}").contains("mail.example"));
    // What is shown of it meanwhile has nothing of them.
    assert!(!String::from_utf8_lossy(none.cleared().unwrap().bytes()).contains("@mail"));
    assert!(unanswered(none).starts_with("2 of kind EMAIL found"));
    let say = |says: &[(usize, Say)]| {
        says.iter().map(|(at, say)| (asked[*at].id.clone(), *say)).collect::<Consent>()
    };
    assert!(
        unanswered(plan(&question, "big", &say(&[(0, Say::Hide)])).unwrap()).starts_with("1 of kind EMAIL")
    );
    let refused = plan(&question, "big", &say(&[(0, Say::Show), (1, Say::Refuse)])).map(drop).unwrap_err();
    assert_eq!(refused.kind(), "private");
    assert!(set.api.asked().is_empty(), "nothing was sent");

    let some = say(&[(0, Say::Show), (1, Say::Hide)]);
    let whole = plan(&question, "big", &some).unwrap();
    assert_eq!(
        whole.asked().iter().map(|one| one.said).collect::<Vec<_>>(),
        [Some(Say::Show), Some(Say::Hide)]
    );
    drop(set.cloud.begin(whole).unwrap());
    let body = &set.api.asked()[0].body;
    assert!(body.contains("ann@mail.example") && !body.contains("bob@") && !body.contains("4111"), "{body}");
    // Said of these values, and of this target.
    let more = Question::of("From ann@mail.example to bob@mail.example and eve@mail.example");
    assert!(unanswered(plan(&more, "big", &some).unwrap()).starts_with("1 of kind EMAIL"));
    assert!(unanswered(plan(&question, "other", &some).unwrap()).contains("2 of kind EMAIL"));
    assert_eq!(set.api.asked().len(), 1);
}

#[test]
fn places_of_an_answer_are_asked_about_in_both_interfaces() {
    for protocol in BOTH {
        let edits = json!({"edits": [{"span": 2, "text": "Lee, [EMAIL_1]"}]});
        let said = match protocol {
            Protocol::OpenAi => Said::text(&[&edits.to_string()]),
            // A document comes as the call of a tool there.
            Protocol::Anthropic => {
                Said { calls: vec![("answer".into(), edits)], usage: Some((11, 7)), ..Said::default() }
            }
        };
        let set = set(protocol, move |_| Reply::said(said.clone()));
        let text = "Write to ann@example.org, says Bob.".to_owned();
        let places = ["Write", "Bob"].map(|word| text.find(word).map(|at| at..at + word.len()).unwrap());
        let repair = Repair { text, places: places.into(), is_document: false };
        let question = Question { stop: vec!["edits".into()], ..Question::of("Who says what?") };
        let question = question.repairing(repair);
        let plan =
            set.cloud.plan(&Wish::new(&question, Way::Named("big".into())), &mut |_, _| Answer::Refuse);
        let mut answering = set.cloud.begin(plan.unwrap()).unwrap().unwrap();
        let repaired = answering.repaired().unwrap();
        assert_eq!(repaired.text, "Write to ann@example.org, says Lee, ann@example.org.");
        assert_eq!((repaired.asked, repaired.changes.len()), (2, 1));
        assert_eq!(answering.ended().cost_micro, 3 * 11 + 15 * 7);
        let asked = set.api.asked()[0].json();
        let messages = asked["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 3);
        let draft = messages[1]["content"].as_str().unwrap();
        assert!(draft.starts_with("⟦1⟧Write⟦/1⟧ to [EMAIL_1], says ⟦2⟧"), "{draft}");
        assert!(messages[2]["content"].as_str().unwrap().contains("\"edits\": [{\"span\": 1,"), "{asked}");
        let mut purposes = Vec::new();
        let mut look = |entry: &hob_egress::Entry, _| {
            if let What::Send(sending) = &entry.what {
                purposes.push(sending.purpose);
            }
        };
        set.cloud.ledger(&mut look).unwrap();
        assert_eq!(purposes, [Purpose::Repair]);
    }
}
