//! How far the making of a smaller model is.

use crate::fail::note;
use crate::progress::{Progress, span};
use hob_shrink::Stage;
use serde_json::json;
use std::time::Instant;

/// What going back through a layer costs, where going forward costs one: forward again, and two products for each of it.
const BACK: usize = 3;

/// Shows stages as they are reached, with the time that is left of the reading.
pub struct View {
    progress: Progress,
    start: Instant,
}

impl View {
    /// Starts the clock.
    pub fn new() -> Self {
        Self { progress: Progress::start(), start: Instant::now() }
    }

    /// Takes the line away until the next stage.
    pub fn clear(&mut self) {
        self.progress = Progress::start();
    }

    /// Shows `line`.
    pub fn line(&mut self, line: &str) {
        self.progress.update(|| line.to_owned(), || json!({"event": "narrowing", "what": line}));
    }

    /// Shows `stage`.
    pub fn show(&mut self, stage: Stage<'_>) {
        if let Stage::GoingOn(left, layers) = stage {
            note(&format!(
                "going on where an earlier run was interrupted: {left} of {layers} layers are left"
            ));
            return;
        }
        let start = self.start;
        let left = |done: usize, layers: usize| {
            let share = done as f64 / ((1 + BACK) * layers) as f64;
            let left = start.elapsed().as_secs_f64() * (1.0 - share) / share;
            if done == 0 { String::new() } else { format!(", {} left of reading", span(left)) }
        };
        let line = || match stage {
            Stage::Forward(i, layers) => format!("reading: layer {} of {layers}{}", i + 1, left(i, layers)),
            Stage::Turning | Stage::GoingOn(..) => "reading: the head".to_owned(),
            Stage::Back(i, layers) => {
                let done = layers + BACK * (layers - 1 - i);
                format!("reading back: layer {} of {layers}{}", i + 1, left(done, layers))
            }
            Stage::Predicting(name) => format!("predicting what each type costs {name}"),
            Stage::Rounding(name, ty) => format!("rounding {name} to {ty}"),
        };
        let event = || match stage {
            Stage::Forward(i, layers) => json!({"event": "forward", "layer": i, "layers": layers}),
            Stage::Turning | Stage::GoingOn(..) => json!({"event": "head"}),
            Stage::Back(i, layers) => json!({"event": "back", "layer": i, "layers": layers}),
            Stage::Predicting(name) => json!({"event": "predicting", "tensor": name}),
            Stage::Rounding(name, ty) => json!({"event": "rounding", "tensor": name, "type": ty.to_string()}),
        };
        self.progress.update(line, event);
    }
}
