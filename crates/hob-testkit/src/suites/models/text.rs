//! Rendered conversations and token ids of a model's own tokenizer and template.

use super::{
    Family,
    expected::{Chat, TokenizerCheck},
};
use crate::{
    compare::{require_ids, require_text},
    report::Report,
    subject::{ChatInput, Encode, ModelUnderTest},
};

/// Checks the fixture's texts.
pub fn check(family: &Family<'_>, label: &str, model: &dyn ModelUnderTest, report: &mut Report) {
    for chat in &family.expected.chat {
        let name = format!("{}/{label}/chat/{}", family.name, chat.name);
        report.case(&format!("{name}/rendered"), || check_rendered(chat, model));
        report.case(&format!("{name}/ids"), || {
            let options = Encode { add_special: false, parse_special: true };
            require_ids(&chat.ids, &model.tokenizer().encode(&chat.rendered, options)?)
        });
    }
    for (index, check) in family.expected.tokenizer_checks.iter().enumerate() {
        report.case(&format!("{}/{label}/tokenizer/{index}", family.name), || check_ids(check, model));
    }
}

fn check_rendered(chat: &Chat, model: &dyn ModelUnderTest) -> Result<(), String> {
    let today = date_in(&chat.rendered);
    let input = ChatInput { messages: &chat.messages, kwargs: &chat.kwargs, today: today.as_deref() };
    require_text(&chat.rendered, &model.render_chat(input)?)
}

fn check_ids(check: &TokenizerCheck, model: &dyn ModelUnderTest) -> Result<(), String> {
    let tokenizer = model.tokenizer();
    let with = Encode { add_special: true, parse_special: true };
    let without = Encode { add_special: false, parse_special: true };
    let say = |message: String| format!("{:?}: {message}", check.text);
    require_ids(&check.ids, &tokenizer.encode(&check.text, with)?).map_err(say)?;
    require_ids(&check.ids_no_special, &tokenizer.encode(&check.text, without)?).map_err(say)?;
    require_text(&check.decoded, &tokenizer.decode(&check.ids_no_special)?).map_err(say)
}

/// The day that a template wrote after `Today Date:` or the like, as `YYYY-MM-DD`; the fixtures were rendered on some
/// day and do not record it elsewhere.
fn date_in(rendered: &str) -> Option<String> {
    let after = rendered.split_once("Today Date: ").or_else(|| rendered.split_once("Current date: "))?.1;
    let mut words = after.split_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = 1 + months.iter().position(|name| month.starts_with(name))?;
    let (day, year): (u32, u32) = (day.parse().ok()?, year.parse().ok()?);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_day_a_template_wrote() {
        assert_eq!(date_in("x\nToday Date: 23 Nov 2026\n\ny").as_deref(), Some("2026-11-23"));
        assert_eq!(date_in("Today Date: 5 September 2026\n").as_deref(), Some("2026-09-05"));
        assert_eq!(date_in("no day here"), None);
        assert_eq!(date_in("Today Date: unknown"), None);
    }
}
