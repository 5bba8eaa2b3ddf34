use hob_tokenizer::{ChatTemplate, LocalTime, TemplateInput};
use serde_json::Value;

/// Bytes of text that the limits on a template's work allow: 64 for each unit of work, 400,000 units and 16 more for
/// each byte of the conversation. The engine counts conversations generously, so the input's length is taken thrice
/// and a container's overhead is added for each byte.
fn output_bytes_max(json_bytes: usize) -> usize {
    64 * (400_000 + 16 * (17 * json_bytes + 64))
}

/// Compiles the text before the first zero byte as a chat template and renders the JSON after it: a list of messages, or
/// an object with the template's variables.
pub fn chat_template(bytes: &[u8]) {
    let (source, json) = crate::split_at_zero(bytes);
    let Ok(template) = ChatTemplate::new(&String::from_utf8_lossy(source)) else { return };
    let _ = (template.supports_tools(), template.supports_thinking(), template.has_thinking_switch());
    let _ = template.thinking_markers();
    let variables: Value = serde_json::from_slice(json).unwrap_or(Value::Null);
    let list = |name: &str| variables.get(name).and_then(Value::as_array).map(Vec::as_slice);
    let messages = variables.as_array().map(Vec::as_slice).or(list("messages"));
    for add_generation_prompt in [false, true] {
        let rendered = template.render(&TemplateInput {
            messages: messages.unwrap_or_default(),
            tools: list("tools"),
            documents: list("documents"),
            add_generation_prompt,
            bos_token: Some("<s>"),
            eos_token: add_generation_prompt.then_some("</s>"),
            extra: variables.get("extra").and_then(Value::as_object),
            now: Some(LocalTime { year: 2026, month: 7, day: 26, hour: 12, minute: 34, second: 56 }),
        });
        match rendered {
            Ok(text) => assert!(text.len() <= output_bytes_max(json.len()), "{} bytes", text.len()),
            Err(error) => assert!(error.to_string().len() < 5_000, "a short message"),
        }
    }
}
