//! Numbers that stand for a person: of states, of health care, of licences and vehicles; days of birth and ages.

use super::Rule;
use crate::checksum as c;
use crate::{Label, Sure};

pub(super) const RULES: &[Rule] = &[
    Rule::new("US social security", Label::NationalId, Sure::Certain, r"\b([0-9]{3}[- ][0-9]{2}[- ][0-9]{4})\b").checked(c::us_ssn),
    Rule::new("US social security, without strokes", Label::NationalId, Sure::Certain, r"\b([0-9]{9})\b").checked(c::us_ssn)
        .near(r"ssn|ssns|ss#|social|itin|taxpayer"),
    Rule::new("UK national insurance", Label::NationalId, Sure::Certain, r"\b([A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D])\b").checked(c::uk_nino),
    Rule::new("Canadian social insurance", Label::NationalId, Sure::Certain, r"\b([0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3})\b").checked(c::ca_sin)
        .near(r"sin|social insurance|canada|canadian|nas"),
    Rule::new("Brazilian taxpayer", Label::NationalId, Sure::Certain, r"\b([0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})\b").checked(c::br_cpf),
    Rule::new("Brazilian taxpayer, digits", Label::NationalId, Sure::Certain, r"\b([0-9]{11})\b").checked(c::br_cpf).near("cpf"),
    Rule::new("German taxpayer", Label::NationalId, Sure::Certain, r"\b([0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3})\b").checked(c::de_tax)
        .near(r"steuer|steuer-id|steueridentifikationsnummer|steuernummer|idnr|tin|tax|identifikationsnummer"),
    Rule::new("Indian Aadhaar", Label::NationalId, Sure::Certain, r"\b([2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4})\b").checked(c::in_aadhaar)
        .near(r"aadhaar|aadhar|uidai|uid|india"),
    Rule::new("Indian PAN", Label::NationalId, Sure::Certain, r"\b([A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z])\b"),
    Rule::new("French NIR", Label::NationalId, Sure::Certain, r"\b([1278] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2})\b").checked(c::fr_nir),
    Rule::new("Spanish DNI, NIE", Label::NationalId, Sure::Certain, r"(?i)\b((?:[XYZ]-?[0-9]{7}|[0-9]{8})-?[A-HJ-NP-TV-Z])\b").checked(c::es_dni),
    Rule::new("Italian codice fiscale", Label::NationalId, Sure::Certain, r"(?i)\b([A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z])\b").checked(c::it_fiscal),
    Rule::new("Dutch BSN", Label::NationalId, Sure::Certain, r"\b([0-9]{4}\.?[0-9]{2}\.?[0-9]{3})\b").checked(c::nl_bsn)
        .near(r"bsn|burgerservicenummer|sofinummer|citizen service"),
    Rule::new("Belgian national number", Label::NationalId, Sure::Certain, r"\b([0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2})\b").checked(c::be_national),
    Rule::new("Polish PESEL", Label::NationalId, Sure::Certain, r"\b([0-9]{11})\b").checked(c::pl_pesel).near("pesel|poland|polish|polski"),
    Rule::new("Finnish HETU", Label::NationalId, Sure::Certain, r"\b([0-9]{6}[-+A][0-9]{3}[0-9A-FHJ-NPR-Y])\b").checked(c::fi_hetu),
    Rule::new("Swedish personnummer", Label::NationalId, Sure::Certain, r"\b((?:19|20)?[0-9]{6}[-+][0-9]{4})\b").checked(c::se_personal),
    Rule::new("Norwegian fødselsnummer", Label::NationalId, Sure::Likely, r"\b([0-9]{6} ?[0-9]{5})\b").checked(c::no_birth),
    Rule::new("Danish CPR", Label::NationalId, Sure::Certain, r"\b([0-9]{6}-[0-9]{4})\b").checked(c::dk_cpr).near("cpr|cpr-nummer|personnummer|danish|denmark"),
    Rule::new("Swiss AHV", Label::NationalId, Sure::Certain, r"\b(756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2})\b").checked(c::ch_ahv),
    Rule::new("Portuguese NIF", Label::NationalId, Sure::Certain, r"\b([0-9]{3} ?[0-9]{3} ?[0-9]{3})\b").checked(c::pt_nif).near("nif|contribuinte|portugal"),
    Rule::new("Australian TFN", Label::NationalId, Sure::Certain, r"\b([0-9]{3} ?[0-9]{3} ?[0-9]{3})\b").checked(c::au_tfn).near("tfn|tax file"),
    Rule::new("Chinese identity", Label::NationalId, Sure::Certain, r"\b([1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx])\b").checked(c::cn_identity),
    Rule::new("Japanese My Number", Label::NationalId, Sure::Certain, r"\b([0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4})\b").checked(c::jp_my_number).near("my number|mynumber|マイナンバー|個人番号|japan"),
    Rule::new("South African identity", Label::NationalId, Sure::Certain, r"\b([0-9]{13})\b").checked(c::za_identity).near("id|identity|south africa|rsa"),
    Rule::new("South Korean resident", Label::NationalId, Sure::Certain, r"\b([0-9]{6}-[1-8][0-9]{6})\b").checked(c::kr_resident),
    Rule::new("number said to be an identity", Label::NationalId, Sure::Likely, r"(?i)\b(?:national id|identity (?:card|number|no)|id (?:card|number|no)|personal id|tax id|tin|nric)\.?(?: number| no\.?)?(?: is|:|#)?\s*([A-Z]{0,3}[0-9][0-9A-Z-]{5,16})\b"),
    Rule::new("NHS number", Label::HealthId, Sure::Certain, r"\b([0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4})\b").checked(c::uk_nhs).near("nhs|patient|health service|hospital|gp"),
    Rule::new("US prescriber (NPI)", Label::HealthId, Sure::Certain, r"\b([12][0-9]{9})\b").checked(c::us_npi).near("npi|provider|prescriber|physician"),
    Rule::new("US prescriber (DEA)", Label::HealthId, Sure::Certain, r"\b([ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7})\b").checked(c::us_dea),
    Rule::new("Australian Medicare", Label::HealthId, Sure::Certain, r"\b([2-6][0-9]{3} ?[0-9]{5} ?[0-9](?: ?[0-9])?)\b").checked(c::au_medicare).near("medicare"),
    Rule::new("medical record", Label::HealthId, Sure::Likely, r"(?i)\b(?:mrn|medical record|patient (?:id|number|no)|chart|health (?:card|plan|insurance)(?: id)?|member id|policy)(?: number| no\.?| id)?(?: is|:|#)*\s*#?([A-Z]{0,4}-?[0-9][0-9A-Z-]{4,14})\b"),
    Rule::new("driving licence", Label::DriverLicence, Sure::Likely, r"(?i)\b([A-Z]{0,2}[0-9][0-9A-Z-]{5,18})\b").near(r"driver'?s?'? (?:license|licence)|driving (?:license|licence)|licen[cs]e number|dl number|führerschein(?:nummer)?|permis de conduire").checked(has_digits),
    Rule::new("passport", Label::Passport, Sure::Likely, r"\b([A-Z]{0,2}[0-9]{6,9})\b").near("passport|reisepass|passeport|pasaporte"),
    Rule::new("vehicle (VIN)", Label::Vehicle, Sure::Certain, r"\b([A-HJ-NPR-Z0-9]{17})\b").checked(c::vin),
    Rule::new("number plate", Label::Vehicle, Sure::Likely, r"\b([A-Z]{1,3}[ -]?[0-9]{1,4}[ -]?[A-Z]{0,3}|[0-9]{1,3}[ -]?[A-Z]{2,3}[ -]?[0-9]{0,4})\b").near("plate|plates|number plate|license plate|licence plate|registration|kennzeichen|matrícula|plaque").checked(has_digits),
    Rule::new("day of birth", Label::BirthDate, Sure::Likely, r"(?i)\b(?:born(?: on)?|birth(?:day|date)?(?: is|:)?|date of birth(?: is|:)?|dob(?: is|:)?|d\.o\.b\.?:?|geboren am|geb\.|né(?:e)? le|nacid[oa] el)\s*:?\s*(\p{L}{3,9}\.? [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4}|[0-9]{1,2}(?:st|nd|rd|th|\.)? (?:of )?\p{L}{3,9}\.?,? [0-9]{4}|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4})"),
    Rule::new("age", Label::Age, Sure::Likely, r"(?i)\b([0-9]{1,3})(?:[ -]?(?:year|yr)s?[ -]?old|[ -]?y/?o\b| years of age)"),
    Rule::new("age, said", Label::Age, Sure::Likely, r"(?i)\b(?:aged?(?: of| is|:)?|turn(?:ed|s|ing)?)\s+([0-9]{1,3})\b"),
    Rule::new("time stamp", Label::Date, Sure::Certain, r"\b((?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9](?::[0-5][0-9])?)"),
    Rule::new("day", Label::Date, Sure::Likely, r"\b((?:19|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9]|[0-3]?[0-9][-/.][0-3]?[0-9][-/.](?:19|20)[0-9]{2})\b"),
    Rule::new("day in words", Label::Date, Sure::Likely, r"(?i)\b((?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.? [0-9]{1,2}(?:st|nd|rd|th)?(?:,? (?:19|20)[0-9]{2})?|[0-9]{1,2}(?:st|nd|rd|th)? (?:of )?(?:january|february|march|april|may|june|july|august|september|october|november|december)(?:,? (?:19|20)[0-9]{2})?)\b"),
    Rule::new("year", Label::Date, Sure::Weak, r"(?:^|[^\w.,#$€£-])((?:19|20)[0-9]{2})(?:[^\w-]|$)"),
];

fn has_digits(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 2
}
