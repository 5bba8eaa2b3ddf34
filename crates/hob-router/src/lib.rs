//! Whether the local answer suffices, and where a request may go. Decides, cannot send: nothing here knows a network.
//!
//! [`Features`] of a prompt take microseconds; [`Scorer`] makes of them one calibrated probability; [`Router`] follows a
//! [`Policy`] and says with a [`Decision`] where the request goes and why. A private request has no [`Movable`], without
//! which there is no [`Escalation`]. [`evaluate`] measures routers on recorded outcomes, [`threshold`] finds how
//! much may stay local within a risk.

mod confidence;
mod corrections;
mod course;
mod decide;
mod error;
mod evaluate;
mod features;
mod forest;
mod logistic;
mod metric;
mod outcomes;
mod places;
mod policy;
mod request;
mod risk;
mod scorer;
mod vector;

pub use confidence::{
    Confidence, Draft, EXAMPLES_MAX, EXAMPLES_MIN, Example, Judged, Line, Mended, MendedLine,
    Report as ConfidenceReport, STAGES, Share, Stage, Watch,
};
pub use corrections::{Corrections, moved};
pub use course::{Course, LIKELIEST_TOKENS, SIGNAL_COUNT, SIGNALS};
pub use decide::{Bar, Decision, Escalation, Needed, Route, Router, Why};
pub use error::Error;
pub use evaluate::published::{PUBLISHED, Published};
pub use evaluate::{
    Baselines, Cost, Kept, Learned, Options, Quality, Report, Spread, Zero, evaluate, trials,
};
pub use features::{COUNT, Features, NAMES};
pub use metric::{
    Figures, Measured, Outcome, Point, Resamples, THRESHOLDS, curve, figures, interval, lead, measure, ranked,
};
pub use outcomes::Row;
pub use places::{PLACES_MAX, are_few, places, room};
pub use policy::{Budget, Handover, LocalModel, Policy, Privacy, Rule, Target, Then, Zone};
pub use request::{Label, Movable, Needs, Request, Spent};
pub use risk::{Loss, Risk, Threshold, Trial, threshold, upper_bound};
pub use scorer::{Estimate, Lesson, SIGNS, Scale, Scorer, Signal, hash};
pub use vector::WordVector;
