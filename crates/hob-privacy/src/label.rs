//! What kind of thing a text gives away.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! labels {
    ($($(#[$doc:meta])* $label:ident = $name:literal,)*) => {
        /// What kind of thing a part of a text is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Label {
            $($(#[$doc])* #[serde(rename = $name)] $label,)*
        }

        impl Label {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$label,)*];

            /// The name, as placeholders and policies write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$label => $name,)* }
            }
        }
    };
}

labels! {
    /// The name of a person.
    Person = "PERSON",
    /// A company, an office, a school.
    Organisation = "ORGANISATION",
    /// A country, a town.
    Place = "PLACE",
    /// Street and house, a post box, or a part of them.
    Address = "ADDRESS",
    /// Where people are from, what they believe or vote.
    Nationality = "NATIONALITY",
    /// How a person is addressed, or what one does for a living.
    Title = "TITLE",
    /// Years since birth.
    Age = "AGE",
    /// A day, a time of it, a year.
    Date = "DATE",
    /// A day that is said to be one of birth.
    BirthDate = "BIRTH_DATE",
    /// An address for electronic mail.
    Email = "EMAIL",
    /// A telephone number.
    Phone = "PHONE",
    /// An address in the web.
    Url = "URL",
    /// An IPv4 or IPv6 address.
    IpAddress = "IP_ADDRESS",
    /// The address of a network card.
    MacAddress = "MAC_ADDRESS",
    /// Latitude and longitude.
    Coordinates = "COORDINATES",
    /// The number of a payment card.
    Card = "CARD",
    /// A bank account as banks abroad write it.
    Iban = "IBAN",
    /// An account or a bank by its number at home.
    BankAccount = "BANK_ACCOUNT",
    /// The number by which a state knows a person.
    NationalId = "NATIONAL_ID",
    /// A number of health care: a patient, a prescriber, a record.
    HealthId = "HEALTH_ID",
    /// The number of a driving licence.
    DriverLicence = "DRIVER_LICENCE",
    /// The number of a passport.
    Passport = "PASSPORT",
    /// A vehicle by its number or plate.
    Vehicle = "VEHICLE",
    /// A post code.
    PostCode = "POST_CODE",
    /// A key, a token, a password.
    Secret = "SECRET",
    /// Where crypto currency is sent.
    Wallet = "WALLET",
    /// A word that few people use: a name of something, or another language.
    Term = "TERM",
    /// A number.
    Number = "NUMBER",
    /// Whatever a user's own list names.
    Custom = "CUSTOM",
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a label such as PERSON or CARD, found {0:?}")]
pub struct UnknownLabel(String);

impl FromStr for Label {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Self, UnknownLabel> {
        let same = |label: &&Self| label.name().eq_ignore_ascii_case(text);
        Self::ALL.iter().find(same).copied().ok_or_else(|| UnknownLabel(text.to_owned()))
    }
}
