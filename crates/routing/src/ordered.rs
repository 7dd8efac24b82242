use smallvec::smallvec;

use crate::{Choice, Considered, Verdict, Witness};

/// The first healthy member of those in `order`, or the very first one if nobody is healthy.
/// `count` is how many members the group has.
#[inline]
pub(crate) fn choose<W: Witness + ?Sized>(
    order: &[u16],
    count: u16,
    mut is_healthy: impl FnMut(usize) -> bool,
    witness: &mut W,
) -> Choice {
    let found = (order.iter()).position(|member| is_healthy(usize::from(*member)));
    let choice = match order.get(found.unwrap_or(0)) {
        Some(chosen) => Choice {
            members: smallvec![*chosen],
            scope_bits: 0,
            is_fallback: found.is_none(),
        },
        None => Choice::default(),
    };
    if witness.is_listening() {
        tell(order, count, found, witness);
    }
    choice
}

#[cold]
fn tell<W: Witness + ?Sized>(order: &[u16], count: u16, found: Option<usize>, witness: &mut W) {
    let mut consider = |member: u16, verdict| {
        witness.considered(&Considered {
            member: usize::from(member),
            distance: None,
            weight: None,
            verdict,
        });
    };
    for (at, member) in order.iter().enumerate() {
        let verdict = match found {
            Some(found) if at == found => Verdict::Chosen,
            Some(found) if at > found => Verdict::Behind,
            None if at == 0 => Verdict::ChosenUnhealthy,
            _ => Verdict::Unhealthy,
        };
        consider(*member, verdict);
    }
    for member in (0..count).filter(|member| !order.contains(member)) {
        consider(member, Verdict::OtherPlace);
    }
}
