use hob_tokenizer::{ChatTemplate, Error, LocalTime, TemplateInput, adapt_tools};
use serde_json::Value;

/// Bytes of text that the limits on a template's work allow: 64 for each unit of work, 400,000 units and 16 more for
/// each byte of the conversation. The engine counts conversations generously, so the input's length is taken thrice
/// and a container's overhead is added for each byte.
fn output_bytes_max(json_bytes: usize) -> usize {
    64 * (400_000 + 16 * (17 * json_bytes + 64))
}

/// Bytes of JSON that rewriting messages may come to: each brings at most a few fields, or the name of a tool.
fn adapted_bytes_max(json_bytes: usize) -> usize {
    64 * json_bytes + 64
}

/// Compiles the text before the first zero byte as a chat template and renders the JSON after it: a list of messages, or
/// an object with the template's variables. As it stands, as clients' messages are rewritten, and to be continued.
pub fn chat_template(bytes: &[u8]) {
    let (source, json) = crate::split_at_zero(bytes);
    let Ok(template) = ChatTemplate::new(&String::from_utf8_lossy(source)) else { return };
    let _ = (template.supports_tools(), template.supports_thinking(), template.has_thinking_switch());
    let _ = template.thinking_markers();
    let variables: Value = serde_json::from_slice(json).unwrap_or(Value::Null);
    let list = |name: &str| variables.get(name).and_then(Value::as_array).map(Vec::as_slice);
    let input = TemplateInput {
        messages: variables.as_array().map(Vec::as_slice).or(list("messages")).unwrap_or_default(),
        tools: list("tools"),
        documents: list("documents"),
        add_generation_prompt: false,
        bos_token: Some("<s>"),
        eos_token: None,
        extra: variables.get("extra").and_then(Value::as_object),
        now: Some(LocalTime { year: 2026, month: 7, day: 26, hour: 12, minute: 34, second: 56 }),
    };
    judge(template.render(&input), json.len());
    judge(
        template.render(&TemplateInput { add_generation_prompt: true, eos_token: Some("</s>"), ..input }),
        json.len(),
    );
    chat_template_adapted(&template, &input, json.len());
}

fn chat_template_adapted(template: &ChatTemplate, input: &TemplateInput<'_>, json_bytes: usize) {
    if input.messages.is_empty() {
        return;
    }
    let _ = template.shows_tool_calls();
    let messages = match template.adapt_messages(input.messages) {
        Ok(messages) => messages,
        Err(error) => return judge(Err(error), 0),
    };
    let adapted_bytes: usize = messages.iter().map(|message| message.to_string().len() + 2).sum();
    assert!(adapted_bytes <= adapted_bytes_max(json_bytes), "{adapted_bytes} bytes from {json_bytes}");
    let tools = input.tools.map(adapt_tools);
    let input = TemplateInput { messages: &messages, tools: tools.as_deref(), ..*input };
    // What rewritten tools weigh is in proportion, too.
    let bytes = adapted_bytes + adapted_bytes_max(json_bytes);
    judge(template.render(&input), bytes);
    judge(template.render_continued(&input), bytes);
}

fn judge(rendered: Result<String, Error>, json_bytes: usize) {
    match rendered {
        Ok(text) => assert!(text.len() <= output_bytes_max(json_bytes), "{} bytes", text.len()),
        Err(error) => assert!(error.to_string().len() < 5_000, "a short message"),
    }
}
