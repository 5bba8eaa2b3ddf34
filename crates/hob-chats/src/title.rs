//! What a conversation is called until a person names it.

/// Letters after which a title is cut.
const LETTERS_MAX: usize = 60;
/// A cut at a word leaves at least so many.
const LETTERS_MIN: usize = 30;

/// A title out of the first thing that was said: its first line, cut at a word.
pub fn title_of(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((end, _)) = words.char_indices().nth(LETTERS_MAX) else {
        return if words.is_empty() { "New chat".to_owned() } else { words };
    };
    let cut = &words[..end];
    match cut.rfind(' ').filter(|space| cut[..*space].chars().count() > LETTERS_MIN) {
        Some(space) => format!("{}…", &cut[..space]),
        None => format!("{cut}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::title_of;

    #[test]
    fn titles_are_first_lines_cut_at_words() {
        assert_eq!(title_of("  Hello \t there \nmore"), "Hello there");
        assert_eq!(title_of(" \n "), "New chat");
        let long = title_of(&"word ".repeat(30));
        assert!(long.ends_with("word…") && long.chars().count() <= 61, "{long}");
        assert_eq!(title_of(&"漢".repeat(100)).chars().count(), 61);
    }
}
