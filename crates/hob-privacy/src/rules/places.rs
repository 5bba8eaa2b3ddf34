//! Streets, boxes and post codes, where a form gives them away.

use super::Rule;
use crate::{Label, Sure};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        "street, English",
        Label::Address,
        Sure::Likely,
        r"\b([0-9]{1,6}[A-Za-z]?(?:[ -][0-9]{1,4})?,? (?:[\p{Lu}0-9][\p{L}0-9.'’-]*,? ){1,5}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Courts|Place|Pl|Square|Sq|Terrace|Way|Circle|Cir|Parkway|Pkwy|Highway|Hwy|Crescent|Close|Grove|Hill|Row|Trail|Alley|Plaza|Gardens|Mews|Walk|Gateway|Rapids|Extensions)\b\.?)",
    ),
    Rule::new(
        "street, behind its kind",
        Label::Address,
        Sure::Likely,
        r"(?i)\b((?:[0-9]{1,5} )?(?:via|viale|piazza|corso|rue|avenue|av\.?|boulevard|place|chemin|calle|avenida|avda\.?|c/|plaza|paseo|rua|travessa|praça|ul\.?|ulica|aleja|al\.)(?-i:(?: (?:de|del|della|dei|di|du|des|la|le|el|los|las|da|do|dos|l')){0,3}(?: \p{Lu}[\p{L}'’.-]*){1,4})(?:,? (?:n[°º.]? ?)?[0-9]{1,5}[a-z]?)?)\b",
    ),
    Rule::new(
        "street, kind at its end",
        Label::Address,
        Sure::Likely,
        r"(?i)\b((?:[0-9]{1,5} )?(?-i:\p{Lu})[\p{L}.-]*(?: (?-i:\p{Lu})[\p{L}.-]*){0,2}?(?:stra(?:ss|ß)e|str\.|weg|gasse|platz|allee|damm|ufer|gatan|gata|gate|vägen|vegen|vej|vejen|gade|stræde|tie|katu|kuja|straat|laan|plein|kade|dreef|utca|út|tér|útja|ulice|náměstí|třída| street| road|götu|gata|vegur|braut|stræti|stígur)(?:,? [0-9]{1,5} ?[a-z]?)?)\b",
    ),
    Rule::new(
        "box",
        Label::Address,
        Sure::Certain,
        r"(?i)\b((?:p\.? ?o\.? ?box|post(?:al)? box|postbox|postfach|apartado(?: de correos)?|boîte postale|bp|casilla|caixa postal) ?[0-9]{1,7})\b",
    ),
    Rule::new(
        "flat",
        Label::Address,
        Sure::Likely,
        r"(?i)\b((?:apt|apartment|suite|ste|unit|flat|room|building|bldg|floor)\.? ?#?[0-9]{1,5}[a-z]?)\b",
    ),
    Rule::new(
        "military post",
        Label::Address,
        Sure::Certain,
        r"\b((?:PSC [0-9]{1,5}, Box [0-9]{1,5}|Unit [0-9]{1,6} Box [0-9]{1,5}|USNV [\p{L} ]{2,20}|USS [\p{L} ]{2,20}|USCGC [\p{L} ]{2,20}|USNS [\p{L} ]{2,20})\s(?:APO|DPO|FPO) [A-Z]{2} [0-9]{5})\b",
    ),
    Rule::new(
        "UK post code",
        Label::PostCode,
        Sure::Certain,
        r"\b((?:GIR ?0AA|[A-PR-UWYZ](?:[0-9]{1,2}|[A-HK-Y][0-9](?:[0-9]|[ABEHMNPRV-Y])?|[0-9][A-HJKPS-UW]) [0-9][ABD-HJLNP-UW-Z]{2}))\b",
    ),
    Rule::new(
        "Canadian post code",
        Label::PostCode,
        Sure::Certain,
        r"\b([ABCEGHJ-NPRSTVXY][0-9][A-Z] ?[0-9][A-Z][0-9])\b",
    ),
    Rule::new(
        "US state and post code",
        Label::PostCode,
        Sure::Likely,
        r"\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]) ([0-9]{5}(?:-[0-9]{4})?)\b",
    ),
    Rule::new(
        "number said to be a post code",
        Label::PostCode,
        Sure::Likely,
        r"\b([0-9]{3,5}(?:[ -][0-9]{2,4})?)\b",
    )
    .near("zip|zipcode|zip code|postal code|postcode|post code|plz|postleitzahl|código postal|code postal"),
];
