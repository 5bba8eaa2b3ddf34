use super::*;
use hob_base::Random;

/// Questions of two kinds, one easy; wrong answers are drawn with more doubt from the fourth token on.
fn examples(random: &mut Random, count: usize) -> Vec<Example> {
    let scale = scale();
    let one = |_| {
        let is_easy = random.unit() < 0.5;
        let prompt = if is_easy {
            format!("Say hello to number {} in French.", random.index(1000))
        } else {
            format!("What is the square root of {}?", random.index(1000))
        };
        let mut example = Example::new(&prompt, &scale);
        example.right = random.unit() < if is_easy { 0.8 } else { 0.3 };
        for token in 0..4 + random.index(40) {
            let doubt = if token < 3 || example.right { 0.2 } else { 0.6 };
            let logprob = -doubt * random.unit() as f32;
            example.push(logprob, &[(1, logprob), (2, logprob - 2.0 + doubt)]);
        }
        example
    };
    (0..count).map(one).collect()
}

fn scale() -> Scale {
    Scale::of([&Features::of("How many?"), &Features::of("If not, how many more are there than 7?")])
}

#[test]
fn the_answer_says_more_than_the_question_and_both_say_something() {
    let (made, report) = Confidence::learn("a", scale(), &examples(&mut Random::new(1, 0), 400), 1).unwrap();
    let auroc: Vec<f64> = report.stages.iter().map(|judged| judged.auroc).collect();
    assert!(auroc[0] > 0.65 && report.length < 0.65, "{report:?}");
    assert!(auroc.len() == 5 && auroc[1] < auroc[2] && auroc[2] > 0.85 && auroc[4] > 0.9, "{auroc:?}");
    assert!(report.stages.iter().all(|judged| judged.calibration_error < 0.1), "{report:?}");
    // The more is handed over, the better is what stays.
    let [low, high] = [2, 6].map(|i| report.table[i].whole);
    assert!(low.handed_over < high.handed_over, "{report:?}");
    assert!(report.right < low.kept_right.unwrap() && low.kept_right < high.kept_right, "{report:?}");
    let of = |prompt: &str| made.estimate(prompt).suffices;
    assert!(of("Say hello to number 3000 in French.") > of("What is the square root of 3000?") + 0.2);
    let estimate = made.estimate("Something else entirely, please.");
    let sum: f64 = estimate.signals.iter().map(|signal| signal.weight).sum();
    assert!((estimate.suffices - 1.0 / (1.0 + sum.exp())).abs() < 1e-9, "{estimate:?}");
}

#[test]
fn a_watched_answer_is_judged_at_its_stages() {
    let (made, _) = Confidence::learn("a", scale(), &examples(&mut Random::new(1, 0), 400), 1).unwrap();
    let made = Arc::new(made);
    let run = |logprob: f32, lead: f32, count: u64| {
        let mut watch = Watch::new(Arc::clone(&made), "What is the square root of 81?");
        let at = |token| {
            watch
                .push(logprob, &[(1, logprob), (2, logprob - lead)])
                .map(|estimate| (token, estimate.suffices))
        };
        let stages: Vec<(u64, f64)> = (1..=count).filter_map(at).collect();
        (stages, watch.end().unwrap().suffices)
    };
    let (sure, end_sure) = run(-0.1, 1.8, 40);
    assert_eq!(sure.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1, 8, 32]);
    // No answer was as long as that, so nothing was learned of it.
    assert_eq!(run(-0.1, 1.8, 200).0.len(), 3);
    let (unsure, end_unsure) = run(-0.4, 1.4, 9);
    assert_eq!(unsure.len(), 2);
    assert!(sure[1].1 > unsure[1].1 + 0.2 && end_sure > end_unsure + 0.2, "{sure:?} {unsure:?}");
}

#[test]
fn a_risk_is_kept_by_asking_for_more() {
    let (made, _) = Confidence::learn("a", scale(), &examples(&mut Random::new(1, 0), 1000), 1).unwrap();
    let [strict, loose] = [0.45, 0.6].map(|epsilon| made.threshold(&Risk::of(epsilon)));
    assert!(strict.suffices > loose.suffices && strict.local_share > 0.2, "{strict:?} {loose:?}");
    assert!(made.quantile(0.1) < made.quantile(0.9));
    assert_eq!(made.threshold(&Risk::of(0.01)).suffices, f64::INFINITY);
}

#[test]
fn files_hold_it_and_broken_ones_are_refused() {
    let (made, _) = Confidence::learn("a", scale(), &examples(&mut Random::new(1, 0), 120), 1).unwrap();
    let text = made.to_json();
    let again = Confidence::from_json(&text).unwrap();
    let of = |confidence: &Confidence| confidence.estimate("Say hello to number 5 in French.").suffices;
    assert!((of(&again) - of(&made)).abs() < 1e-9 && again.examples() == 120 && again.model() == "a");
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        ("\"deviation\":[", "\"deviation\":[0.0,"),
        ("\"said\":0", "\"said\":7"),
        ("\"stage\":\"before\"", "\"stage\":\"end\""),
        ("\"weights\":[", "\"weights\":[0.0,"),
        ("\"right\":", "\"wrong\":"),
        ("\"remembered\":[", "\"remembered\":[],\"more\":["),
        ("\"words\":\"", "\"words\":\"zz"),
    ] {
        assert!(text.contains(from), "{from}");
        let found = Confidence::from_json(&text.replacen(from, to, 1));
        assert!(matches!(found, Err(Error::NoConfidence(_))), "{from}");
    }
    for end in (0..text.len()).step_by(text.len() / 50) {
        assert!(Confidence::from_json(&text[..end]).is_err());
    }
}

#[test]
fn too_little_teaches_nothing() {
    let mut few = examples(&mut Random::new(1, 0), 99);
    let learn = |examples: &[Example]| Confidence::learn("a", scale(), examples, 1).map(|_| ());
    assert_eq!(learn(&few), Err(Error::TooFew { least: 100, found: 99 }));
    few.extend(examples(&mut Random::new(2, 0), 99));
    few.iter_mut().for_each(|example| example.right = true);
    assert_eq!(learn(&few), Err(Error::OneSided { least: 20, right: 198, of: 198 }));
}

/// Not a test but a measurement: `cargo test --release -p hob-router deciding_takes -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, reason = "a measurement reads a clock")]
fn deciding_takes() {
    use crate::{Label, Needs, Policy, Request, Router, Scorer, Spent};
    let mut random = Random::new(1, 0);
    let (made, _) = Confidence::learn("a", scale(), &examples(&mut random, EXAMPLES_MAX), 1).unwrap();
    let router = Router::new(Scorer::built_in(), Policy::default(), None);
    let words = ["of", "ship", "Rome", "seven", "not", "which", "number", "42", "derivative", "harbour"];
    for (name, confidence) in [("by the prompt", None), ("with 4,096 known answers", Some(Arc::new(made)))] {
        let mut took: Vec<std::time::Duration> = (0..2000)
            .map(|_| {
                let count = 10 + random.index(200);
                let prompt: Vec<&str> = (0..count).map(|_| words[random.index(words.len())]).collect();
                let prompt = prompt.join(" ");
                let mut request = Request::new(&prompt, Label::Open);
                request.needs = Needs { confidence: confidence.clone(), ..Needs::default() };
                let start = std::time::Instant::now();
                let decision = router.decide(&request, Spent::default());
                let took = start.elapsed();
                assert!(decision.estimate.suffices.is_finite());
                took
            })
            .collect();
        took.sort_unstable();
        println!("{name}: half within {:?}, 99 of 100 within {:?}", took[1000], took[1980]);
    }
}

#[test]
fn what_places_could_mend_is_measured_beside_chance_and_whole_answers() {
    let mut all = examples(&mut Random::new(1, 0), 400);
    for (number, example) in all.iter_mut().enumerate() {
        // The fourth word is doubted; every second wrong answer is wrong there, the others at the end.
        let text = "The box has seven red balls in it.";
        let known = match (example.right, number % 2) {
            (true, _) => text,
            (false, 0) => "The box has nine red balls in it.",
            (false, _) => "The box has seven red balls in all.",
        };
        let tokens = [(0..11, -0.1), (11..17, -1.0), (17..text.len(), -0.1)];
        example.draft = (number % 5 > 0).then(|| Draft::of(text, &tokens, known).unwrap());
    }
    let (_, report) = Confidence::learn("a", scale(), &all, 1).unwrap();
    let mended = report.mended.unwrap();
    assert_eq!((mended.examples, mended.wrong_with_places), (320, 1.0));
    assert!((mended.wrong_found - 0.5).abs() < 0.1, "{mended:?}");
    let share = 5.0 / 34.0;
    assert!((mended.right_asked - share).abs() < 1e-9 && (mended.wrong_asked - share).abs() < 1e-9);
    let line = mended.table.last().unwrap();
    assert_eq!((line.below, line.answers, line.sent), (1.0, 1.0, 1.0));
    let expected = mended.right + (1.0 - mended.right) * mended.wrong_found;
    assert!((line.places - expected).abs() < 1e-9 && (line.asked - share).abs() < 1e-9, "{mended:?}");
    assert!(line.chance < line.places && mended.right < line.whole && line.whole < line.places, "{mended:?}");
    // Fewer answers, fewer that are mended; without known texts there is nothing to say.
    assert!(mended.table.windows(2).all(|two| two[0].places <= two[1].places), "{mended:?}");
    all.iter_mut().for_each(|example| example.draft = None);
    assert!(Confidence::learn("a", scale(), &all, 1).unwrap().1.mended.is_none());
}
