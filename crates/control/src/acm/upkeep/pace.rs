//! How many orders are started: never a storm, whatever the ACME server answers, and however many
//! certificates and nodes there are.

use serde::{Deserialize, Serialize};

use crate::limits::{ORDER_PAUSE_MS_MAX, ORDER_PAUSE_MS_MIN, ORDERS_PER_MINUTE_MAX};

const MINUTE_MS: u64 = 60_000;

/// The orders of the whole installation: one document, which all nodes compare and put.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Minutes since 1970.
    minute: u64,
    /// Orders that were started in it.
    started: u32,
    /// Orders in a row that failed since the server is away, or wants to be left alone.
    failures: u32,
    /// While it is away, one order is started now and then to see whether it is back; the next one
    /// not before this, in milliseconds since 1970.
    not_before_ms: u64,
}

impl Pace {
    /// As it is after one more order is started; or when to ask again.
    pub fn start(&self, now_ms: u64) -> Result<Pace, u64> {
        if self.failures > 0 && now_ms < self.not_before_ms {
            return Err(self.not_before_ms);
        }
        let minute = now_ms / MINUTE_MS;
        let started = if minute == self.minute {
            self.started
        } else {
            0
        };
        if started >= ORDERS_PER_MINUTE_MAX {
            return Err((minute + 1) * MINUTE_MS);
        }
        let mut next = Pace {
            minute,
            started: started + 1,
            ..self.clone()
        };
        if next.failures > 0 {
            // The others wait for what becomes of this one.
            next.not_before_ms = now_ms + pause_ms(next.failures);
        }
        Ok(next)
    }

    /// As it is after an order ended; nothing, if it stays as it is.
    pub fn ended(&self, now_ms: u64, is_server_away: bool) -> Option<Pace> {
        let mut next = self.clone();
        if is_server_away {
            next.failures = next.failures.saturating_add(1);
            next.not_before_ms = now_ms + pause_ms(next.failures);
        } else {
            (next.failures, next.not_before_ms) = (0, 0);
        }
        (next != *self).then_some(next)
    }
}

/// It doubles with each failure.
fn pause_ms(failures: u32) -> u64 {
    let doublings = failures.saturating_sub(1).min(16);
    (ORDER_PAUSE_MS_MIN << doublings).min(ORDER_PAUSE_MS_MAX)
}
