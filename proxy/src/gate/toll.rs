//! What a session pays for its statements: one from each bucket that it draws from.
//!
//! Knows no session: whoever passes a statement on pays first.

use std::sync::Arc;

use crate::gate::rates::Bucket;
use crate::gate::refusal::Refusal;
use crate::gate::visitor::Visitor;
use crate::gate::{Gate, Generation};

/// The buckets of one session. Where no rate is for it, it costs a comparison for each request.
#[derive(Debug, Default)]
pub struct Toll {
    gate: Option<Arc<Gate>>,
    seen: Generation,
    paying: Option<Box<Paying>>,
}

#[derive(Debug)]
struct Paying {
    visitor: Visitor,
    buckets: Vec<Arc<Bucket>>,
    /// The first statement of a request is paid for before the request is given a server connection.
    first: First,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Open,
    Paid,
}

impl Toll {
    /// Of a session that this visitor began.
    pub fn new(gate: Arc<Gate>, visitor: Visitor) -> Self {
        let mut toll = Self { gate: Some(gate), seen: Generation::NONE, paying: None };
        toll.renew(|| visitor);
        toll
    }

    /// True when no rate is for this session.
    pub fn is_free(&self) -> bool {
        self.paying.is_none()
    }

    /// Pays for the first statement of a request.
    ///
    /// # Errors
    /// [`Refusal::TooFast`]: the request is to be refused.
    pub fn pay_first(&mut self) -> Result<(), Refusal> {
        match &mut self.paying {
            Some(paying) if paying.first == First::Open => {
                draw(self.gate.as_deref(), &paying.buckets)?;
                paying.first = First::Paid;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Pays for a statement, unless it is the first one and paid for.
    ///
    /// # Errors
    /// [`Refusal::TooFast`]: the statement is to be refused.
    pub fn pay(&mut self) -> Result<(), Refusal> {
        match &mut self.paying {
            None => Ok(()),
            Some(paying) if paying.first == First::Paid => {
                paying.first = First::Open;
                Ok(())
            }
            Some(paying) => draw(self.gate.as_deref(), &paying.buckets),
        }
    }

    /// Looks up the buckets when the rates are others than they were. `visitor` says whose, should that not be known
    /// because no rate was for it.
    pub fn renew(&mut self, visitor: impl FnOnce() -> Visitor) {
        let Some(gate) = &self.gate else { return };
        let now = gate.generation();
        if self.seen == now {
            return;
        }
        self.seen = now;
        let visitor = self.paying.take().map_or_else(visitor, |paying| paying.visitor);
        let buckets = gate.statement_buckets(&visitor);
        if !buckets.is_empty() {
            self.paying = Some(Box::new(Paying { visitor, buckets, first: First::Open }));
        }
    }
}

fn draw(gate: Option<&Gate>, buckets: &[Arc<Bucket>]) -> Result<(), Refusal> {
    let now_ms = gate.map_or(0, Gate::tick);
    buckets.iter().try_for_each(|bucket| bucket.draw(now_ms))
}
