use super::*;
use crate::{Terms, restore};
use proptest::prelude::*;

const TEXT: &str =
    "I am Adaeze Kowalczyk (adaeze@example.org).\nCall ADAEZE@EXAMPLE.ORG or pay 4111 1111 1111 1111.";

fn draft(texts: &[&str]) -> Draft {
    let mut draft = Draft::new();
    draft.fixed("{\"model\":");
    draft.name("big-1").unwrap();
    draft.fixed(",\"messages\":[");
    for (index, text) in texts.iter().enumerate() {
        draft.fixed(if index > 0 { ",{\"content\":" } else { "{\"content\":" });
        draft.words(text);
        draft.fixed("}");
    }
    draft.fixed("],\"max_tokens\":");
    draft.number(7);
    draft.fixed(",\"temperature\":");
    draft.decimal(0.5);
    draft.fixed("}");
    draft
}

fn cleared(texts: &[&str], rules: &Rules, vault: &mut Vault) -> Result<Cleared, Refusal> {
    clear(&draft(texts), &Detector::new(Terms::default()), rules, vault, &mut |_, _| Answer::Refuse)
}

fn contents(cleared: &Cleared) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(cleared.bytes()).unwrap();
    assert_eq!(
        (&body["model"], &body["max_tokens"], &body["temperature"]),
        (&"big-1".into(), &7.into(), &0.5.into())
    );
    body["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_found_is_hidden_everywhere_and_comes_back() {
    let mut vault = Vault::new();
    let made = cleared(&[TEXT, "Who is kowalczyk? \"x\"\\"], &Rules::default(), &mut vault).unwrap();
    let sent = contents(&made);
    let bytes = String::from_utf8(made.bytes().to_vec()).unwrap().to_lowercase();
    for private in ["adaeze", "kowalczyk", "example.org", "4111"] {
        assert!(!bytes.contains(private), "{private} in {bytes}");
    }
    assert_eq!(
        sent.iter().map(|text| restore(text, &vault)).collect::<Vec<_>>(),
        [TEXT, "Who is kowalczyk? \"x\"\\"]
    );
    assert_eq!(made.hidden().get(&Label::Card), Some(&1));
    assert!(made.shown().is_empty());
    // What an earlier message hid is hidden in a later one that says nothing around it.
    let later = cleared(&["so 4111 1111 1111 1111 then"], &Rules::default(), &mut vault).unwrap();
    assert_eq!(contents(&later), ["so [CARD_1] then"]);
}

#[test]
fn rules_decide_by_kind_and_refusing_leaves_the_vault_alone() {
    let rules = |label, mode| Rules { otherwise: Mode::Redact, by_label: BTreeMap::from([(label, mode)]) };
    let mut vault = Vault::new();
    let blocked = cleared(&[TEXT], &rules(Label::Card, Mode::Block), &mut vault);
    assert_eq!(blocked.unwrap_err(), Refusal::Blocked { label: Label::Card, count: 1 });
    let unasked = cleared(&[TEXT], &rules(Label::Email, Mode::Ask), &mut vault);
    assert!(matches!(unasked.unwrap_err(), Refusal::NotAllowed { label: Label::Email, .. }));
    assert!(vault.is_empty());
    let allowed = cleared(&[TEXT], &rules(Label::Card, Mode::Allow), &mut vault).unwrap();
    assert!(contents(&allowed)[0].contains("4111 1111 1111 1111"));
    assert_eq!(allowed.shown().get(&Label::Card), Some(&1));
    for (answer, is_there) in [(Answer::Show, true), (Answer::Hide, false)] {
        let mut asked = Vec::new();
        let detector = Detector::new(Terms::default());
        let made = clear(
            &draft(&[TEXT]),
            &detector,
            &rules(Label::Card, Mode::Ask),
            &mut Vault::new(),
            &mut |label, values| {
                asked.push((label, values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>()));
                answer.clone()
            },
        );
        assert_eq!(contents(&made.unwrap())[0].contains("4111"), is_there);
        assert_eq!(asked, [(Label::Card, vec!["4111 1111 1111 1111".to_owned()])]);
    }
}

#[test]
fn of_values_that_the_user_is_asked_about_some_go_and_some_do_not() {
    let rules = Rules { otherwise: Mode::Redact, by_label: BTreeMap::from([(Label::Email, Mode::Ask)]) };
    let texts = [
        "Write to ann@mail.example or bob@mail.example.",
        "ANN@mail.example, ann@mail.example, card 4111 1111 1111 1111",
    ];
    let shows = |values: &[&str]| Answer::ShowOnly(values.iter().map(|value| (*value).to_owned()).collect());
    let made = |vault: &mut Vault, answer: Answer| {
        clear(&draft(&texts), &Detector::rules(Terms::default()), &rules, vault, &mut |_, _| answer.clone())
            .unwrap()
    };
    let mut vault = Vault::new();
    let both = ["ann@mail.example", "ANN@mail.example"];
    let some = made(&mut vault, shows(&both));
    assert_eq!(
        contents(&some),
        ["Write to ann@mail.example or [EMAIL_1].", "ANN@mail.example, ann@mail.example, card [CARD_1]"]
    );
    assert_eq!((some.shown().get(&Label::Email), some.hidden().get(&Label::Email)), (Some(&2), Some(&1)));
    let debug = format!("{:?}", shows(&both));
    assert!(debug == "ShowOnly(2)", "{debug}");
    // What is hidden in one spelling is hidden in all of them, whatever was said of the other.
    let one = made(&mut Vault::new(), shows(&["ann@mail.example"]));
    assert!(!contents(&one).concat().to_lowercase().contains("ann@"), "{:?}", contents(&one));
    // Shown now, though it was hidden in an earlier question.
    let mut vault = Vault::new();
    assert!(!contents(&made(&mut vault, Answer::Hide)).concat().contains("@mail"));
    assert!(contents(&made(&mut vault, shows(&both)))[0].contains("ann@mail.example or [EMAIL_"));
}

#[test]
fn private_is_private_whatever_the_rules_say() {
    let mut draft = draft(&["nothing at all"]);
    draft.mark_private();
    let rules = Rules { otherwise: Mode::Allow, ..Rules::default() };
    let detector = Detector::rules(Terms::default());
    let made = clear(&draft, &detector, &rules, &mut Vault::new(), &mut |_, _| Answer::Show);
    assert_eq!(made.unwrap_err(), Refusal::Private);
}

#[test]
fn names_hold_no_words() {
    for name in ["", "two words", "a\"b", "a\nb", "é", &"x".repeat(201)] {
        assert_eq!(Draft::new().name(name), Err(Refusal::Name), "{name:?}");
    }
    assert!(Draft::new().name("meta-llama/Llama-3.1-8B:free@v2").is_ok());
    let mut draft = Draft::new();
    draft.decimal(f64::NAN);
    let made = clear(
        &draft,
        &Detector::rules(Terms::default()),
        &Rules::default(),
        &mut Vault::new(),
        &mut |_, _| Answer::Hide,
    );
    assert_eq!(made.unwrap().bytes(), b"null");
}

#[test]
fn nothing_of_the_text_is_in_debug_output() {
    let made = cleared(&[TEXT], &Rules::default(), &mut Vault::new()).unwrap();
    for text in [format!("{made:?}"), format!("{:?}", draft(&[TEXT]))] {
        assert!(!text.contains("Call") && !text.contains("4111"), "{text}");
    }
}

proptest! {
    /// The preview is the body, to the byte; its other side is what was written; words come back whole.
    #[test]
    fn previews_are_what_is_sent(
        parts in prop::collection::vec(prop::sample::select(vec![
            "4111 1111 1111 1111", "adaeze@example.org", "\n", "\"", "\\", "\\n", " and ", "é", "[CARD_1]", "10.1.2.3", "\u{7}", "漢",
        ]), 0..12),
    ) {
        let text = parts.concat();
        let mut vault = Vault::new();
        let made = cleared(&[&text, "4111 1111 1111 1111"], &Rules::default(), &mut vault).unwrap();
        let lines = made.preview();
        let sent: String = lines.iter().map(|line| line.sent).collect();
        prop_assert_eq!(sent.as_bytes(), made.bytes());
        let was: String = lines.iter().map(|line| line.was.as_deref().unwrap_or(line.sent)).collect();
        let was: serde_json::Value = serde_json::from_str(&was).unwrap();
        prop_assert_eq!(&was["messages"][0]["content"], &text);
        let contents = contents(&made);
        prop_assert_eq!(restore(&contents[0], &vault), text);
        prop_assert!(!sent.contains("4111"));
    }
}

#[test]
fn names_of_tools_go_as_they_are_or_nothing_goes() {
    let with = |name: &str| {
        let mut draft = draft(&["Ask Maria Gonzalez"]);
        draft.identifier(name);
        clear(&draft, &Detector::new(Terms::default()), &Rules::default(), &mut Vault::new(), &mut |_, _| {
            Answer::Refuse
        })
    };
    for name in ["look", "minimum", "get_weather", "getWeather2", "#/$defs/Person", "Look"] {
        let body = String::from_utf8(with(name).unwrap().bytes().to_vec()).unwrap();
        assert!(body.ends_with(&format!("\"{name}\"")), "{body}");
    }
    for name in ["ask_gonzalez", "askMaria", "gonzalez", "a@mail.example"] {
        let refused = with(name).unwrap_err();
        assert!(matches!(refused, Refusal::Identifier { .. }), "{name}: {refused:?}");
    }
    // What could be a sentence is looked through.
    let body = String::from_utf8(with("by Maria Gonzalez").unwrap().bytes().to_vec()).unwrap();
    assert!(!body.contains("Maria"), "{body}");
}

#[test]
fn names_of_tools_are_read_as_words_and_hold_nothing_hidden_elsewhere() {
    let detector = Detector::new(Terms::new(["Zeus"]).unwrap());
    let with = |name: &str| {
        let mut draft = draft(&["Call 030 1234567 about it"]);
        draft.identifier(name);
        clear(&draft, &detector, &Rules::default(), &mut Vault::new(), &mut |_, _| Answer::Refuse)
    };
    for name in ["zeus_db", "askZeus", "zeus"] {
        assert!(matches!(with(name), Err(Refusal::Identifier { label: Label::Custom, .. })), "{name}");
    }
    assert!(with("zeusian_db").is_ok());
}

#[test]
fn numbers_are_looked_at_and_go_as_numbers_or_not_at_all() {
    let with = |number: u64| {
        let mut draft = Draft::new();
        draft.fixed("{\"a\":");
        draft.figure(&number.into());
        draft.fixed(",\"b\":");
        draft.words("The card 4111111111111111");
        draft.fixed("}");
        let detector = Detector::new(Terms::default());
        let cleared =
            clear(&draft, &detector, &Rules::default(), &mut Vault::new(), &mut |_, _| Answer::Refuse);
        String::from_utf8(cleared.unwrap().bytes().to_vec()).unwrap()
    };
    assert_eq!(with(4_111_111_111_111_111), "{\"a\":\"[CARD_1]\",\"b\":\"The card [CARD_1]\"}");
    assert_eq!(with(42), "{\"a\":42,\"b\":\"The card [CARD_1]\"}");
}

#[test]
fn json_in_a_string_is_looked_at_as_it_reads() {
    let mut draft = Draft::new();
    draft.nest(|draft| {
        draft.fixed("{\"text\":");
        draft.words("Dear\nMaria \"Gonzalez\"");
        draft.fixed("}");
    });
    let detector = Detector::new(Terms::new(["Maria"]).unwrap());
    let cleared = clear(&draft, &detector, &Rules::default(), &mut Vault::new(), &mut |_, _| Answer::Refuse);
    let cleared = cleared.unwrap();
    let outer: String = serde_json::from_slice(cleared.bytes()).unwrap();
    let inner: serde_json::Value = serde_json::from_str(&outer).unwrap();
    assert!(inner["text"].as_str().unwrap().contains("\n[CUSTOM_1] \""), "{inner}");
    // The preview has what would stand there with nothing hidden.
    let was: String = cleared.preview().iter().map(|line| line.was.as_deref().unwrap_or(line.sent)).collect();
    let outer: String = serde_json::from_str(&was).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&outer).unwrap()["text"],
        "Dear\nMaria \"Gonzalez\""
    );
}

/// What is sent of one text with these places, and the places that it has.
fn marked(text: &str, places: &[Range<usize>]) -> (String, Vec<Range<usize>>, Vault) {
    let (mut draft, mut vault) = (Draft::new(), Vault::new());
    draft.marked(text, places).unwrap();
    let detector = Detector::new(Terms::default());
    let made = clear(&draft, &detector, &Rules::default(), &mut vault, &mut |_, _| Answer::Refuse).unwrap();
    (serde_json::from_slice(made.bytes()).unwrap(), made.marked().to_vec(), vault)
}

#[test]
fn marks_stand_around_places_and_never_within_what_is_hidden() {
    let text = "Write to Adaeze Kowalczyk, adaeze@example.org, on Monday.";
    let at = |word: &str| {
        let start = text.find(word).unwrap();
        start..start + word.len()
    };
    let (sent, places, _) = marked(text, &[at("Write"), at("Monday")]);
    assert_eq!(sent, "⟦1⟧Write⟦/1⟧ to [PERSON_1], [EMAIL_1], on ⟦2⟧Monday⟦/2⟧.");
    assert_eq!(places, [at("Write"), at("Monday")]);
    // Half a name and half an address are told as a whole.
    let (sent, places, vault) = marked(text, &[at("Kowal"), at("example")]);
    assert_eq!(sent, "Write to ⟦1⟧[PERSON_1]⟦/1⟧, ⟦2⟧[EMAIL_1]⟦/2⟧, on Monday.");
    assert_eq!(places, [at("Adaeze Kowalczyk"), at("adaeze@example.org")]);
    assert_eq!(restore("[EMAIL_1]", &vault), "adaeze@example.org");
    // Two that cut the same value are one.
    assert_eq!(marked(text, &[at("to Ada"), at("czyk")]).1, [at("to Adaeze Kowalczyk")]);
    assert_eq!(Draft::new().marked("⟦1⟧ is a mark", &[]), Err(Refusal::Marks));
}

proptest! {
    #[test]
    fn without_its_marks_it_is_what_would_be_sent_anyway(
        words in prop::collection::vec("[a-z]{1,6}|Adaeze|Kowalczyk|a@example.org|4111 1111 1111 1111|\"|\n|é", 1..30),
        cuts in prop::collection::btree_set(0usize..200, 0..12),
    ) {
        let text = words.join(" ");
        let cuts: Vec<usize> = cuts.into_iter().filter(|at| text.is_char_boundary(*at) && *at <= text.len()).collect();
        // Pairs with something between them.
        let mut places: Vec<Range<usize>> = Vec::new();
        for pair in cuts.chunks_exact(2) {
            if places.last().is_none_or(|last| last.end < pair[0]) {
                places.push(pair[0]..pair[1]);
            }
        }
        let (sent, whole, vault) = marked(&text, &places);
        let (plain, _, _) = marked(&text, &[]);
        let mut without = sent.clone();
        for number in 1..=whole.len() {
            let [open, close] = crate::draft::marks(number);
            let inside = &sent[sent.find(&open).unwrap() + open.len()..sent.find(&close).unwrap()];
            prop_assert_eq!(restore(inside, &vault), &text[whole[number - 1].clone()]);
            without = without.replacen(&open, "", 1).replacen(&close, "", 1);
        }
        prop_assert_eq!(without, plain);
        for place in &places {
            prop_assert!(whole.iter().any(|w| w.start <= place.start && place.end <= w.end));
        }
    }
}
