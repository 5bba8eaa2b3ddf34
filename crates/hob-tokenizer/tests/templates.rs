//! Published chat templates over recorded conversations, rendered by transformers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{files, json, read, shared};
use hob_tokenizer::{ChatTemplate, LocalTime, TemplateInput};

fn time(text: &str) -> LocalTime {
    let part = |range: std::ops::Range<usize>| text[range].parse::<u16>().unwrap();
    LocalTime {
        year: i32::from(part(0..4)),
        month: part(5..7) as u8,
        day: part(8..10) as u8,
        hour: part(11..13) as u8,
        minute: part(14..16) as u8,
        second: part(17..19) as u8,
    }
}

#[test]
fn every_case_renders_or_refuses_as_recorded() {
    let Some(folder) = shared("fixtures/chat_templates") else { return };
    let shared = json(folder.join("conversations.json"));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in files(&folder, ".jinja") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let template = ChatTemplate::new(&String::from_utf8(read(&path)).unwrap())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let fixture = json(path.with_extension("json"));
        for case in fixture["cases"].as_array().unwrap() {
            let conversation = case["conversation"].as_str().unwrap();
            let mut extra = case["kwargs"].as_object().unwrap().clone();
            let add_generation_prompt = extra.remove("add_generation_prompt").unwrap().as_bool().unwrap();
            let rendered = template.render(&TemplateInput {
                messages: shared["conversations"][conversation].as_array().unwrap(),
                tools: shared["tools"][case["tools"].as_str().unwrap()].as_array().map(Vec::as_slice),
                add_generation_prompt,
                bos_token: fixture["bos_token"].as_str(),
                eos_token: fixture["eos_token"].as_str(),
                extra: Some(&extra),
                now: Some(time(fixture["now"].as_str().unwrap())),
                ..TemplateInput::default()
            });
            count += 1;
            let case_name = format!("{name} {conversation} {} {}", case["tools"], case["kwargs"]);
            match (case["expected"].as_str(), rendered) {
                (Some(expected), Ok(found)) if expected == found => {}
                (None, Err(_)) => {}
                (expected, found) => {
                    wrong.push(format!("{case_name}\n  expected {expected:?}\n  found    {found:?}"))
                }
            }
        }
    }
    assert!(count > 300, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
