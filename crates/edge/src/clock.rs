use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What time it is, for everything that is decided by dates: freshness, logs, `Date`. Timeouts of
/// sockets go by the runtime's own timer.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds since 1970 of a clock that is set by hand.
    by_hand: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock::default()
    }

    /// A clock that stands still until it is set; its copies show the same time. For tests.
    pub fn by_hand(now_ms: u64) -> Clock {
        Clock {
            by_hand: Some(Arc::new(AtomicU64::new(now_ms))),
        }
    }

    /// Moves a clock that is set by hand forward; the system's goes on by itself.
    pub fn advance_secs(&self, secs: u64) {
        if let Some(now_ms) = &self.by_hand {
            now_ms.fetch_add(secs * 1_000, Ordering::SeqCst);
        }
    }

    /// The time, in milliseconds since 1970.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        match &self.by_hand {
            Some(now_ms) => now_ms.load(Ordering::SeqCst),
            None => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }
}
