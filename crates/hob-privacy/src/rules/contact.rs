//! How people are reached: mail, telephone, web, networks.

use super::Rule;
use crate::{Label, Sure};

pub(super) const RULES: &[Rule] = &[
    Rule::new("email", Label::Email, Sure::Certain, r"(?i)\b[\p{L}0-9][\p{L}0-9._%+'-]*@(?:[\p{L}0-9](?:[\p{L}0-9-]*[\p{L}0-9])?\.)+\p{L}{2,24}\b"),
    Rule::new("url", Label::Url, Sure::Certain, r#"(?i)\b(?:https?|ftp)://[^\s<>"'\]]+[^\s<>"'\].,;:!?)]"#),
    Rule::new("www", Label::Url, Sure::Likely, r"(?i)\bwww\.(?:[a-z0-9-]+\.)+[a-z]{2,24}(?:/[^\s<>]*[^\s<>.,;:!?)])?"),
    Rule::new("ipv4", Label::IpAddress, Sure::Certain, r"(?:^|[^0-9.])((?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]))(?:/[0-9]{1,2})?\b").checked(not_a_version),
    Rule::new("ipv6", Label::IpAddress, Sure::Certain, r"(?i)(?:^|[^0-9a-f:])((?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|:))").checked(ipv6),
    Rule::new("mac", Label::MacAddress, Sure::Certain, r"(?i)\b((?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})\b"),
    Rule::new("coordinates", Label::Coordinates, Sure::Likely, r"(?:^|[^0-9.])([+-]?[0-9]{1,2}\.[0-9]{4,9}°?\s?[NS]?,\s?[+-]?[0-9]{1,3}\.[0-9]{4,9}(?:°?\s?[EW]\b)?)"),
    // With a plus sign, the country and its digits in groups.
    Rule::new("phone, abroad", Label::Phone, Sure::Certain, r"(?:^|[^\w.+])(\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{1,5}\)?){2,6})(?:\b|$)").checked(phone),
    Rule::new("phone, abroad with 00", Label::Phone, Sure::Likely, r"(?:^|[^\w.+])(00[1-9][0-9]{0,2}(?:[ .-]\(?[0-9]{1,5}\)?){2,6})\b").checked(phone),
    // North America: three, three and four digits.
    Rule::new("phone, North America", Label::Phone, Sure::Certain, r"(?:^|[^\w.+-])((?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\)\s?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}(?:\s?(?:x|ext\.?)\s?[0-9]{1,6})?)\b"),
    // With a zero in front, digits in groups.
    Rule::new("phone, at home", Label::Phone, Sure::Likely, r"(?:^|[^\w.+/-])(\(?0[0-9]{1,4}\)?(?:[ .-]?\(?[0-9]{2,5}\)?){2,4})\b").checked(grouped_phone),
    Rule::new("phone, groups", Label::Phone, Sure::Weak, r"(?:^|[^\w.+/-])([0-9]{2,4}(?: [0-9]{2,4}){2,4})\b").checked(phone),
    Rule::new("phone, of one town", Label::Phone, Sure::Weak, r"(?:^|[^\w.+/-])([2-9][0-9]{2}[ -][0-9]{4})\b"),
    Rule::new("phone, said to be one", Label::Phone, Sure::Likely, r"(?:^|[^\w.+/-])(\(?[0-9]{2,5}\)?(?:[ .-]?\(?[0-9]{2,5}\)?){1,5})\b").checked(phone)
        .near(r"tel|telephone|phone|phones|mobile|cell|cellphone|fax|call|calls|called|calling|text|sms|whatsapp|reach|dial|ring|hotline|extension|office|answering|rufnummer|telefon|handy|teléfono|móvil|téléphone|portable"),
];

/// Digits of a telephone number with its country (ITU-T E.164), and not those of a day.
fn phone(text: &str) -> bool {
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&count) && text.matches('(').count() == text.matches(')').count() && !is_day(text)
}

fn grouped_phone(text: &str) -> bool {
    phone(text) && text.bytes().any(|c| matches!(c, b' ' | b'-' | b'.' | b')'))
}

fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '.', '/', ' ']).collect();
    let is_year = |part: &&str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
    let small = |part: &&str| part.len() <= 2 && part.parse::<u32>().is_ok_and(|n| n <= 31);
    parts.len() == 3
        && ((is_year(&parts[0]) && small(&parts[1]) && small(&parts[2]))
            || (small(&parts[0]) && small(&parts[1]) && is_year(&parts[2])))
}

/// Versions of programs have four numbers too, but seldom one above 99 or a network of their own: `1.2.3.4` counts as an address
/// all the same, since a leak costs more than a placeholder.
fn not_a_version(text: &str) -> bool {
    text != "0.0.0.0"
}

fn ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok() && text.len() > 5
}
