//! Messages as clients of the OpenAI interface send them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{files, json, read, shared};
use hob_tokenizer::{ChatTemplate, Error, LocalTime, TemplateInput, adapt_tools};
use serde_json::{Value, json};

fn render(template: &ChatTemplate, messages: &[Value]) -> Result<String, Error> {
    let adapted = template.adapt_messages(messages)?;
    template.render(&TemplateInput { messages: &adapted, ..TemplateInput::default() })
}

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source).unwrap()
}

fn call(id: &str, arguments: Value, content: Value) -> Value {
    let call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
    json!({"role": "assistant", "content": content, "tool_calls": [call], "refusal": null, "audio": null})
}

/// Shows calls with their arguments written as `$arguments` says.
fn with_calls(arguments: &str) -> ChatTemplate {
    let source = "{% for m in messages %}[{{ m.role }}{% if m.content is not none %} {{ m.content }}{% endif %}\
                  {% for c in m.tool_calls %} $arguments{% endfor %}]{% endfor %}";
    template(&source.replace("$arguments", arguments))
}

#[test]
fn arguments_become_what_the_template_shows() {
    let sent = json!("{\"a\":  1}");
    for (arguments, expected) in [
        ("{{ c.function.arguments | tojson }}", "[assistant {\"a\": 1}]"),
        (
            "{{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}",
            "[assistant {\"a\": 1}]",
        ),
        ("{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}", "[assistant a=1]"),
        ("{{ '<' + c.function.arguments + '>' }}", "[assistant <{\"a\":  1}>]"),
    ] {
        let template = with_calls(arguments);
        assert!(template.shows_tool_calls());
        assert_eq!(render(&template, &[call("1", sent.clone(), json!(null))]).unwrap(), expected);
        let found = render(&template, &[call("1", json!({"a": 1}), json!(null))]).unwrap();
        assert_eq!(found.replace(' ', ""), expected.replace(' ', ""));
    }
}

#[test]
fn arguments_that_are_no_object_stay_text() {
    let template = with_calls("{{ c.function.arguments | tojson }}");
    let deep = format!("{}{}", "{\"a\":".repeat(9000), "}".repeat(9000));
    for text in ["{\"a\": ", "[1]", "\"x\"", "null", deep.as_str()] {
        let expected = format!("[assistant {}]", json!(text));
        assert_eq!(render(&template, &[call("1", text.into(), json!(null))]).unwrap(), expected);
    }
    for missing in [json!(" "), json!(null)] {
        assert_eq!(render(&template, &[call("1", missing, json!(null))]).unwrap(), "[assistant {}]");
    }
}

#[test]
fn content_without_text_is_null_or_empty_as_the_template_takes_it() {
    let arguments = "{{ c.function.arguments | tojson }}";
    let loop_over = |body: &str| {
        let calls = format!("{{% for c in m.tool_calls %}}{arguments}{{% endfor %}}");
        template(&format!("{{% for m in messages %}}{}{{% endfor %}}", body.replace("$calls", &calls)))
    };
    let joins = loop_over("{{ '[' + m.content + ']' }}$calls");
    let prints = loop_over("[{{ m.content }}]$calls");
    let only_null = loop_over("{% if m.content is none %}$calls{% else %}[{{ m.content }}]{% endif %}");
    for content in [json!(null), json!("")] {
        for (template, expected) in [(&joins, "[]{}"), (&prints, "[]{}"), (&only_null, "{}")] {
            assert_eq!(render(template, &[call("1", "{}".into(), content.clone())]).unwrap(), expected);
        }
    }
    // Beside no calls null is nothing that a template could show.
    let message = json!({"tool_calls": [], "content": null, "function_call": null, "role": "assistant"});
    assert_eq!(
        render(&loop_over("{{ m | tojson }}"), &[message]).unwrap(),
        "{\"content\": \"\", \"role\": \"assistant\"}"
    );
}

#[test]
fn parts_become_what_the_template_reads() {
    let only_text = template("{% for m in messages %}{{ m.role ~ ':' ~ m.content }};{% endfor %}");
    let both = template(
        "{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}\
         {% for p in m.content %}{{ p.text }}{% endfor %}{% endif %};{% endfor %}",
    );
    let only_parts =
        template("{% for m in messages %}{{ m.role }}:{{ m.content[0].text + '' }};{% endfor %}");
    let parts = json!([{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}, "c"]);
    let messages = [json!({"role": "user", "content": parts}), json!({"role": "assistant", "content": "d"})];
    assert_eq!(render(&only_text, &messages).unwrap(), "user:a\nb\nc;assistant:d;");
    assert_eq!(render(&both, &messages).unwrap(), "user:abc;assistant:d;");
    assert_eq!(render(&only_parts, &messages).unwrap(), "user:a;assistant:d;");
    let picture = json!([{"type": "image_url", "image_url": {"url": "data:"}}]);
    for template in [only_text, both] {
        let error = render(&template, &[json!({"role": "user", "content": picture})]).unwrap_err();
        assert!(matches!(&error, Error::Message { index: 0, found, .. } if found == "image_url"), "{error}");
    }
}

#[test]
fn instructions_reach_templates_without_their_role() {
    let instructed = |role: &str| {
        [json!({"role": role, "content": "Be brief."}), json!({"role": "user", "content": "Hi"})]
    };
    let refuses = template(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}\
         {{ m.role }}:{{ m.content }};{% endfor %}",
    );
    let drops = template("{% for m in messages if m.role == 'user' %}user:{{ m.content }};{% endfor %}");
    let any = template("{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}");
    let knows = template(
        "{% for m in messages %}{% if m.role == 'developer' %}!{% endif %}{{ m.content }};{% endfor %}",
    );
    for role in ["system", "developer"] {
        for template in [&refuses, &drops] {
            assert_eq!(render(template, &instructed(role)).unwrap(), "user:Be brief.\n\nHi;");
        }
        assert_eq!(render(&any, &instructed(role)).unwrap(), "system:Be brief.;user:Hi;");
    }
    assert_eq!(render(&knows, &instructed("developer")).unwrap(), "!Be brief.;Hi;");
    // Only the words that come first can be moved without changing what they refer to.
    let [system, user] = instructed("system");
    assert!(matches!(render(&refuses, &[user, system]), Err(Error::Refused { .. })));
}

#[test]
fn results_name_their_tool_and_ids_are_shortened_where_that_is_asked() {
    let strict = "{% if c.id | length != 9 %}{{ raise_exception('ids') }}{% endif %}{{ c.id }}\
                  {{ c.function.arguments | tojson }}";
    let result = "{% if m.role == 'tool' %}{{ m.name }} {{ m.tool_call_id }}{% endif %}";
    let source = |id: &str| {
        template(&format!(
            "{{% for m in messages %}}{result}{{% for c in m.tool_calls %}}{id};{{% endfor %}}{{% endfor %}}"
        ))
    };
    let messages = [
        call("call_0a1b2c3d4e5f", "{}".into(), json!(null)),
        json!({"role": "tool", "tool_call_id": "call_0a1b2c3d4e5f", "content": "21"}),
    ];
    assert_eq!(render(&source(strict), &messages).unwrap(), "000000000{};f 000000000");
    let free = "{{ c.id }}{{ c.function.arguments | tojson }}";
    assert_eq!(render(&source(free), &messages).unwrap(), "call_0a1b2c3d4e5f{};f call_0a1b2c3d4e5f");
}

#[test]
fn a_template_that_never_ends_is_found_out_early() {
    // Each addition copies the list once in 32 rounds, so that rounds cost more the longer it runs: dozens of renderings
    // under the limits of a real one would take most of a minute.
    let grows = "{% set ns = namespace(l=[]) %}{% for a in range(99999) %}{% set ns.l = ns.l + [a] %}\
                 {{ ns.l | length }}{% endfor %}{{ messages[0].content }}";
    let template = template(grows);
    let messages = [json!({"role": "developer", "content": "Hi"})];
    let expected = json!({"role": "user", "content": "Hi"});
    assert_eq!(template.adapt_messages(&messages).unwrap(), [expected]);
    assert!(!template.shows_tool_calls());
}

#[test]
fn a_name_that_is_no_name_is_not_repeated() {
    let template = with_calls("{{ c.function.arguments | tojson }}");
    let mut asked = call("1", "{}".into(), json!(null));
    let result = json!({"role": "tool", "tool_call_id": "1", "content": "21"});
    for (name, is_repeated) in
        [(json!("f".repeat(256)), true), (json!("f".repeat(257)), false), (json!([1]), false)]
    {
        asked["tool_calls"][0]["function"]["name"] = name;
        let adapted = template.adapt_messages(&[asked.clone(), result.clone()]).unwrap();
        assert_eq!(adapted[1].get("name").is_some(), is_repeated);
    }
}

#[test]
fn tools_are_completed() {
    let tools =
        [json!({"type": "function", "function": {"name": "f", "strict": null}}), json!({"type": "other"})];
    let expected =
        json!({"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}});
    assert_eq!(
        adapt_tools(&tools),
        [json!({"type": "function", "function": expected}), json!({"type": "other"})]
    );
}

#[test]
fn the_last_message_is_left_open() {
    let continued = |source: &str, text: &str| {
        let messages =
            [json!({"role": "user", "content": "x"}), json!({"role": "assistant", "content": text})];
        let input =
            TemplateInput { messages: &messages, add_generation_prompt: true, ..TemplateInput::default() };
        template(source).render_continued(&input)
    };
    let plain =
        "{% for m in messages %}<{{ m.content }}>{% endfor %}{% if add_generation_prompt %}!{% endif %}";
    assert_eq!(continued(plain, "one, ").unwrap(), "<x><one, ");
    let strips = "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}";
    assert_eq!(continued(strips, " one, ").unwrap(), "<x><one,");
    let error = continued("{{ messages[0].content }}", "one").unwrap_err();
    assert!(matches!(error, Error::Message { index: 1, .. }), "{error}");
}

/// What a client would send for a conversation in the form that transformers documents.
fn as_sent(messages: &Value, keep_empty: bool) -> Vec<Value> {
    let mut messages = messages.as_array().unwrap().clone();
    for message in &mut messages {
        let has_calls = message.get("tool_calls").is_some();
        for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            let arguments = &mut call["function"]["arguments"];
            *arguments = arguments.to_string().into();
        }
        let content = &mut message["content"];
        match content.as_str() {
            Some("") if has_calls && !keep_empty => *content = Value::Null,
            Some(text) if !text.is_empty() => *content = json!([{"type": "text", "text": text}]),
            _ => {}
        }
        let message = message.as_object_mut().unwrap();
        message.remove("name");
        for field in ["refusal", "audio", "function_call"] {
            message.insert(field.into(), Value::Null);
        }
        message.entry("tool_calls").or_insert(Value::Null);
    }
    messages
}

#[test]
fn published_templates_render_what_clients_send_as_transformers_renders_the_documented_form() {
    let Some(folder) = shared("fixtures/chat_templates") else { return };
    let shared = json(folder.join("conversations.json"));
    let now = LocalTime { year: 2026, month: 7, day: 26, hour: 12, minute: 34, second: 56 };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in files(&folder, ".jinja") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let template = template(&String::from_utf8(read(&path)).unwrap());
        let fixture = json(path.with_extension("json"));
        for case in fixture["cases"].as_array().unwrap() {
            let Some(expected) = case["expected"].as_str() else { continue };
            let conversation = case["conversation"].as_str().unwrap();
            let messages = &shared["conversations"][conversation];
            // Lists and system messages that the template passes over are rewritten here and lost in transformers.
            let first = messages[0]["content"].as_str().unwrap_or("no text").trim();
            if conversation == "parts" || !expected.contains(first) {
                continue;
            }
            let mut extra = case["kwargs"].as_object().unwrap().clone();
            let add_generation_prompt = extra.remove("add_generation_prompt").unwrap().as_bool().unwrap();
            // DeepSeek's template ends the turn twice beside empty text; beside null it does not.
            let messages = as_sent(messages, name.starts_with("deepseek"));
            let adapted = template.adapt_messages(&messages).unwrap();
            let found = template.render(&TemplateInput {
                messages: &adapted,
                tools: shared["tools"][case["tools"].as_str().unwrap()].as_array().map(Vec::as_slice),
                add_generation_prompt,
                bos_token: fixture["bos_token"].as_str(),
                eos_token: fixture["eos_token"].as_str(),
                extra: Some(&extra),
                now: Some(now),
                ..TemplateInput::default()
            });
            count += 1;
            if found.as_deref().ok() != Some(expected) {
                wrong.push(format!(
                    "{name} {conversation} {}\n  expected {expected:?}\n  found    {found:?}",
                    case["tools"]
                ));
            }
        }
    }
    assert!(count > 300, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
