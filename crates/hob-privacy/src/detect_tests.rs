use super::*;

fn found(text: &str) -> Vec<(Label, &str)> {
    Detector::rules(Terms::default()).find(text).into_iter().map(|f| (f.label, &text[f.range])).collect()
}

#[test]
fn every_form_is_known() {
    use Label::*;
    for (text, label, wanted) in [
        ("write to ada.l+x@mail.example.org.", Email, "ada.l+x@mail.example.org"),
        ("see https://example.org/a?b=1, please", Url, "https://example.org/a?b=1"),
        ("host 192.168.0.17 is up", IpAddress, "192.168.0.17"),
        ("at 2001:db8::8a2e:370:7334 now", IpAddress, "2001:db8::8a2e:370:7334"),
        ("card 00:1b:63:84:45:e6 found", MacAddress, "00:1b:63:84:45:e6"),
        ("we met at 52.5200, 13.4050 at noon", Coordinates, "52.5200, 13.4050"),
        ("call +49 30 901820 today", Phone, "+49 30 901820"),
        ("call (415) 555-2671 today", Phone, "(415) 555-2671"),
        ("my fax is 668 5702", Phone, "668 5702"),
        ("pay with 4111-1111-1111-1111 now", Card, "4111-1111-1111-1111"),
        ("to GB29 NWBK 6016 1331 9268 19 please", Iban, "GB29 NWBK 6016 1331 9268 19"),
        ("routing number 021000021", BankAccount, "021000021"),
        ("account number is 1234 5678 90", BankAccount, "1234 5678 90"),
        (
            "send it to 0x52908400098527886E0F7030069857D2E4169EE7",
            Wallet,
            "0x52908400098527886E0F7030069857D2E4169EE7",
        ),
        ("my social is 536-90-4399", NationalId, "536-90-4399"),
        ("NINO AB 12 34 56 C", NationalId, "AB 12 34 56 C"),
        ("CPF 111.444.777-35", NationalId, "111.444.777-35"),
        ("numéro 2 55 08 14 168 025 38", NationalId, "2 55 08 14 168 025 38"),
        ("DNI 12345678Z", NationalId, "12345678Z"),
        ("codice RSSMRA85T10A562S", NationalId, "RSSMRA85T10A562S"),
        ("BSN 111222333", NationalId, "111222333"),
        ("HETU 131052-308T", NationalId, "131052-308T"),
        ("AHV 756.9217.0769.85", NationalId, "756.9217.0769.85"),
        ("Steuer-ID 86 095 742 719", NationalId, "86 095 742 719"),
        ("aadhaar 2341 2341 2346", NationalId, "2341 2341 2346"),
        ("id 11010519491231002X", NationalId, "11010519491231002X"),
        ("NHS number 943 476 5919", HealthId, "943 476 5919"),
        ("MRN: 00482913", HealthId, "00482913"),
        ("prescriber AP5836727", HealthId, "AP5836727"),
        ("my driver's license number is F162823540116", DriverLicence, "F162823540116"),
        ("passport C01X00T47 or passport 123456789", Passport, "123456789"),
        ("VIN 1M8GDM9AXKP042788", Vehicle, "1M8GDM9AXKP042788"),
        ("license plate B-MW 1234", Vehicle, "MW 1234"),
        ("born on 3 May 1981 in the north", BirthDate, "3 May 1981"),
        ("a 42-year-old man", Age, "42"),
        ("on 2015-12-22 04:34:22 it", Date, "2015-12-22 04:34:22"),
        ("at 221B Baker Street today", Address, "221B Baker Street"),
        ("in der Lindenstraße 12a", Address, "Lindenstraße 12a"),
        ("P.O. Box 104", Address, "P.O. Box 104"),
        ("SW1A 1AA", PostCode, "SW1A 1AA"),
        ("key sk-proj-abcdefghij0123456789xyz", Secret, "sk-proj-abcdefghij0123456789xyz"),
        ("password is hunter2x!", Secret, "hunter2x!"),
        ("postgres://app:s3cr3tpw@db/x", Secret, "s3cr3tpw"),
        ("Authorization: Bearer abc.def-123456", Secret, "abc.def-123456"),
    ] {
        let all = found(text);
        assert!(all.contains(&(label, wanted)), "{text}: {all:?}");
    }
}

#[test]
fn numbers_that_are_none_of_these_stay() {
    for text in [
        "It costs 1,299.00 and takes 12 days.",
        "version 10.4.2",
        "4111 1111 1111 1112",
        "order 482913 has 3 parts",
        "the ratio is 16:9 and the time 12:30",
        "fn main() { let x = 0x1F; }",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn a_users_own_words_are_found_whole_and_in_any_case() {
    let detector = Detector::rules(Terms::new(["Project Heron", " ", "C++ (new)"]).unwrap());
    let text = "project heron, C++ (new), and herons";
    let found: Vec<&str> = detector.find(text).iter().map(|f| &text[f.range.clone()]).collect();
    assert_eq!(found, ["project heron", "C++ (new)"]);
}

#[test]
fn names_are_found_and_found_again() {
    let detector = Detector::new(Terms::default());
    let text = "My name is Adaeze Kowalczyk and I live in Tampere. Please tell Kowalczyk that I work for Brightforge GmbH.";
    let found: Vec<(Label, &str)> =
        detector.find(text).into_iter().map(|f| (f.label, &text[f.range])).collect();
    for wanted in [
        (Label::Person, "Adaeze Kowalczyk"),
        (Label::Place, "Tampere"),
        (Label::Person, "Kowalczyk"),
        (Label::Organisation, "Brightforge GmbH"),
    ] {
        assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
    }
}

#[test]
fn the_far_reach_leaves_common_words_alone() {
    let detector = Detector::new(Terms::default()).reaching(Reach::Unknown);
    let text = "The meeting about zyrkon is at the Heron desk, item 5.";
    let hidden = crate::Vault::new().hide(text, &detector.find(text));
    for gone in ["zyrkon", "Heron", "5"] {
        assert!(!hidden.contains(gone), "{hidden}");
    }
    for kept in ["The meeting about", "is at the", "item"] {
        assert!(hidden.contains(kept), "{hidden}");
    }
}

proptest::proptest! {
    /// Whatever is typed: findings are places in the text, in order, and what is hidden comes back.
    #[test]
    fn what_is_hidden_comes_back(text in "(?s).{0,200}|[A-Z][a-z]{2,8} [0-9 .+()@-]{0,40}[a-zé\\[\\]_1 PERSON]{0,40}") {
        let findings = Detector::new(Terms::default()).reaching(Reach::Unknown).find(&text);
        let mut last = 0;
        for f in &findings {
            proptest::prop_assert!(f.range.start >= last && f.range.end > f.range.start && text.get(f.range.clone()).is_some());
            last = f.range.end;
        }
        let mut vault = crate::Vault::new();
        let hidden = vault.hide(&text, &findings);
        proptest::prop_assert_eq!(crate::restore(&hidden, &vault), text);
    }
}

#[test]
fn words_that_cannot_be_looked_for_are_an_error() {
    let words: Vec<String> = (0..60_000).map(|i| format!("customer number {i} of the long list")).collect();
    assert!(Terms::new(words.iter().map(String::as_str)).is_err());
    assert!(Terms::new([]).is_ok());
}
