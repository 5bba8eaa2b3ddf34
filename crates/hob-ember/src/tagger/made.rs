//! Texts that name people, companies and places which do not exist, with everything marked: what the tagger learns from.
//!
//! Sentences come from `phrases.txt`, where `{P}` stands for a person, `{F}` and `{L}` for a first or last name, `{O}` for an
//! organisation, `{C}` for a town, `{K}` for a country, `{N}` for a nationality, `{A}` for an address, `{T}` for a title, `{J}` for
//! an occupation, `{G}` for an age, `{D}` for a year, `{DD}` for a day, `{Z}` for a post code. A number behind a letter asks for
//! another one, a small letter for small letters. Names are drawn from short lists or made of syllables of many languages.

use crate::made::words::MONTH;
use hob_base::Random;
use hob_privacy::Label;
use std::collections::BTreeMap;
use std::ops::Range;

/// A text and what is in it.
pub struct Made {
    pub text: String,
    pub marked: Vec<(Range<usize>, Label)>,
}

/// Beginnings, middles and ends of names: of people, then of towns, a line for each language.
const SYLLABLES: [[&str; 4]; 12] = [
    [
        "An Ber Car Dar El Fran Gar Har Jo Ken Lin Mar Nor Ros Ste Wil",
        "a e i o",
        "bert don lyn mond nard ric son ton vin ley",
        "ton ham ford ville burg field bury wick mouth dale",
    ],
    [
        "Al Ben Cris Da En Fer Gon Her Is Jul Lo Ma Pa Ra San Ver",
        "a e i an ar",
        "cho dez do guez lez mira nio ra res rez to vera",
        "ada ares era illa ona ueva edo ejo",
    ],
    [
        "Al Bian Ca Do Fa Gio Lo Ma Nic Or Pao Ric Sal Ste Vin",
        "a e i o ar an",
        "chi ello etti ini lino nucci rano ri ssi tore",
        "ano ara eto ina ona opoli ello ia",
    ],
    [
        "Ak Eer Han Jaa Kai Lai Mik Nii Pek Ran Sei Ti Vir Yr",
        "a i o u aa ii",
        "kka la linen mäki nen ni nto ppi ri tti virta",
        "joki järvi lahti niemi salo koski la",
    ],
    [
        "An Bjør Ei Frid Gun Hal Ing Jo Kris Las Mag Ol Ragn Sig Tor Å",
        "a e i",
        "berg borg dal gaard gren lund mark sen sson strøm vik dóttir",
        "borg dal fjord heim sund vik ö stad by",
    ],
    [
        "Bog Dra Gor Iv Ja Kaz Lud Mi Nad Pav Rad Sta To Vla Zby Ž",
        "a e i o u",
        "cki czyk dić ek ewski ić ka ko mir nova ová ov rov slav",
        "ice grad ov ovo sko ín ec any",
    ],
    [
        "Ai Chi Eri Ha Hi Ka Ken Ma Mi Na Rei Sa Sho Ta Yo Yu",
        "a i u o ka ki mi",
        "da hara ka ko maru mi moto mura no ro shi ta to ya",
        "yama kawa saki moto ura hama shima",
    ],
    [
        "Ab Am Ba Fa Ha Ja Ka La Mu Na Om Ra Sa Ta Ya Zai",
        "a i u ee",
        "ani awi bi deen di har id im med nah ri sir yan zadeh",
        "abad iya an pur ana ah",
    ],
    [
        "Bao Chen Da Fei Guo Hua Jia Lei Ming Qing Rui Shan Tian Wei Xin Zhi",
        "",
        "an bo hao hui jie jun lan long min ping wen yu",
        "zhou jing shan hai an du",
    ],
    [
        "Ad Bi Chi Eb Fe Ib Ka Ke Mo Nn Ob Oke Te Tha Uz Zo",
        "a e i o u",
        "bele bo da di go ka kwe la mba ndi nga olu sa tunde",
        "ba do kuru so wa ga la no",
    ],
    [
        "Al Be Da Eu Fab Gas Jean Lau Lu Mar Ni Oli Ren Syl Thi Val",
        "a e i o",
        "beau cier dier don fort geon lier mont neau nier rand reau ron tier",
        "ac ay eaux ens illy on ville y",
    ],
    [
        "Al Bér Csa Dó Er Fe Gá Há Il Kál Lász Mi Ors Pé Sza Zol",
        "a e i o á é",
        "bor csi di gyi kás ki kó los ló mos ond sy tás tó zs",
        "háza vár hely falva szeg",
    ],
];

const SURNAMES: &str = "adams allen anderson bailey baker barnes becker bell bennett brooks brown butler campbell carter clark collins cook cooper cox cruz davis diaz edwards evans fischer fisher flores foster garcia gomez gonzalez gray green hall harris hernandez hill howard hughes jackson james jenkins johnson jones kaur kelly khan kim king kowalski lee lewis long lopez martin martinez meyer miller mitchell moore morales morgan morris murphy müller myers nelson nguyen novak ortiz parker patel perez perry peterson phillips powell price ramirez reed reyes richardson rivera roberts robinson rodriguez rogers rossi russell sanchez sanders schmidt schneider scott silva singh smith stewart sullivan taylor thomas thompson torres turner wagner walker wang ward watson weber white williams wilson wong wood wright young zhang stone woods bishop marsh field burns west winters";

const COMPANY_WORDS: &str = "alpha amber apex arc atlas bright blue cargo cedar circle clear cloud cobalt copper core crystal cyber data delta digital drift echo edge elm ember falcon fern first flow forge fox fusion gold grand granite green harbor helix horizon hyper ignite inner iron junction key lake leaf lens light loop lunar maple market matrix media meridian metro micro mint modern mountain neon next noble north nova oak ocean omni open orbit pacific paper peak pilot pine pixel planet polar prime pulse quantum quick rapid raven red ridge river rock royal sage scout sea shift signal silver sky smart snow solar spark spring square star stone storm stream summit sun swift terra tidal trade trail tree trust union united urban valley vector verde vista wave west wild wind wise wolf world zen zero";

const COMPANY_ENDS: &str = "ly ify io hub lab labs base box desk flow gram kit link list logic map metrics mind net path point scope sense shop soft space sync tech ware wise works";

const COMPANY_KINDS: [&str; 36] = [
    "Inc.",
    "Inc",
    "Incorporated",
    "Ltd",
    "Ltd.",
    "Limited",
    "LLC",
    "PLC",
    "GmbH",
    "AG",
    "S.A.",
    "SARL",
    "S.p.A.",
    "B.V.",
    "AB",
    "A/S",
    "Oy",
    "Kft.",
    "Group",
    "Holdings",
    "Partners",
    "Associates",
    "& Sons",
    "& Co",
    "Corporation",
    "Company",
    "Technologies",
    "Systems",
    "Solutions",
    "Services",
    "Bank",
    "Insurance",
    "Media",
    "Industries",
    "Consulting",
    "International",
];

const OFFICES: [&str; 22] = [
    "University of {c}",
    "{c} University",
    "{c} General Hospital",
    "St. Mary's Hospital",
    "Ministry of Health",
    "Department of Justice",
    "{c} City Council",
    "{c} Police Department",
    "National Archive",
    "Bank of {c}",
    "{c} Chamber of Commerce",
    "{c} Museum of Art",
    "Federal Court of {c}",
    "{c} High School",
    "{c} Times",
    "{c} United",
    "FC {c}",
    "{c} Airlines",
    "Museum of {c}",
    "{c} Institute of Technology",
    "European Commission",
    "Society of Engineers",
];

const ENGLISH_STREETS: &str = "Street St Avenue Ave Road Rd Lane Drive Court Place Square Terrace Way Boulevard Crescent Close Gardens Parkway Trail Hill Points Isle Meadows Views Crossing Manor Villages Ridge Fields Loop Pass";

const STREET_FORMS: [&str; 44] = [
    "{n} {s} {E}",
    "{n} {s} {E}",
    "{n} {s} {E}, Apt. {m}",
    "{n} {s} {E}, Suite {m}",
    "{s} {E}",
    "{s} {E} {n}",
    "{n} {s} {s2} {E}",
    "Flat {n}, {n} {s} {E}",
    "{n} Rue de {s}",
    "{n} rue du {s}",
    "{n}, rue {s}",
    "{n} Avenue {s}",
    "Via {s} {n}",
    "Via dei {s} {n}",
    "Viale {s}, {n}",
    "Piazza {s} {n}",
    "Calle {s} {n}",
    "Calle {s}, {n}",
    "Avenida de {s} {n}",
    "C/ {s}, {n}",
    "Rua {s} {n}",
    "Rua da {s}, {n}",
    "ul. {s} {n}",
    "ulica {s} {n}",
    "{s}straße {n}",
    "{s}strasse {n}",
    "{s}weg {n}",
    "{s} Platz {n}",
    "Am {s} {n}",
    "{s}vej {n}",
    "{s}gade {n}",
    "{s}gatan {n}",
    "{s}vägen {n}",
    "{s}katu {n}",
    "{s}tie {n}",
    "{s}straat {n}",
    "{s}laan {n}",
    "{s} utca {n}",
    "{s} u. {n}.",
    "{s} {n}",
    "PO Box {n}",
    "P.O. Box {n}",
    "Postfach {n}",
    "Unit {n} Box {n}",
];

const ADDRESS_FORMS: [&str; 22] = [
    "{r}",
    "{r}",
    "{r}",
    "{r}",
    "{r}, {C}",
    "{r}, {Z} {C}",
    "{r}, {C} {Z}",
    "{r}, {C}, {K}",
    "{r}, {Z} {C}, {K}",
    "{r}\n{C}",
    "{r}\n{Z} {C}",
    "{r}\n{C}\n{K} {Z}",
    "{r}\n Apt. {m}\n {C}\n {K} {Z}",
    "{r} Suite {m}\n {C}\n {K} {Z}",
    "{m} {r}",
    "{m} {r}, {C}, {K}",
    "{m} {r} Apt. {m}, {C}, {K} {Z}",
    "{r}\n{C}, CA {Z}",
    "{r}\n{C}, NY {Z}",
    "{m} {r}\n{C}\n, {K} {Z}",
    "{r} and {r}",
    "Apt. {m}",
];

const JOB_ADVERBS: &str =
    "Senior Junior Chief Lead Deputy Assistant Associate Head Executive Regional Principal";
const JOB_FIELDS: &str = "account advertising bank building business claims clinical community computer customer data dental drug electrical fitness food health human insurance law leasing marketing medical network office operations payroll pension property purchasing quality research road sales security software tax travel water wood";
const JOBS: &str = "accountant actor analyst architect artist baker barber broker carpenter chemist clerk coach consultant cook dentist designer driver editor electrician engineer farmer guard inspector interpreter journalist judge lawyer librarian manager mechanic midwife nurse officer optician painter pharmacist photographer physician pilot plumber postman producer programmer psychologist receptionist reporter roofer sailor scientist secretary singer surgeon tailor teacher technician therapist trainer translator waiter welder writer";
const TITLES: [&str; 22] = [
    "Mr.",
    "Mrs.",
    "Ms.",
    "Miss",
    "Dr.",
    "Mr",
    "Mrs",
    "Ms",
    "Dr",
    "Prof.",
    "Professor",
    "Sir",
    "Madam",
    "Rev.",
    "Captain",
    "Sergeant",
    "Herr",
    "Frau",
    "Monsieur",
    "Madame",
    "Señor",
    "Lady",
];

/// Makes texts, each as its number says.
pub struct Maker<'a> {
    lists: BTreeMap<&'a str, Vec<&'a str>>,
    phrases: Vec<&'a str>,
}

/// What slots of one text were filled with.
struct Filled<'r> {
    random: &'r mut Random,
    people: Vec<(String, String)>,
    language: usize,
    text: String,
    marked: Vec<(Range<usize>, Label)>,
}

impl<'a> Maker<'a> {
    /// One with the tagger's `lists`.
    pub fn new(lists: &'a str) -> Self {
        let line =
            |line: &'a str| line.split_once('\t').map(|(name, words)| (name, words.split(' ').collect()));
        Self {
            lists: lists.lines().filter_map(line).collect(),
            phrases: include_str!("phrases.txt").lines().collect(),
        }
    }

    /// A text of one to three phrases.
    pub fn make(&self, random: &mut Random) -> Made {
        let language = random.index(SYLLABLES.len());
        let mut filled =
            Filled { random, people: Vec::new(), language, text: String::new(), marked: Vec::new() };
        let count = [1, 1, 1, 2, 3][filled.random.index(5)];
        for n in 0..count {
            if n > 0 {
                filled.text.push(if filled.random.below(3) == 0 { '\n' } else { ' ' });
            }
            let phrase = pick(filled.random, &self.phrases).replace("\\n", "\n");
            self.fill(&phrase, &mut filled);
        }
        let (mut text, marked) = (filled.text, filled.marked);
        // People type in small letters too, and mail comes without accents.
        if random.below(12) == 0 {
            let small = text.to_lowercase();
            if small.len() == text.len() {
                text = small;
            }
        }
        Made { text, marked }
    }

    fn fill(&self, phrase: &str, to: &mut Filled<'_>) {
        let mut rest = phrase;
        while let Some((before, slot)) = rest.split_once('{') {
            let (slot, after) = slot.split_once('}').expect("phrases close their slots");
            to.text.push_str(before);
            self.slot(slot, to);
            rest = after;
        }
        to.text.push_str(rest);
    }

    fn slot(&self, slot: &str, to: &mut Filled<'_>) {
        let letter = slot.chars().next().unwrap_or(' ');
        let which = slot.trim_start_matches(|c: char| c.is_alphabetic()).parse().unwrap_or(1usize) - 1;
        let (label, mut value) = match (letter.to_ascii_uppercase(), slot) {
            (_, "DD") => (Label::Date, self.day(to)),
            ('P', _) => (Label::Person, self.person(which, to)),
            ('F', _) => (Label::Person, self.names(which, to).0),
            ('L', _) => (Label::Person, self.names(which, to).1),
            ('O', _) => (Label::Organisation, self.company(to)),
            ('C', _) => (Label::Place, self.town(to)),
            ('K', _) => (Label::Place, self.country(to)),
            ('N', _) => (Label::Nationality, titled(&self.listed("people", to))),
            ('A', _) => (Label::Address, self.address(to)),
            ('T', _) => (Label::Title, (*pick(to.random, &TITLES)).to_owned()),
            ('J', _) => (Label::Title, self.job(to)),
            ('G', _) => (Label::Age, (1 + to.random.below(98)).to_string()),
            ('D', _) => (Label::Date, (1900 + to.random.below(130)).to_string()),
            _ => (Label::PostCode, self.post_code(to)),
        };
        if letter.is_ascii_lowercase() {
            value = value.to_lowercase();
        }
        let start = to.text.len();
        to.text.push_str(&value);
        to.marked.push((start..to.text.len(), label));
    }

    fn listed(&self, list: &str, to: &mut Filled<'_>) -> String {
        (*pick(to.random, &self.lists[list])).to_owned()
    }

    fn names(&self, which: usize, to: &mut Filled<'_>) -> (String, String) {
        while to.people.len() <= which {
            let first =
                if to.random.below(3) == 0 { titled(&self.listed("first", to)) } else { invented(to, 2) };
            let last = match to.random.below(8) {
                0..=2 => titled(word(to.random, SURNAMES)),
                3 => format!("{} {}", invented(to, 2), invented(to, 2)),
                4 => format!(
                    "{} {}",
                    pick(to.random, &["de", "van", "van der", "von", "Mc", "O'", "al", "da", "di", "bin"]),
                    invented(to, 2)
                )
                .replace("' ", "'")
                .replace("Mc ", "Mc"),
                _ => invented(to, 2),
            };
            to.people.push((first, last));
        }
        to.people[which].clone()
    }

    fn person(&self, which: usize, to: &mut Filled<'_>) -> String {
        let (first, last) = self.names(which, to);
        let letter = || first.chars().next().map_or('A', |c| if c.is_ascii_uppercase() { c } else { 'B' });
        match to.random.below(12) {
            0 | 1 => format!("{first} {}. {last}", char::from(b'A' + to.random.below(26) as u8)),
            2 => format!("{first} {} {last}", char::from(b'A' + to.random.below(26) as u8)),
            3 => format!("{}. {last}", letter()),
            4 => first,
            5 => format!("{first} {} {last}", invented(to, 2)),
            6 => last,
            _ => format!("{first} {last}"),
        }
    }

    fn town(&self, to: &mut Filled<'_>) -> String {
        let name = match to.random.below(10) {
            0..=2 => titled(&self.listed("city", to)),
            3 => format!(
                "{} {}",
                pick(
                    to.random,
                    &[
                        "San", "Saint", "New", "Port", "Bad", "Villa", "Fort", "North", "El", "La", "Santa",
                        "Mount"
                    ]
                ),
                town(to)
            ),
            4 => format!(
                "{} {} {}",
                town(to),
                pick(to.random, &["de la", "de", "del", "am", "sur", "di", "upon", "an der", "i"]),
                town(to)
            ),
            _ => town(to),
        };
        match to.random.below(9) {
            0 => name.to_uppercase(),
            _ => name,
        }
    }

    fn country(&self, to: &mut Filled<'_>) -> String {
        match to.random.below(8) {
            0 => (*pick(
                to.random,
                &[
                    "United States",
                    "United Kingdom",
                    "South Africa",
                    "New Zealand",
                    "Saudi Arabia",
                    "Sri Lanka",
                    "Costa Rica",
                    "Puerto Rico",
                    "South Korea",
                    "North Macedonia",
                    "Czech Republic",
                    "USA",
                    "UK",
                    "El Salvador",
                    "Hong Kong",
                ],
            ))
            .to_owned(),
            _ => titled(&self.listed("country", to)),
        }
    }

    fn company(&self, to: &mut Filled<'_>) -> String {
        let part = |to: &mut Filled<'_>| titled(word(to.random, COMPANY_WORDS));
        let surname = |to: &mut Filled<'_>| {
            if to.random.below(2) == 0 { titled(word(to.random, SURNAMES)) } else { invented(to, 2) }
        };
        let kind = |to: &mut Filled<'_>| (*pick(to.random, &COMPANY_KINDS)).to_owned();
        match to.random.below(16) {
            0 | 1 => format!("{}{}", part(to), word(to.random, COMPANY_ENDS)),
            2 => format!("{} {}", part(to), part(to)),
            3 => format!("{} {} {}", part(to), part(to), kind(to)),
            4 => format!("{} {}", surname(to), kind(to)),
            5 => format!("{}-{}", surname(to), surname(to)),
            6 => format!("{}, {} and {}", surname(to), surname(to), surname(to)),
            7 => format!("{} & {}", surname(to), surname(to)),
            8 => {
                let count = 2 + to.random.below(3);
                (0..count).map(|_| char::from(b'A' + to.random.below(26) as u8)).collect()
            }
            9 | 10 => {
                let office = *pick(to.random, &OFFICES);
                if to.random.below(3) == 0 {
                    office.replace("{c}", &titled(&self.listed("country", to)))
                } else {
                    office.replace("{c}", &town(to))
                }
            }
            11 => format!("{}{}", part(to), part(to).to_lowercase()),
            12 => part(to),
            13 => format!("{} {}", invented(to, 2), kind(to)),
            14 => format!("{} {}", part(to), kind(to)),
            _ => invented(to, 3),
        }
    }

    fn job(&self, to: &mut Filled<'_>) -> String {
        let job = word(to.random, JOBS).to_string();
        let whole = match to.random.below(6) {
            0 => format!("{} {job}", word(to.random, JOB_ADVERBS).to_lowercase()),
            1 | 2 => format!("{} {job}", word(to.random, JOB_FIELDS)),
            3 => format!(
                "{} {} {job}",
                word(to.random, JOB_ADVERBS).to_lowercase(),
                word(to.random, JOB_FIELDS)
            ),
            _ => job,
        };
        match to.random.below(4) {
            0 => whole,
            1 => whole.split(' ').map(titled).collect::<Vec<_>>().join(" "),
            _ => titled(&whole),
        }
    }

    fn day(&self, to: &mut Filled<'_>) -> String {
        let (year, month, day) =
            (1950 + to.random.below(80), 1 + to.random.below(12), 1 + to.random.below(28));
        let name = MONTH.split(", ").nth(month as usize - 1).unwrap_or_default();
        match to.random.below(6) {
            0 => format!("{year}-{month:02}-{day:02}"),
            1 => format!("{day:02}/{month:02}/{year}"),
            2 => format!("{name} {day}, {year}"),
            3 => format!("{day} {name} {year}"),
            4 => format!(
                "{year}-{month:02}-{day:02} {:02}:{:02}:{:02}",
                to.random.below(24),
                to.random.below(60),
                to.random.below(60)
            ),
            _ => format!("{name} {day}"),
        }
    }

    fn post_code(&self, to: &mut Filled<'_>) -> String {
        let digits = |to: &mut Filled<'_>, count: usize| {
            (0..count).map(|_| char::from(b'0' + to.random.below(10) as u8)).collect::<String>()
        };
        match to.random.below(6) {
            0 => digits(to, 4),
            1 => format!("{} {}", digits(to, 3), digits(to, 2)),
            2 => format!("{}-{}", digits(to, 4), digits(to, 3)),
            _ => digits(to, 5),
        }
    }

    fn address(&self, to: &mut Filled<'_>) -> String {
        let mut form = (*pick(to.random, &ADDRESS_FORMS)).to_owned();
        while let Some(at) = form.find("{r}") {
            let street = self.street(to);
            form.replace_range(at..at + 3, &street);
        }
        for (slot, count) in [("{m}", 3), ("{m}", 4)] {
            if form.contains(slot) {
                let number = (1 + to.random.below(10u32.pow(count))).to_string();
                form = form.replacen(slot, &number, 1);
            }
        }
        form = form.replace("{m}", &to.random.below(900).to_string());
        if form.contains("{C}") {
            let town = self.town(to);
            form = form.replace("{C}", &town);
        }
        if form.contains("{K}") {
            let country = self.country(to);
            form = form.replace("{K}", &country);
        }
        let code = self.post_code(to);
        form.replace("{Z}", &code)
    }

    fn street(&self, to: &mut Filled<'_>) -> String {
        let mut form = (*pick(to.random, &STREET_FORMS)).to_owned();
        let name = |to: &mut Filled<'_>| match to.random.below(4) {
            0 => titled(word(to.random, SURNAMES)),
            1 => titled(word(to.random, COMPANY_WORDS)),
            2 => town(to),
            _ => invented(to, 2),
        };
        for slot in ["{s}", "{s2}"] {
            let name = name(to);
            form = form.replace(slot, &name);
        }
        while let Some(at) = form.find("{n}") {
            let most = if to.random.below(3) == 0 { 9999 } else { 199 };
            let number = (1 + to.random.below(most)).to_string();
            form.replace_range(at..at + 3, &number);
        }
        let kind = word(to.random, ENGLISH_STREETS);
        form.replace("{E}", kind).replace("{m}", &to.random.below(900).to_string())
    }
}

/// One of the words of a list.
fn word<'t>(random: &mut Random, list: &'t str) -> &'t str {
    let words: Vec<&str> = list.split(' ').collect();
    words[random.index(words.len())]
}

fn pick<'t, T>(random: &mut Random, from: &'t [T]) -> &'t T {
    &from[random.index(from.len())]
}

/// With a capital.
fn titled(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// A name of the text's language.
fn invented(to: &mut Filled<'_>, parts: usize) -> String {
    syllables(to, parts, 2)
}

fn town(to: &mut Filled<'_>) -> String {
    let parts = 2 + usize::from(to.random.below(2) == 0);
    syllables(to, parts, 3)
}

fn syllables(to: &mut Filled<'_>, parts: usize, end: usize) -> String {
    let [starts, middles, ..] = SYLLABLES[to.language];
    let ends = SYLLABLES[to.language][end];
    let mut name = word(to.random, starts).to_owned();
    for _ in 2..parts {
        name += word(to.random, middles);
    }
    if to.random.below(3) > 0 {
        name += word(to.random, middles);
    }
    name + word(to.random, ends)
}
