//! What one checker thinks of one endpoint (spec §13.3).

use documents::route53::Opinion;

/// What one probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Whether the endpoint did what the check wants.
    pub is_success: bool,
    /// In words: `Success: HTTP Status Code 200, OK`.
    pub status: String,
}

/// Whether what a checker thinks is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has no opinion yet, or the one that it had, for the same reason.
    None,
    /// It has an opinion where it had none, or another one, or the one for another reason.
    Changed,
}

/// The opinion of one checker: it takes as many equal observations in a row as the threshold says
/// to change it. The first success makes one at once; the first failures do not, so that a checker
/// that begins does not speak of what it has hardly seen, for neither side.
#[derive(Clone, Debug)]
pub struct Checker {
    threshold: u32,
    is_healthy: Option<bool>,
    /// Observations in a row, up to the last, that are against the opinion.
    against: u32,
    status: String,
    checked_ms: u64,
    last_failure: Option<(String, u64)>,
}

impl Checker {
    /// Without an opinion. A threshold of 0 is taken as 1.
    pub fn new(threshold: u32) -> Checker {
        Checker {
            threshold: threshold.max(1),
            is_healthy: None,
            against: 0,
            status: String::new(),
            checked_ms: 0,
            last_failure: None,
        }
    }

    /// From now on so many observations in a row change the opinion.
    pub fn set_threshold(&mut self, threshold: u32) {
        self.threshold = threshold.max(1);
    }

    /// Takes what a probe saw at `now_ms`, in milliseconds since 1970.
    pub fn observe(&mut self, observation: Observation, now_ms: u64) -> News {
        let Observation { is_success, status } = observation;
        let before = self.is_healthy;
        if !is_success {
            self.last_failure = Some((status.clone(), now_ms));
        }
        // Who has no opinion takes failures as if it had a good one.
        if is_success == before.unwrap_or(true) {
            self.against = 0;
            self.is_healthy = before.or(is_success.then_some(true));
        } else {
            self.against += 1;
            if self.against >= self.threshold {
                self.against = 0;
                self.is_healthy = Some(is_success);
            }
        }
        let is_news = self.is_healthy != before || self.status != status;
        self.status = status;
        self.checked_ms = now_ms;
        match self.is_healthy.is_some() && is_news {
            true => News::Changed,
            false => News::None,
        }
    }

    /// The opinion as it is written, if there is one.
    pub fn opinion(&self, region: &str, address: &str) -> Option<Opinion> {
        Some(Opinion {
            region: region.to_owned(),
            address: address.to_owned(),
            is_healthy: self.is_healthy?,
            status: self.status.clone(),
            checked_ms: self.checked_ms,
            last_failure: self.last_failure.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observation(is_success: bool) -> Observation {
        let status = if is_success {
            "Success: fine"
        } else {
            "Failure: bad"
        };
        Observation {
            is_success,
            status: status.to_owned(),
        }
    }

    /// The opinions after each of these observations: `+` healthy, `-` unhealthy, `.` none.
    fn opinions(threshold: u32, observations: &str) -> String {
        let mut checker = Checker::new(threshold);
        let observe = observations.bytes().enumerate().map(|(at, byte)| {
            checker.observe(observation(byte == b'+'), at as u64);
            match checker.is_healthy {
                None => '.',
                Some(true) => '+',
                Some(false) => '-',
            }
        });
        observe.collect()
    }

    #[test]
    fn only_as_many_equal_observations_in_a_row_as_the_threshold_says_change_an_opinion() {
        assert_eq!(opinions(3, "+--+---+-++-+++"), "++++++--------+");
        assert_eq!(opinions(1, "+-+--"), "+-+--");
    }

    #[test]
    fn a_checker_that_begins_is_silent_until_a_success_or_enough_failures() {
        assert_eq!(opinions(3, "---"), "..-");
        assert_eq!(opinions(3, "--+"), "..+");
        assert!(Checker::new(3).opinion("eu-west-1", "::1").is_none());
    }

    #[test]
    fn another_reason_is_news_and_the_same_one_is_not() {
        let mut checker = Checker::new(2);
        assert_eq!(checker.observe(observation(false), 1), News::None);
        assert_eq!(checker.observe(observation(false), 2), News::Changed);
        assert_eq!(checker.observe(observation(false), 3), News::None);
        let mut other = observation(false);
        other.status.push_str(" for another reason");
        assert_eq!(checker.observe(other, 4), News::Changed);
        assert_eq!(checker.observe(observation(true), 5), News::Changed);
    }

    #[test]
    fn the_last_failure_outlives_later_successes() {
        let mut checker = Checker::new(2);
        checker.observe(observation(false), 7);
        checker.observe(observation(true), 8);
        let opinion = checker.opinion("eu-west-1", "192.0.2.1").unwrap();
        assert_eq!(opinion.last_failure, Some(("Failure: bad".to_owned(), 7)));
        assert_eq!((opinion.checked_ms, opinion.is_healthy), (8, true));
        assert_eq!(opinion.status, "Success: fine");
    }

    /// Straight from the rule: the opinion is what the latest run of enough equal observations
    /// said; before the first such run, healthy from the first success on.
    fn model(threshold: usize, observations: &[bool]) -> Option<bool> {
        let run = observations
            .windows(threshold)
            .rev()
            .find(|window| window.iter().all(|seen| *seen == window[0]));
        match run {
            Some(run) => Some(run[0]),
            None => observations.contains(&true).then_some(true),
        }
    }

    proptest! {
        #[test]
        fn the_opinion_is_what_the_latest_long_enough_run_said(
            threshold in 1_usize..=10,
            observations in proptest::collection::vec(any::<bool>(), 0..60),
        ) {
            let mut checker = Checker::new(threshold as u32);
            for (at, seen) in observations.iter().enumerate() {
                let before = checker.opinion("", "");
                let news = checker.observe(observation(*seen), at as u64);
                let seen_so_far = &observations[..=at];
                prop_assert_eq!(checker.is_healthy, model(threshold, seen_so_far));
                // News is exactly what a reader of opinions would notice.
                let told = |opinion: &Option<Opinion>| {
                    opinion.as_ref().map(|opinion| (opinion.is_healthy, opinion.status.clone()))
                };
                let after = checker.opinion("", "");
                prop_assert_eq!(news == News::Changed, told(&before) != told(&after));
            }
        }
    }
}
