//! Cards, accounts, wallets.

use super::Rule;
use crate::checksum as c;
use crate::{Label, Sure};

pub(super) const RULES: &[Rule] = &[
    Rule::new("card", Label::Card, Sure::Certain, r"\b([1-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}(?:[ -]?[0-9]{1,7})?|3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}|[1-6][0-9]{11,18})\b").checked(c::card),
    Rule::new("number said to be a card", Label::Card, Sure::Likely, r"\b([0-9]{12,19})\b").near("card|cards|credit|debit|visa|mastercard|amex|cc"),
    Rule::new("IBAN", Label::Iban, Sure::Certain, r"\b([A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{2,4}){3,8}(?:[ -]?[A-Z0-9]{1,3})?)\b").checked(c::iban),
    Rule::new("IBAN in one piece", Label::Iban, Sure::Certain, r"(?i)\b([A-Z]{2}[0-9]{2}[A-Z0-9]{11,30})\b").checked(c::iban),
    Rule::new("US bank", Label::BankAccount, Sure::Certain, r"\b([0-9]{9})\b").checked(c::us_routing).near("routing|aba|bank|transit|rtn|wire"),
    Rule::new("account", Label::BankAccount, Sure::Likely, r"(?i)\b(?:account|acct|a/c|kontonummer|konto)(?: number| no\.?| #)?(?: is|:|#)*\s*#?([0-9][0-9 -]{5,19}[0-9])\b"),
    Rule::new("UK sort code", Label::BankAccount, Sure::Likely, r"\b([0-9]{2}-[0-9]{2}-[0-9]{2})\b").near("sort code|sort"),
    Rule::new("SWIFT", Label::BankAccount, Sure::Likely, r"\b([A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b").near("swift|bic"),
    Rule::new("Bitcoin", Label::Wallet, Sure::Certain, r"\b([13][a-km-zA-HJ-NP-Z1-9]{25,34}|bc1[02-9ac-hj-np-z]{11,71})\b").checked(mixed),
    Rule::new("Ethereum", Label::Wallet, Sure::Certain, r"\b(0x[0-9a-fA-F]{40})\b"),
    Rule::new("Litecoin, Dogecoin, Ripple, Tron", Label::Wallet, Sure::Likely, r"\b([LMDrT][a-km-zA-HJ-NP-Z1-9]{26,33})\b").checked(mixed).near("wallet|litecoin|ltc|dogecoin|doge|ripple|xrp|tron|trx|crypto|address|send"),
    Rule::new("Monero", Label::Wallet, Sure::Certain, r"\b(4[0-9AB][1-9A-HJ-NP-Za-km-z]{93})\b"),
];

/// Letters of both cases and digits: no word is written so.
fn mixed(text: &str) -> bool {
    text.starts_with("bc1")
        || (text.bytes().any(|c| c.is_ascii_digit())
            && text.bytes().any(|c| c.is_ascii_lowercase())
            && text.bytes().any(|c| c.is_ascii_uppercase()))
}
