use super::*;
use hob_base::Random;

type Check = fn(&str) -> bool;

/// Published or official examples, all of which are valid.
const VALID: [(Check, &str); 33] = [
    (card, "4111 1111 1111 1111"),
    (card, "5555555555554444"),
    (card, "378282246310005"),
    (card, "6011111111111117"),
    (iban, "GB29 NWBK 6016 1331 9268 19"),
    (iban, "DE89 3704 0044 0532 0130 00"),
    (iban, "NO93 8601 1117 947"),
    (us_ssn, "536-90-4399"),
    (us_routing, "021000021"),
    (us_npi, "1234567893"),
    (us_dea, "AP5836727"),
    (uk_nhs, "943 476 5919"),
    (uk_nino, "AB 12 34 56 C"),
    (ca_sin, "130 692 544"),
    (br_cpf, "111.444.777-35"),
    (de_tax, "86095742719"),
    (in_aadhaar, "2341 2341 2346"),
    (fr_nir, "2 55 08 14 168 025 38"),
    (es_dni, "12345678Z"),
    (es_dni, "X1234567L"),
    (it_fiscal, "RSSMRA85T10A562S"),
    (nl_bsn, "111222333"),
    (be_national, "85.07.30-033.28"),
    (pl_pesel, "44051401359"),
    (fi_hetu, "131052-308T"),
    (se_personal, "811218-9876"),
    (ch_ahv, "756.9217.0769.85"),
    (pt_nif, "123456789"),
    (au_tfn, "123 456 782"),
    (au_medicare, "2123456701"),
    (cn_identity, "11010519491231002X"),
    (za_identity, "8001015009087"),
    (vin, "1M8GDM9AXKP042788"),
];

#[test]
fn examples_of_the_offices_are_valid() {
    for (i, (check, text)) in VALID.iter().enumerate() {
        assert!(check(text), "{i}: {text}");
    }
}

/// Every check digit that there is finds every single wrong digit, or nearly: checks modulo 11 that fold ten onto another
/// digit miss some.
#[test]
fn a_wrong_digit_is_found() {
    for (i, (check, text)) in VALID.iter().enumerate().filter(|(_, (check, _))| !has_no_check_digit(*check)) {
        let (mut tried, mut missed) = (0, 0);
        for (at, c) in text.char_indices().filter(|(_, c)| c.is_ascii_digit()) {
            for other in ('0'..='9').filter(|d| *d != c) {
                let mut wrong = (*text).to_owned();
                wrong.replace_range(at..=at, &other.to_string());
                tried += 1;
                missed += usize::from(check(&wrong));
            }
        }
        assert!(20 * missed <= tried, "{i}: {text}: {missed} of {tried} wrong digits pass");
    }
}

fn has_no_check_digit(check: Check) -> bool {
    // The last digit of a Medicare card is its issue.
    [us_ssn as Check, uk_nino, au_medicare].iter().any(|other| std::ptr::fn_addr_eq(check, *other))
}

/// Ten thousand numbers that are closed with a right digit, and as many with one digit changed.
#[test]
fn numbers_are_taken_and_their_corruptions_refused() {
    let mut random = Random::new(7, 0);
    let mut number = |start: &str, count: usize| {
        let mut text = start.to_owned();
        while text.len() < count {
            text.push(char::from(b'0' + random.below(10) as u8));
        }
        text
    };
    for (check, start, count) in [
        (card as Check, "4", 16),
        (uk_nhs, "9", 10),
        (us_routing, "02", 9),
        (us_npi, "1", 10),
        (in_aadhaar, "5", 12),
    ] {
        let mut made = 0;
        while made < 10_000 {
            let open = number(start, count - 1);
            // Exactly one digit closes a number, or none where a check modulo 11 has no digit for ten.
            let closing: Vec<char> = ('0'..='9').filter(|d| check(&format!("{open}{d}"))).collect();
            assert!(closing.len() <= 1, "{open}: {closing:?}");
            let Some(last) = closing.first() else { continue };
            made += 1;
            let at = made % (count - 1);
            let mut wrong = format!("{open}{last}").into_bytes();
            wrong[at] = b'0' + (wrong[at] - b'0' + 1 + (made % 9) as u8) % 10;
            assert!(!check(std::str::from_utf8(&wrong).unwrap()), "{open}{last} at {at}");
        }
    }
}

#[test]
fn nothing_that_is_typed_breaks_a_check() {
    let checks: Vec<Check> = VALID
        .iter()
        .map(|(check, _)| *check)
        .chain([kr_resident as Check, jp_my_number, no_birth, dk_cpr])
        .collect();
    for text in [
        "",
        " ",
        "-",
        "é",
        "1",
        "ß12345678",
        "0000000000",
        "99999999999999999999",
        "ABCDEFGHIJKLMNOPQ",
        "1é345678Z",
        "İİİİİİİİİ",
    ] {
        checks.iter().for_each(|check| {
            check(text);
        });
    }
}
