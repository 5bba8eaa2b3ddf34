//! The way of a request through the ledger: an entry before, one after, whatever happens between.

use crate::ledger::{Cap, Ledger, Outcome, Sending};
use crate::{Error, LedgerError};

/// A request that stands in the ledger. When it is dropped, what became of it is written down.
#[derive(Debug)]
pub(crate) struct Receipt {
    ledger: Ledger,
    /// Entry of the request.
    pub number: u64,
    pub outcome: Outcome,
}

impl Receipt {
    /// Writes down that a request is about to leave.
    pub fn begin(
        ledger: &Ledger,
        sending: Sending,
        caps: &[Cap],
        body: Option<&[u8]>,
    ) -> Result<Self, LedgerError> {
        let cost_micro = sending.cost_max_micro;
        let number = ledger.send(sending, caps, body)?;
        // Until the caller knows better, it cost what it could cost.
        let outcome = Outcome { of: number, cost_micro, ..Outcome::default() };
        Ok(Self { ledger: ledger.clone(), number, outcome })
    }

    /// It failed.
    pub fn failed(&mut self, error: &Error) {
        self.outcome.failed = Some(error.kind().to_owned());
        // Once there was an answer, the request had left.
        if error.never_left() && self.outcome.status.is_none() {
            self.outcome.cost_micro = 0;
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // Where this cannot be written, the next request is refused for the same reason, and the entry before stands.
        let _ = self.ledger.outcome(std::mem::take(&mut self.outcome));
    }
}
