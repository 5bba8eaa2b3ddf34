//! Days, months, dates and times.

use super::phrase::say;
use super::words::words;
use super::{Made, pick};
use hob_base::Random;

/// Days of the months, February without its leap day.
const LENGTHS: [usize; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What comes before or after a day or a month; dates and times.
pub fn date(random: &mut Random) -> Made {
    let (kind, list) = if random.index(2) == 0 { ("day", words("day")) } else { ("month", words("month")) };
    let at = random.index(list.len());
    let (after, before) = (list[(at + 1) % list.len()], list[(at + list.len() - 1) % list.len()]);
    let here = list[at];
    match random.index(6) {
        0 => Made::answer(
            say(
                random,
                &format!(
                    "{{Which {kind} comes after {here}?|What {kind} follows {here}?|What comes after {here}?|The {kind} after {here}?}}"
                ),
            ),
            format!("{after} comes after {here}."),
        ),
        1 => Made::answer(
            say(
                random,
                &format!(
                    "{{Which {kind} comes before {here}?|What {kind} is before {here}?|What comes before {here}?|The {kind} before {here}?}}"
                ),
            ),
            format!("{before} comes before {here}."),
        ),
        2 if kind == "month" => {
            let days = LENGTHS[at];
            Made::answer(
                say(
                    random,
                    &format!(
                        "{{How many days does {here} have?|How many days are in {here}?|How long is {here}?}}"
                    ),
                ),
                if at == 1 {
                    "February has 28 days, or 29 in a leap year.".to_owned()
                } else {
                    format!("{here} has {days} days.")
                },
            )
        }
        2 => {
            let later = 2 + random.index(5);
            Made::answer(
                say(
                    random,
                    &format!(
                        "{{Today is {here}. What day is it in {later} days?|Which day is {later} days after {here}?}}"
                    ),
                ),
                format!("It is {}.", list[(at + later) % 7]),
            )
        }
        3 => tomorrow(random),
        _ => time(random),
    }
}

/// The day after a date.
fn tomorrow(random: &mut Random) -> Made {
    let months = words("month");
    let month = random.index(12);
    let length = LENGTHS[month] - (month == 1) as usize;
    let day = if random.index(4) == 0 { length } else { 1 + random.index(length) };
    let next = if day == LENGTHS[month] {
        format!("1 {}", months[(month + 1) % 12])
    } else {
        format!("{} {}", day + 1, months[month])
    };
    let here = format!("{day} {}", months[month]);
    Made::answer(
        say(
            random,
            &format!(
                "{{What is the day after {here}?|Which date comes after {here}?|Today is {here}. What is the date tomorrow?}}"
            ),
        ),
        say(random, &format!("{{It is {next}.|It is {next}.}}")),
    )
}

/// A time some minutes or hours later.
fn time(random: &mut Random) -> Made {
    let (hour, minute) = (6 + random.index(14), 5 * random.index(12));
    let later = pick(
        random,
        &["15 minutes", "20 minutes", "30 minutes", "45 minutes", "1 hour", "2 hours", "3 hours"],
    );
    let number: usize =
        later.split(' ').next().and_then(|n| n.parse().ok()).expect("it begins with a number");
    let end = hour * 60 + minute + if later.contains("hour") { number * 60 } else { number };
    let (from, to) = (format!("{hour}:{minute:02}"), format!("{}:{:02}", end / 60, end % 60));
    Made::answer(
        say(
            random,
            &format!(
                "{{It is {from}. What time is it in {later}?|A {{film|class|meeting|concert}} starts at {from} and takes {later}. When does it end?|\
                 What time is {later} after {from}?|The <vehicle> leaves at {from} and needs {later}. When does it arrive?}}"
            ),
        ),
        format!("{later} after {from} is {to}."),
    )
}
