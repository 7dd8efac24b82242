use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that is moved on every read and almost never reached. The runtime's timer is left
/// where it is while it is early enough: when it fires before the deadline it is moved then, so
/// a busy connection touches the timer wheel once per timeout, not once per read.
pub(crate) struct LazyTimer {
    sleep: Pin<Box<Sleep>>,
    deadline: Instant,
}

impl LazyTimer {
    pub(crate) fn new(deadline: Instant) -> LazyTimer {
        LazyTimer {
            sleep: Box::pin(sleep_until(deadline)),
            deadline,
        }
    }

    /// Moves the deadline.
    #[inline]
    pub(crate) fn arm(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if self.sleep.deadline() > deadline {
            self.sleep.as_mut().reset(deadline);
        }
    }

    /// Ready once the deadline has passed.
    pub(crate) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn a_deadline_moves_later_and_earlier() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut timer = LazyTimer::new(start + 10 * second);
        timer.arm(start + 30 * second);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
        assert_eq!((Instant::now() - start).as_secs(), 30);
        timer.arm(start + 60 * second);
        timer.arm(start + 40 * second);
        poll_fn(|cx| timer.poll_elapsed(cx)).await;
        assert_eq!((Instant::now() - start).as_secs(), 40);
    }
}
