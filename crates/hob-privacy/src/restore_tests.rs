use super::*;
use crate::{Finding, Sure};
use proptest::prelude::*;

fn vault(values: &[(Label, &str)]) -> Vault {
    let mut vault = Vault::new();
    for (label, value) in values {
        let finding = Finding { range: 0..value.len(), label: *label, sure: Sure::Certain, by: "test" };
        vault.hide(value, &[finding]);
    }
    vault
}

#[test]
fn placeholders_come_back_however_models_write_them() {
    let vault = vault(&[(Label::Person, "Ada"), (Label::Person, "Bo"), (Label::BirthDate, "1 May 1990")]);
    for text in [
        "[PERSON_1]",
        "[person_1]",
        "[Person 1]",
        "[ PERSON-1 ]",
        "PERSON_1",
        "\\[PERSON\\_1\\]",
        "[**PERSON_1**]",
        "[PERSON1]",
    ] {
        assert_eq!(restore(text, &vault), "Ada", "{text}");
    }
    assert_eq!(restore("[BIRTH DATE_1], [birthdate 1]", &vault), "1 May 1990, 1 May 1990");
    assert_eq!(restore("[PERSON_2]'s and [PERSON_1]'s", &vault), "Bo's and Ada's");
    // What was never given out, and words that only look alike.
    for text in
        ["[PERSON_3]", "person 1", "[PERSONAL_1]", "SALESPERSON_1", "a[1]", "[PERSON_999999]", "[CARD_1]"]
    {
        assert_eq!(restore(text, &vault), text);
    }
}

#[test]
fn typed_placeholders_are_not_given_out() {
    let mut vault = Vault::new();
    let text = "[PERSON_1] met Ada";
    let findings = [Finding { range: 15..18, label: Label::Person, sure: Sure::Certain, by: "test" }];
    let hidden = vault.hide(text, &findings);
    assert_eq!(hidden, "[PERSON_1] met [PERSON_2]");
    assert_eq!(restore(&hidden, &vault), text);
    // The same value keeps its placeholder, in later texts too.
    assert_eq!(vault.hide("Ada", &[Finding { range: 0..3, ..findings[0].clone() }]), "[PERSON_2]");
}

proptest! {
    /// However an answer is cut, the pieces give what the whole gives.
    #[test]
    fn pieces_are_restored_like_the_whole(
        parts in prop::collection::vec(prop::sample::select(vec![
            "[PERSON_1]", "[person 2]", "PERSON_1", "[", "]", "\\[PERSON\\_2\\]", "Hello ", "é", "[PERSON_9]", "per", "son_1", " ", "_", "1",
            "[IBAN_1]", "salesPERSON_1", "\n", "[BIRTH", "_DATE_1]", "national id", "NATIONAL_ID_1", "-",
        ]), 0..12),
        cuts in prop::collection::vec(0usize..200, 0..12),
    ) {
        let vault = vault(&[
            (Label::Person, "Ada L."), (Label::Person, "[Bo]"), (Label::Iban, "GB29"), (Label::BirthDate, "May"), (Label::NationalId, "77"),
        ]);
        let text = parts.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|at| *at < text.len() && text.is_char_boundary(*at)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut restorer = Restorer::new(&vault);
        let mut shown = String::new();
        for pair in cuts.windows(2) {
            shown += &restorer.push(&text[pair[0]..pair[1]]);
        }
        shown += &restorer.finish();
        prop_assert_eq!(shown, restore(&text, &vault));
    }
}
