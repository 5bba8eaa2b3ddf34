//! From a request and a policy to a decision with its reasons. Nothing is sent here.

use crate::features::Features;
use crate::policy::{Policy, Rule, Target, Then, Zone};
use crate::request::{Label, Movable, Request, Spent};
use crate::risk::Threshold;
use crate::scorer::{Estimate, Scorer};
use serde::Serialize;

/// Where a request is answered.
#[derive(Clone, Debug)]
pub enum Route<'a> {
    /// On this machine.
    Local,
    /// By a larger model.
    Escalate(Escalation<'a>),
}

/// A request that may go to a target. Only [`Router::decide`] makes one, and only from a [`Movable`].
#[derive(Clone, Debug)]
pub struct Escalation<'a> {
    movable: Movable<'a>,
    target: &'a Target,
    dollars: f64,
}

impl<'a> Escalation<'a> {
    /// The request, which is not private.
    pub fn request(&self) -> &'a Request<'a> {
        self.movable.request()
    }

    /// Whom to ask.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// What it will cost, about.
    pub fn dollars(&self) -> f64 {
        self.dollars
    }
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The request is private.
    Private,
    /// A rule of the policy.
    Rule,
    /// The local model cannot: too long, tools, images.
    Need,
    /// The local answer probably suffices.
    Suffices,
    /// The local answer probably does not suffice.
    Insufficient,
    /// The local answer, as far as it was written, is probably wrong.
    Doubt,
    /// The local answer is complete and probably wrong in places.
    Repair,
    /// A larger model was wanted, and none may be asked.
    Nobody,
}

/// A decision with all that it rests on.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Where the request is answered.
    pub route: Route<'a>,
    /// What decided.
    pub why: Why,
    /// That in a sentence.
    pub reason: String,
    /// What the router says of the prompt.
    pub estimate: Estimate,
    /// What the probability had to reach to stay.
    pub needed: Needed,
    /// Targets that were left out, each with the reason.
    pub passed_over: Vec<(String, String)>,
}

/// What the probability had to reach, and where that comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Needed {
    /// The probability.
    pub suffices: f64,
    /// Where it comes from.
    pub from: Bar,
    /// Whether recorded outcomes hold the risk of the policy.
    pub guaranteed: bool,
}

/// What set the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// The slider between quality and cost.
    Quality,
    /// The risk that the policy allows, from recorded outcomes.
    Calibrated,
    /// The risk that the policy allows, taken from the probability as it is.
    Epsilon,
    /// The policy's word on answers that are being written.
    Handover,
    /// Its word on those that are complete and wrong in places.
    Repair,
}

/// A policy with what it needs to decide.
#[derive(Clone, Debug)]
pub struct Router {
    scorer: Scorer,
    policy: Policy,
    threshold: Option<Threshold>,
}

impl Router {
    /// A router that follows `policy`. With a `threshold` from recorded outcomes the policy's risk is kept; without, the
    /// probability is taken at its word.
    pub fn new(scorer: Scorer, policy: Policy, threshold: Option<Threshold>) -> Self {
        Self { scorer, policy, threshold }
    }

    /// Where `request` goes, before anything is computed for it.
    pub fn decide<'a>(&'a self, request: &'a Request<'a>, spent: Spent) -> Decision<'a> {
        let (mut estimate, mut needed) = match &request.needs.confidence {
            None => {
                let estimate = self.scorer.estimate(&Features::of(request.prompt()));
                (estimate, self.needed(&|share| self.scorer.quantile(share), self.threshold))
            }
            // Whoever knows this model's answers knows better.
            Some(own) => {
                let threshold = self.policy.risk.map(|risk| own.threshold(&risk));
                let needed = self.needed(&|share| own.quantile(share), threshold);
                // Its threshold was found on other curves than the one that is used.
                (own.estimate(request.prompt()), Needed { guaranteed: false, ..needed })
            }
        };
        let steepness = request.needs.confidence.as_ref().map_or_else(|| self.scorer.steepness(), |_| 1.0);
        if corrected(request, &mut estimate, steepness) {
            // What moves probabilities afterwards takes the guarantee from them.
            needed.guaranteed = false;
        }
        self.weigh(request, spent, estimate, needed, None)
    }

    /// Where `request` goes on, when `tokens` of its answer were written here and it is known what they are worth. It stays where
    /// the policy says nothing about that.
    pub fn reconsider<'a>(
        &'a self,
        request: &'a Request<'a>,
        spent: Spent,
        estimate: Estimate,
        tokens: u64,
    ) -> Decision<'a> {
        let below = self.policy.handover.map_or(0.0, |handover| handover.below);
        self.judge(request, spent, estimate, tokens, (below, Bar::Handover))
    }

    /// Who is asked about places of a complete answer of `tokens`, when it is known what it is worth. Nobody where the policy says
    /// nothing about that.
    pub fn repair<'a>(
        &'a self,
        request: &'a Request<'a>,
        spent: Spent,
        estimate: Estimate,
        tokens: u64,
    ) -> Decision<'a> {
        let below = self.policy.handover.and_then(|handover| handover.repair).unwrap_or(0.0);
        self.judge(request, spent, estimate, tokens, (below, Bar::Repair))
    }

    fn judge<'a>(
        &'a self,
        request: &'a Request<'a>,
        spent: Spent,
        mut estimate: Estimate,
        tokens: u64,
        (suffices, from): (f64, Bar),
    ) -> Decision<'a> {
        corrected(request, &mut estimate, 1.0);
        let needed = Needed { suffices, from, guaranteed: false };
        self.weigh(request, spent, estimate, needed, Some(tokens))
    }

    fn weigh<'a>(
        &'a self,
        request: &'a Request<'a>,
        spent: Spent,
        estimate: Estimate,
        needed: Needed,
        written: Option<u64>,
    ) -> Decision<'a> {
        let stay = |why, reason: String, passed_over| Decision {
            route: Route::Local,
            why,
            reason,
            estimate: estimate.clone(),
            needed,
            passed_over,
        };
        // The only way to a target goes through this leave.
        let Some(movable) = request.movable() else {
            return stay(Why::Private, "the request is private and never leaves".into(), Vec::new());
        };
        let rule = self.policy.rules.iter().find(|rule| rule.matches(request));
        if let Some(Rule { name, then: Then::Stay, .. }) = rule {
            return stay(Why::Rule, format!("rule {name:?} keeps it here"), Vec::new());
        }
        let named = rule.and_then(|rule| match &rule.then {
            Then::Send(target) => Some((rule, target.as_str())),
            Then::Stay => None,
        });
        // An answer that is complete was not beyond the local model.
        let cannot = if needed.from == Bar::Repair { None } else { self.cannot(request) };
        let (why, reason) = match (named, cannot) {
            (Some((rule, target)), _) => (Why::Rule, format!("rule {:?} sends it to {target:?}", rule.name)),
            (None, Some(cannot)) => (Why::Need, cannot),
            // What cannot be compared stays.
            (None, None) if estimate.suffices >= needed.suffices || estimate.suffices.is_nan() => {
                return stay(Why::Suffices, judged(request, &estimate, needed, written), Vec::new());
            }
            (None, None) => {
                let why = match needed.from {
                    Bar::Repair => Why::Repair,
                    Bar::Handover => Why::Doubt,
                    Bar::Quality | Bar::Calibrated | Bar::Epsilon => Why::Insufficient,
                };
                (why, judged(request, &estimate, needed, written))
            }
        };
        let (best, passed_over) = self.choose(movable, named.map(|(_, target)| target), spent);
        match best {
            Some(escalation) => {
                let route = Route::Escalate(escalation);
                Decision { route, why, reason, estimate, needed, passed_over }
            }
            None => stay(Why::Nobody, format!("{reason}; but no target may be asked"), passed_over),
        }
    }

    /// The policy that is followed.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What the probability has to reach: the stricter of slider and risk.
    fn needed(&self, quantile: &dyn Fn(f64) -> f64, threshold: Option<Threshold>) -> Needed {
        let quality = match self.policy.quality {
            q if q <= 0.0 => 0.0,
            q if q >= 1.0 => f64::INFINITY,
            q => quantile(q),
        };
        let slider = Needed { suffices: quality, from: Bar::Quality, guaranteed: false };
        let risk = match (self.policy.risk, threshold) {
            (Some(_), Some(found)) => {
                Needed { suffices: found.suffices, from: Bar::Calibrated, guaranteed: true }
            }
            (Some(risk), None) => {
                Needed { suffices: 1.0 - risk.epsilon, from: Bar::Epsilon, guaranteed: false }
            }
            (None, _) => return slider,
        };
        if risk.suffices >= slider.suffices { risk } else { Needed { guaranteed: risk.guaranteed, ..slider } }
    }

    /// Tokens that the answer is expected to have: as the policy says, and no more than are wanted.
    fn answer_tokens(&self, request: &Request<'_>) -> u64 {
        let expected = self.policy.answer_tokens;
        request.needs.answer_tokens.map_or(expected, |wanted| wanted.min(expected))
    }

    /// Why the local model cannot answer, if so.
    fn cannot(&self, request: &Request<'_>) -> Option<String> {
        let local = request.needs.local.unwrap_or(self.policy.local);
        let tokens = request.tokens() + self.answer_tokens(request);
        if tokens > local.context {
            let window = local.context;
            return Some(format!(
                "prompt and answer need about {tokens} tokens, the local model has {window}"
            ));
        }
        if request.needs.tools && !local.tools {
            return Some("the local model calls no tools".into());
        }
        (request.needs.images && !local.images).then(|| "the local model sees no images".into())
    }

    /// The nearest target that may be asked, of those the cheapest; and why others may not.
    fn choose<'a>(
        &'a self,
        movable: Movable<'a>,
        named: Option<&str>,
        spent: Spent,
    ) -> (Option<Escalation<'a>>, Vec<(String, String)>) {
        let mut passed_over = Vec::new();
        let mut best: Option<Escalation<'a>> = None;
        for target in self.policy.targets.iter().filter(|t| named.is_none_or(|name| t.name == name)) {
            let dollars = self.price(movable.request(), target);
            match self.objection(movable.request(), target, dollars, spent) {
                Some(objection) => passed_over.push((target.name.clone(), objection)),
                None => {
                    let nearer = |b: &Escalation<'_>| {
                        let key = |zone: Zone, dollars: f64| (zone, dollars);
                        key(target.zone, dollars) < key(b.target.zone, b.dollars)
                    };
                    if best.as_ref().is_none_or(nearer) {
                        best = Some(Escalation { movable, target, dollars });
                    }
                }
            }
        }
        (best, passed_over)
    }

    fn price(&self, request: &Request<'_>, target: &Target) -> f64 {
        let (read, written) = (request.tokens() as f64, self.answer_tokens(request) as f64);
        (read * target.input_price + written * target.output_price) / 1e6
    }

    fn objection(
        &self,
        request: &Request<'_>,
        target: &Target,
        dollars: f64,
        spent: Spent,
    ) -> Option<String> {
        let zone = target.zone;
        if zone != Zone::Device && !self.policy.allow.contains(&zone) {
            return Some(format!("the policy does not allow the zone {zone}"));
        }
        if request.tokens() + self.answer_tokens(request) > target.context {
            return Some(format!("it takes {} tokens", target.context));
        }
        if request.needs.tools && !target.tools {
            return Some("it calls no tools".into());
        }
        if request.needs.images && !target.images {
            return Some("it sees no images".into());
        }
        let budget = &self.policy.budget;
        let limits = [
            (budget.request, 0.0, "a request"),
            (budget.day, spent.day, "today"),
            (budget.month, spent.month, "this month"),
        ];
        let over = limits.into_iter().find_map(|(limit, so_far, of)| {
            // Whatever cannot be compared is over the budget.
            let fits = |limit: f64| so_far + dollars <= limit;
            limit.filter(|limit| !fits(*limit)).map(|limit| (limit, so_far, of))
        });
        over.map(|(limit, so_far, of)| {
            format!("${dollars:.4} on top of ${so_far:.4} is over the budget of ${limit:.4} for {of}")
        })
    }
}

/// Moves an estimate by the user's corrections, if any speak of such a request.
fn corrected(request: &Request<'_>, estimate: &mut Estimate, steepness: f64) -> bool {
    let corrections = request.needs.corrections.as_ref();
    corrections.is_some_and(|corrections| corrections.correct(request.prompt(), estimate, steepness))
}

/// The probability beside what is asked for, in a sentence.
fn judged(request: &Request<'_>, estimate: &Estimate, needed: Needed, written: Option<u64>) -> String {
    let start = match written {
        Some(1) => "after its first token the local answer is right".to_owned(),
        Some(tokens) => format!("after {tokens} tokens the local answer is right"),
        None if request.needs.confidence.is_some() => "the local answer is right".to_owned(),
        None => "the local answer suffices".to_owned(),
    };
    let only = if estimate.suffices >= needed.suffices { "" } else { " only" };
    let bar =
        if needed.suffices > 1.0 { "more than 1".to_owned() } else { format!("{:.2}", needed.suffices) };
    format!("{start} with probability {:.2}{only}, and {bar} is asked for", estimate.suffices)
}

impl Decision<'_> {
    /// As one JSON document.
    pub fn to_json(&self, label: Label) -> serde_json::Value {
        let target = match &self.route {
            Route::Local => serde_json::Value::Null,
            Route::Escalate(e) => {
                serde_json::json!({"name": e.target.name, "zone": e.target.zone, "dollars": e.dollars})
            }
        };
        let needed = if self.needed.suffices.is_finite() { Some(self.needed.suffices) } else { None };
        serde_json::json!({
            "decision": if matches!(self.route, Route::Local) { "local" } else { "escalate" },
            "target": target,
            "why": self.why,
            "reason": self.reason,
            "label": label,
            "suffices": self.estimate.suffices,
            "local_right": self.estimate.local_right,
            "familiar": self.estimate.familiar,
            "needed": needed,
            "needed_from": self.needed.from,
            "guaranteed": self.needed.guaranteed,
            "score": self.estimate.score,
            "signals": self.estimate.signals,
            "passed_over": self.passed_over.iter().map(|(name, why)|
                serde_json::json!({"target": name, "reason": why})).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::risk::Risk;
    use proptest::prelude::*;

    const POLICY: &str = r#"
        allow = ["organisation", "cloud"]
        quality = 1.0
        [budget]
        request = 0.05
        day = 1.0
        [local]
        context = 4096
        [[rule]]
        name = "diary"
        contains = ["Dear diary"]
        then = "stay"
        [[rule]]
        name = "law"
        task = "law"
        then = { send = "big" }
        [[target]]
        name = "big"
        zone = "cloud"
        input_price = 2.5
        output_price = 10.0
        context = 128000
        tools = true
        [[target]]
        name = "team"
        zone = "organisation"
        context = 16384
    "#;

    fn router(change: impl Fn(&mut Policy)) -> Router {
        let mut policy = Policy::from_toml(POLICY).unwrap();
        change(&mut policy);
        Router::new(Scorer::built_in(), policy, None)
    }

    fn outcome(router: &Router, request: &Request<'_>, spent: Spent) -> (Option<String>, Why, Vec<String>) {
        let decision = router.decide(request, spent);
        let target = match &decision.route {
            Route::Local => None,
            Route::Escalate(e) => Some(e.target().name.clone()),
        };
        (target, decision.why, decision.passed_over.into_iter().map(|(_, why)| why).collect())
    }

    #[test]
    fn rules_needs_zones_and_budgets_decide() {
        let open = |text| Request::new(text, Label::Open);
        let all = router(|_| {});
        let team = (Some("team".to_owned()), Why::Insufficient, vec![]);
        assert_eq!(outcome(&all, &open("Hello"), Spent::default()), team);
        assert_eq!(outcome(&all, &open("dear DIARY, hello"), Spent::default()).1, Why::Rule);
        let mut law = open("Is this legal?");
        law.needs.task = Some("law".into());
        assert_eq!(outcome(&all, &law, Spent::default()), (Some("big".into()), Why::Rule, vec![]));
        let (target, why, passed) = outcome(&all, &law, Spent { day: 0.999, month: 0.0 });
        assert_eq!((target, why, passed.len()), (None, Why::Nobody, 1));
        assert!(passed[0].contains("over the budget of $1.0000 for today"), "{passed:?}");
        // What cannot be compared is over the budget.
        assert_eq!(outcome(&all, &law, Spent { day: f64::NAN, month: 0.0 }).1, Why::Nobody);
        let mut brief = open("Hello");
        brief.needs.tokens = Some(4000);
        assert_eq!(outcome(&router(|p| p.quality = 0.0), &brief, Spent::default()).1, Why::Need);
        brief.needs.answer_tokens = Some(96);
        assert_eq!(outcome(&router(|p| p.quality = 0.0), &brief, Spent::default()).1, Why::Suffices);
        let mut long = open("Hello");
        long.needs.tokens = Some(20_000);
        let (target, why, passed) = outcome(&router(|p| p.quality = 0.0), &long, Spent::default());
        assert_eq!((target.as_deref(), why), (None, Why::Nobody));
        assert!(passed.iter().any(|p| p.contains("takes 16384 tokens")), "{passed:?}");
        let (target, why, _) =
            outcome(&router(|p| (p.quality, p.budget.request) = (0.0, None)), &long, Spent::default());
        assert_eq!((target.as_deref(), why), (Some("big"), Why::Need));
        let closed = router(|p| p.allow.clear());
        let (target, _, passed) = outcome(&closed, &open("Hello"), Spent::default());
        assert!(target.is_none() && passed[0].contains("does not allow the zone cloud"), "{passed:?}");
        assert_eq!(outcome(&router(|p| p.quality = 0.0), &open("Hello"), Spent::default()).1, Why::Suffices);
    }

    #[test]
    fn an_answer_that_is_being_written_is_reconsidered() {
        let request = Request::new("Hello", Label::Open);
        let said = |right| Estimate {
            suffices: right,
            local_right: Some(right),
            familiar: true,
            score: 0.0,
            signals: Vec::new(),
        };
        let reconsidered = |router: &Router, request: &Request<'_>, right| {
            let decision = router.reconsider(request, Spent::default(), said(right), 8);
            (matches!(decision.route, Route::Escalate(_)), decision.why, decision.reason)
        };
        let hands_over = router(|p| p.handover = Some(crate::Handover { below: 0.3, hold: 8, repair: None }));
        let (goes, why, reason) = reconsidered(&hands_over, &request, 0.2);
        assert!(goes && why == Why::Doubt, "{reason}");
        let expected =
            "after 8 tokens the local answer is right with probability 0.20 only, and 0.30 is asked for";
        assert_eq!(reason, expected);
        assert_eq!(reconsidered(&hands_over, &request, 0.3).1, Why::Suffices);
        // Without a word of the policy nothing is handed over, and what is private or kept by a rule never is.
        assert!(!reconsidered(&router(|_| {}), &request, 0.0).0);
        assert!(!reconsidered(&hands_over, &Request::new("Hello", Label::Private), 0.0).0);
        assert!(!reconsidered(&hands_over, &Request::new("Dear diary, hello", Label::Open), 0.0).0);
        let closed = router(|p| {
            p.handover = Some(crate::Handover { below: 0.3, hold: 8, repair: None });
            p.allow.clear();
        });
        assert_eq!(reconsidered(&closed, &request, 0.1).1, Why::Nobody);
        // What is asked about in places has a bar of its own, and the same ways to stay.
        let repaired = |router: &Router, request: &Request<'_>| {
            let decision = router.repair(request, Spent::default(), said(0.4), 20);
            (matches!(decision.route, Route::Escalate(_)), decision.why)
        };
        let repairs =
            router(|p| p.handover = Some(crate::Handover { below: 0.3, hold: 8, repair: Some(0.5) }));
        assert_eq!(repaired(&repairs, &request), (true, Why::Repair));
        // What is asked of the target has nothing to do with what the local model can.
        let mut long = request.clone();
        long.needs.tokens = Some(8000);
        assert_eq!(repaired(&repairs, &long), (true, Why::Repair));
        assert_eq!(repaired(&repairs, &Request::new("Hello", Label::Private)), (false, Why::Private));
        assert_eq!(repaired(&hands_over, &request), (false, Why::Suffices));
    }

    #[test]
    fn the_stricter_of_slider_and_risk_counts() {
        let needed = |quality, risk, threshold| {
            let policy = Policy { quality, risk, ..Policy::default() };
            let router = Router::new(Scorer::built_in(), policy, threshold);
            router.decide(&Request::new("Hello", Label::Open), Spent::default()).needed
        };
        let strict = Some(Risk::of(0.01));
        assert_eq!(
            (needed(0.0, None, None).suffices, needed(1.0, None, None).suffices),
            (0.0, f64::INFINITY)
        );
        let word = needed(0.3, strict, None);
        assert_eq!((word.suffices, word.from, word.guaranteed), (0.99, Bar::Epsilon, false));
        let found = Threshold { suffices: 0.97, local_share: 0.2, bound: 0.009 };
        let held = needed(0.3, strict, Some(found));
        assert_eq!((held.suffices, held.from, held.guaranteed), (0.97, Bar::Calibrated, true));
        assert_eq!(needed(1.0, strict, Some(found)).from, Bar::Quality);
    }

    proptest! {
        /// No prompt, need, rule, price or slider lets a private request out.
        #[test]
        fn private_requests_stay(
            text in any::<String>(),
            quality in 0.0..=1.0f64,
            tokens in proptest::option::of(0..1_000_000u64),
            tools in any::<bool>(),
            images in any::<bool>(),
            law in any::<bool>(),
        ) {
            let router = router(|p| { p.quality = quality; p.budget = Default::default(); });
            let mut request = Request::new(&text, Label::Private);
            request.needs = crate::Needs { tokens, tools, images, task: law.then(|| "law".into()), ..Default::default() };
            prop_assert!(request.movable().is_none());
            let decision = router.decide(&request, Spent::default());
            prop_assert!(matches!(decision.route, Route::Local));
            prop_assert_eq!(decision.why, Why::Private);
        }
    }
}
