//! Check digits, as the offices that give out the numbers define them. Every function takes the number as it is written and
//! leaves out blanks, points and strokes itself.

/// The digits of `text`; `None` where something else than separators stands between them.
pub fn digits(text: &str) -> Option<Vec<u32>> {
    let kept = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '/' | '\u{a0}'));
    kept.map(|c| c.to_digit(10)).collect()
}

/// Letters and digits of `text`, letters in capitals.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(d, w)| d * w).sum()
}

fn exactly(text: &str, count: usize) -> Option<Vec<u32>> {
    digits(text).filter(|d| d.len() == count)
}

/// The sum of Luhn (ISO/IEC 7812-1, annex B) is a multiple of ten.
pub fn luhn(digits: &[u32]) -> bool {
    let double = |d: u32| if d > 4 { 2 * d - 9 } else { 2 * d };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, &d)| if i % 2 == 1 { double(d) } else { d }).sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// A payment card: 12 to 19 digits that begin as some network's do, with Luhn's digit.
pub fn card(text: &str) -> bool {
    let Some(d) = digits(text).filter(|d| (12..=19).contains(&d.len())) else { return false };
    let start = |n: usize| d[..n].iter().fold(0, |sum, d| 10 * sum + d);
    let known = match d[0] {
        // Visa; JCB, American Express and Diners; Maestro and Discover; Mastercard (5, and 2221 to 2720); JCB of old (1800, 2131).
        4 | 6 => true,
        3 => matches!(start(2), 30 | 34..=39),
        5 => start(2) >= 50,
        2 => (2221..=2720).contains(&start(4)) || matches!(start(4), 2014 | 2131 | 2149),
        1 => start(4) == 1800,
        _ => false,
    };
    known && luhn(&d)
}

/// Remainder of a number of letters (A is 10) and digits divided by 97.
fn mod97(text: impl Iterator<Item = char>) -> Option<u32> {
    text.map(|c| c.to_digit(36)).try_fold(0, |rest, value| {
        let value = value?;
        Some((rest * if value > 9 { 100 } else { 10 } + value) % 97)
    })
}

/// Lengths of account numbers by country (SWIFT's IBAN registry), where they are not checked to be something else.
const IBAN_LENGTHS: [(&str, usize); 40] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BR", 29),
    ("CH", 21),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("EE", 20),
    ("ES", 24),
    ("FI", 18),
    ("FR", 27),
    ("GB", 22),
    ("GR", 27),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MT", 31),
    ("NL", 18),
    ("NO", 15),
    ("PL", 28),
    ("PT", 25),
    ("RO", 24),
    ("SA", 24),
    ("SE", 24),
    ("SI", 19),
    ("TR", 26),
];

/// An account number of ISO 13616: the length of its country where that is known, and a remainder of one.
pub fn iban(text: &str) -> bool {
    let plain = plain(text);
    let known = IBAN_LENGTHS.iter().find(|(country, _)| plain.starts_with(country));
    let length = match known {
        Some((_, length)) => plain.len() == *length,
        None => (15..=34).contains(&plain.len()),
    };
    length && mod97(plain[4..].chars().chain(plain[..4].chars())) == Some(1)
}

/// A United States social security number: no area, group or serial of zeros, no area 666 or from 900 on, none of the
/// numbers that were printed as examples.
pub fn us_ssn(text: &str) -> bool {
    let Some(d) = exactly(text, 9) else { return false };
    let number = |range: &[u32]| range.iter().fold(0, |sum, d| 10 * sum + d);
    let (area, group, serial) = (number(&d[..3]), number(&d[3..5]), number(&d[5..]));
    let example = matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999) | (123, 45, 6789));
    area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 && !example
}

/// A bank of the United States by its routing number: prefixes in use, weights 3, 7, 1.
pub fn us_routing(text: &str) -> bool {
    let Some(d) = exactly(text, 9) else { return false };
    let prefix = 10 * d[0] + d[1];
    matches!(prefix, 0..=12 | 21..=32 | 61..=72 | 80)
        && weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        && d.iter().any(|d| *d != 0)
}

/// A prescriber of the United States (NPI): Luhn over the number behind 80840.
pub fn us_npi(text: &str) -> bool {
    let Some(d) = exactly(text, 10) else { return false };
    matches!(d[0], 1 | 2) && luhn(&[&[8, 0, 8, 4, 0], &d[..]].concat())
}

/// A prescriber of controlled drugs (DEA): two letters, six digits, and the last digit of their sum with every second doubled.
pub fn us_dea(text: &str) -> bool {
    let plain = plain(text);
    let Some(d) = plain.get(2..).and_then(|rest| exactly(rest, 7)) else { return false };
    (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]
}

/// A patient of the British health service: weights 10 to 2, modulo 11.
pub fn uk_nhs(text: &str) -> bool {
    let Some(d) = exactly(text, 10) else { return false };
    let check = (11 - weighted(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    check == d[9] && d.iter().any(|x| *x != d[0])
}

/// A national insurance number of the United Kingdom: prefixes that are not given out are refused.
pub fn uk_nino(text: &str) -> bool {
    let plain = plain(text);
    let bytes = plain.as_bytes();
    bytes.len() == 9
        && !b"DFIQUV".contains(&bytes[0])
        && !b"DFIQUVO".contains(&bytes[1])
        && !["BG", "GB", "NK", "KN", "TN", "NT", "ZZ"].contains(&&plain[..2])
}

/// A Canadian social insurance number: Luhn.
pub fn ca_sin(text: &str) -> bool {
    exactly(text, 9).is_some_and(|d| d[0] != 0 && d[0] != 8 && luhn(&d))
}

/// A taxpayer of Brazil (CPF): two digits modulo 11.
pub fn br_cpf(text: &str) -> bool {
    let Some(d) = exactly(text, 11) else { return false };
    let check = |n: usize| {
        let sum: u32 = d[..n].iter().zip((2..=n as u32 + 1).rev()).map(|(d, w)| d * w).sum();
        sum * 10 % 11 % 10
    };
    check(9) == d[9] && check(10) == d[10] && d.iter().any(|x| *x != d[0])
}

/// A taxpayer of Germany (Steuer-ID): ISO 7064 modulo 11, 10; one digit comes twice or three times.
pub fn de_tax(text: &str) -> bool {
    let Some(d) = exactly(text, 11) else { return false };
    let mut counts = [0; 10];
    d[..10].iter().for_each(|d| counts[*d as usize] += 1);
    let most = counts.iter().max().copied().unwrap_or(0);
    d[0] != 0 && (2..=3).contains(&most) && iso_11_10(&d)
}

/// ISO 7064 modulo 11, 10: the last digit closes the sum.
fn iso_11_10(d: &[u32]) -> bool {
    let (last, rest) = d.split_last().expect("numbers have digits");
    let product = rest.iter().fold(10, |product, d| {
        let sum = (product + d) % 10;
        2 * if sum == 0 { 10 } else { sum } % 11
    });
    (11 - product) % 10 == *last
}

/// A citizen of India (Aadhaar): Verhoeff's digit, and a first digit above one.
pub fn in_aadhaar(text: &str) -> bool {
    exactly(text, 12).is_some_and(|d| d[0] > 1 && verhoeff(&d))
}

/// Verhoeff's check: products in the dihedral group of the pentagon.
fn verhoeff(d: &[u32]) -> bool {
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let turn = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let turned = |digit: u32, times: usize| (0..times % 8).fold(digit, |d, _| turn[d as usize]);
    d.iter().rev().enumerate().fold(0, |sum, (i, d)| product(sum, turned(*d, i))) == 0
}

/// A person in France (NIR): what is missing to 97. Corsica's departments count as 19 and 18.
pub fn fr_nir(text: &str) -> bool {
    let plain = plain(text).replace("2A", "19").replace("2B", "18");
    let Some(d) = exactly(&plain, 15) else { return false };
    let number = |range: &[u32]| range.iter().fold(0u64, |sum, d| 10 * sum + u64::from(*d));
    matches!(d[0], 1 | 2 | 7 | 8) && 97 - number(&d[..13]) % 97 == number(&d[13..])
}

/// A person in Spain (DNI, NIE): the letter at the number modulo 23.
pub fn es_dni(text: &str) -> bool {
    let plain = plain(text);
    if plain.len() != 9 {
        return false;
    }
    let (number, letter) = plain.split_at(8);
    let number = number.replacen('X', "0", 1).replacen('Y', "1", 1).replacen('Z', "2", 1);
    let letters = b"TRWAGMYFPDXBNJZSQVHLCKE";
    number.parse::<usize>().is_ok_and(|n| letter.as_bytes()[0] == letters[n % 23])
}

/// A person in Italy (codice fiscale): letters and digits count differently at odd places, modulo 26.
pub fn it_fiscal(text: &str) -> bool {
    let plain = plain(text);
    let odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = |c: u8| if c.is_ascii_digit() { c - b'0' } else { c - b'A' };
    let bytes = plain.as_bytes();
    let sum = |(i, &c): (usize, &u8)| {
        let v = usize::from(value(c));
        if i % 2 == 0 { odd[v] } else { v }
    };
    bytes.len() == 16
        && bytes[..15].iter().enumerate().map(sum).sum::<usize>() % 26 == usize::from(value(bytes[15]))
}

/// A person in the Netherlands (BSN): weights 9 to 2 and -1, modulo 11.
pub fn nl_bsn(text: &str) -> bool {
    let Some(d) = exactly(text, 9) else { return false };
    let sum = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum > 0 && sum % 11 == d[8] % 11
}

/// A person in Belgium: what is missing to 97, with a 2 before the number for those born from 2000 on.
pub fn be_national(text: &str) -> bool {
    let Some(d) = exactly(text, 11) else { return false };
    let number = |range: &[u32]| range.iter().fold(0u64, |sum, d| 10 * sum + u64::from(*d));
    let (base, check) = (number(&d[..9]), number(&d[9..]));
    97 - base % 97 == check || 97 - (2_000_000_000 + base) % 97 == check
}

/// A person in Poland (PESEL): weights 1, 3, 7, 9.
pub fn pl_pesel(text: &str) -> bool {
    let Some(d) = exactly(text, 11) else { return false };
    let month = (10 * d[2] + d[3]) % 20;
    (1..=12).contains(&month) && weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// A person in Finland: the character at the number modulo 31.
pub fn fi_hetu(text: &str) -> bool {
    let plain: Vec<char> = text.to_ascii_uppercase().chars().collect();
    if plain.len() != 11 {
        return false;
    }
    let number: String = plain[..6].iter().chain(&plain[7..10]).collect();
    let letters = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    number.parse::<usize>().is_ok_and(|n| plain[10] == char::from(letters[n % 31]))
}

/// A person in Sweden: Luhn over the last ten digits.
pub fn se_personal(text: &str) -> bool {
    let Some(d) = digits(&text.replace('+', "")) else { return false };
    let short = match d.len() {
        10 => &d[..],
        12 => &d[2..],
        _ => return false,
    };
    let (month, day) = (10 * short[2] + short[3], (10 * short[4] + short[5]) % 60);
    (1..=12).contains(&month) && (1..=31).contains(&day) && luhn(short)
}

/// A person in Norway: two digits modulo 11.
pub fn no_birth(text: &str) -> bool {
    let Some(d) = exactly(text, 11) else { return false };
    weighted(&d, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        && (1..=71).contains(&(10 * d[0] + d[1]))
}

/// A person in Denmark (CPR): a day that there is. Check digits are no longer kept.
pub fn dk_cpr(text: &str) -> bool {
    let Some(d) = exactly(text, 10) else { return false };
    (1..=31).contains(&(10 * d[0] + d[1])) && (1..=12).contains(&(10 * d[2] + d[3]))
}

/// A person in Switzerland (AHV): 756 and the check digit of EAN-13.
pub fn ch_ahv(text: &str) -> bool {
    let Some(d) = exactly(text, 13) else { return false };
    d[..3] == [7, 5, 6] && weighted(&d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// A taxpayer of Portugal (NIF): weights 9 to 2, modulo 11.
pub fn pt_nif(text: &str) -> bool {
    let Some(d) = exactly(text, 9) else { return false };
    let check = 11 - weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(d[0], 1..=3 | 5 | 6 | 8 | 9) && d[8] == if check > 9 { 0 } else { check }
}

/// A taxpayer of Australia (TFN): weights, modulo 11.
pub fn au_tfn(text: &str) -> bool {
    let Some(d) = exactly(text, 9) else { return false };
    let sum = weighted(&d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]);
    sum > 0 && sum.is_multiple_of(11)
}

/// A patient of Australia (Medicare): weights 1, 3, 7, 9.
pub fn au_medicare(text: &str) -> bool {
    let Some(d) = digits(text).filter(|d| (10..=11).contains(&d.len())) else { return false };
    matches!(d[0], 2..=6) && weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == d[8]
}

/// A citizen of China: weights are powers of two modulo 11, X stands for ten.
pub fn cn_identity(text: &str) -> bool {
    let plain = plain(text);
    let Some((number, last)) = plain.split_at_checked(17).filter(|(_, last)| last.len() == 1) else {
        return false;
    };
    let Some(d) = exactly(number, 17) else { return false };
    let sum = weighted(&d, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    last.as_bytes()[0] == b"10X98765432"[(sum % 11) as usize]
}

/// A person in Japan (My Number): modulo 11.
pub fn jp_my_number(text: &str) -> bool {
    let Some(d) = exactly(text, 12) else { return false };
    let rest = weighted(&d, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    d[11] == if rest <= 1 { 0 } else { 11 - rest } && d.iter().any(|x| *x != d[0])
}

/// A resident of South Africa: Luhn behind a date.
pub fn za_identity(text: &str) -> bool {
    let Some(d) = exactly(text, 13) else { return false };
    (1..=12).contains(&(10 * d[2] + d[3])) && (1..=31).contains(&(10 * d[4] + d[5])) && luhn(&d)
}

/// A resident of South Korea: a date, a digit of the century, weights modulo 11.
pub fn kr_resident(text: &str) -> bool {
    let Some(d) = exactly(text, 13) else { return false };
    let check = (11 - weighted(&d, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10;
    (1..=12).contains(&(10 * d[2] + d[3]))
        && (1..=31).contains(&(10 * d[4] + d[5]))
        && d[6] < 9
        && check == d[12]
}

/// A vehicle (ISO 3779, North American check): values and weights modulo 11, X stands for ten.
pub fn vin(text: &str) -> bool {
    let plain = plain(text);
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |c: char| match c {
        '0'..='9' => c.to_digit(10),
        'A'..='H' => Some(c as u32 - 'A' as u32 + 1),
        'J'..='N' => Some(c as u32 - 'J' as u32 + 1),
        'P' => Some(7),
        'R' => Some(9),
        'S'..='Z' => Some(c as u32 - 'S' as u32 + 2),
        _ => None,
    };
    let Some(values) = plain.chars().map(value).collect::<Option<Vec<u32>>>() else { return false };
    values.len() == 17
        && plain.as_bytes()[8] == b"0123456789X"[(weighted(&values, &weights) % 11) as usize]
        && plain.bytes().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
#[path = "checksum_tests.rs"]
mod tests;
