use smallvec::SmallVec;

use crate::{Choice, Considered, Dice, Verdict, Witness, limits};

/// A group's weights.
#[derive(Debug)]
pub(crate) struct Weights {
    weights: Box<[u8]>,
    total: u32,
}

/// Who was asked in vain, in that order.
type Trail = SmallVec<[u16; 16]>;

impl Weights {
    pub fn new(weights: Box<[u8]>) -> Weights {
        Weights {
            total: weights.iter().map(|weight| u32::from(*weight)).sum(),
            weights,
        }
    }

    /// One healthy member, by weight; of those without weight if all others are unhealthy, or if
    /// there are no others.
    #[inline]
    pub fn choose<W: Witness + ?Sized>(
        &self,
        dice: &mut Dice,
        mut is_healthy: impl FnMut(usize) -> bool,
        witness: &mut W,
    ) -> Choice {
        let first = if self.total == 0 {
            dice.below(self.weights.len() as u32) as usize
        } else {
            let mut left = dice.below(self.total);
            // Weights add up to more than what is left, so the end is not reached.
            (self.weights.iter())
                .position(|weight| {
                    let is_here = left < u32::from(*weight);
                    left = left.saturating_sub(u32::from(*weight));
                    is_here
                })
                .unwrap_or(0)
        };
        let mut trail = Trail::new();
        let mut choice = Choice::of(first as u16);
        if !is_healthy(first) {
            let trail = witness.is_listening().then_some(&mut trail);
            choice = self.draw_again(first, dice, is_healthy, trail);
        }
        if witness.is_listening() {
            self.tell(&choice, &trail, witness);
        }
        choice
    }

    #[cold]
    fn draw_again(
        &self,
        first: usize,
        dice: &mut Dice,
        mut is_healthy: impl FnMut(usize) -> bool,
        mut trail: Option<&mut Trail>,
    ) -> Choice {
        let mut tried = [0u64; limits::MEMBERS_MAX / 64];
        let mut give_up = |tried: &mut [u64], member: usize| {
            tried[member / 64] |= 1 << (member % 64);
            if let Some(trail) = &mut trail {
                trail.push(member as u16);
            }
        };
        give_up(&mut tried, first);
        let by_weight = |weight: u8| u32::from(weight);
        // Everybody with a weight was tried by then.
        let alike = |_: u8| 1;
        for share in [&by_weight as &dyn Fn(u8) -> u32, &alike] {
            while let Some(member) = self.draw(dice, &tried, share) {
                if is_healthy(member) {
                    return Choice::of(member as u16);
                }
                give_up(&mut tried, member);
            }
        }
        // Nobody is healthy; the first draw was made as if all were.
        Choice {
            is_fallback: true,
            ..Choice::of(first as u16)
        }
    }

    /// One of those who were not tried and have a share; `None` if there are none.
    fn draw(&self, dice: &mut Dice, tried: &[u64], share: &dyn Fn(u8) -> u32) -> Option<usize> {
        let shares = || {
            let is_left = |member: &usize| tried[member / 64] >> (member % 64) & 1 == 0;
            (0..self.weights.len())
                .filter(is_left)
                .map(|member| (member, share(self.weights[member])))
        };
        let total = shares().map(|(_, share)| share).sum();
        let mut left = dice.below(total);
        for (member, share) in shares() {
            if left < share {
                return Some(member);
            }
            left -= share;
        }
        None
    }

    #[cold]
    fn tell<W: Witness + ?Sized>(&self, choice: &Choice, trail: &[u16], witness: &mut W) {
        let chosen = choice.members[0];
        let mut order: Vec<u16> = trail.to_vec();
        order.extend((!trail.contains(&chosen)).then_some(chosen));
        order.extend(
            (0..self.weights.len() as u16)
                .filter(|member| *member != chosen && !trail.contains(member)),
        );
        for member in order {
            let weight = self.weights[usize::from(member)];
            let verdict = match member == chosen {
                true if choice.is_fallback => Verdict::ChosenUnhealthy,
                true => Verdict::Chosen,
                false if trail.contains(&member) => Verdict::Unhealthy,
                false if weight == 0 && self.total > 0 => Verdict::WeightZero,
                false => Verdict::NotDrawn,
            };
            witness.considered(&Considered {
                member: usize::from(member),
                distance: None,
                weight: Some(weight),
                verdict,
            });
        }
    }
}

/// Up to [`limits::MULTIVALUE_ANSWERS_MAX`] healthy members of `count`, at random and in random
/// order.
#[inline]
pub(crate) fn sample<W: Witness + ?Sized>(
    count: u16,
    dice: &mut Dice,
    is_healthy: impl FnMut(usize) -> bool,
    witness: &mut W,
) -> Choice {
    // Most groups are small, and clearing kilobytes takes time.
    if count <= 64 {
        sample_of::<64, W>(count, dice, is_healthy, witness)
    } else {
        sample_of::<{ limits::MEMBERS_MAX }, W>(count, dice, is_healthy, witness)
    }
}

fn sample_of<const MOST: usize, W: Witness + ?Sized>(
    count: u16,
    dice: &mut Dice,
    mut is_healthy: impl FnMut(usize) -> bool,
    witness: &mut W,
) -> Choice {
    let mut places = [0u16; MOST];
    let deck = &mut places[..usize::from(count)];
    for (card, member) in deck.iter_mut().zip(0..) {
        *card = member;
    }
    let mut choice = Choice::default();
    let mut drawn = 0;
    while drawn < deck.len() && choice.members.len() < limits::MULTIVALUE_ANSWERS_MAX {
        let left = (deck.len() - drawn) as u32;
        deck.swap(drawn, drawn + dice.below(left) as usize);
        if is_healthy(usize::from(deck[drawn])) {
            choice.members.push(deck[drawn]);
        }
        drawn += 1;
    }
    if choice.members.is_empty() {
        // All were drawn, so the first ones are as good a sample as any.
        let first = deck.iter().take(limits::MULTIVALUE_ANSWERS_MAX);
        choice.members.extend(first.copied());
        choice.is_fallback = true;
    }
    if witness.is_listening() {
        for (at, member) in deck.iter().enumerate() {
            let verdict = match choice.members.contains(member) {
                true if choice.is_fallback => Verdict::ChosenUnhealthy,
                true => Verdict::Chosen,
                false if at < drawn => Verdict::Unhealthy,
                false => Verdict::NotDrawn,
            };
            witness.considered(&Considered {
                member: usize::from(*member),
                distance: None,
                weight: None,
                verdict,
            });
        }
    }
    choice
}
