use std::sync::Arc;

use arc_swap::ArcSwap;
use geo::{Geo, Projection};
use smallvec::smallvec;

use crate::plan::{NOBODY, Order, Plan};
use crate::{Choice, Client, Considered, Latencies, Verdict, Witness};

/// Where on the net which candidates are the best, by the present state of knowledge.
#[derive(Debug)]
pub(crate) struct Map {
    pub plan: Plan,
    pub drawn: ArcSwap<Drawn>,
}

/// A map as it was drawn once.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// The best of each order alone: while they are healthy, nothing else matters, and scopes are
    /// wider.
    best: Projection<u16>,
    orders: Arc<Projection<Order>>,
    /// The orders without what was measured, to lay other measurements over.
    unmeasured: Arc<Projection<Order>>,
    geo: Option<Arc<Geo>>,
    latencies: Arc<Latencies>,
}

impl Drawn {
    /// Draws a map. `last` is what was drawn of the same plan before.
    pub fn new(
        plan: &Plan,
        geo: Option<Arc<Geo>>,
        latencies: Arc<Latencies>,
        last: Option<&Drawn>,
    ) -> Drawn {
        let unmeasured = match last.filter(|last| last.is_of_database(geo.as_ref())) {
            Some(last) => last.unmeasured.clone(),
            None => Arc::new(plan.draw(geo.as_deref())),
        };
        let orders = (plan.draw_measured(&unmeasured, geo.as_deref(), &latencies))
            .map_or_else(|| unmeasured.clone(), Arc::new);
        Drawn {
            best: orders.project(|order| order.first().copied().unwrap_or(NOBODY)),
            orders,
            unmeasured,
            geo,
            latencies,
        }
    }

    /// Whether it was drawn of these.
    pub fn is_of(&self, geo: Option<&Arc<Geo>>, latencies: &Arc<Latencies>) -> bool {
        self.is_of_database(geo) && Arc::ptr_eq(&self.latencies, latencies)
    }

    fn is_of_database(&self, geo: Option<&Arc<Geo>>) -> bool {
        self.geo.as_ref().map(Arc::as_ptr) == geo.map(Arc::as_ptr)
    }
}

/// A map, and who its candidates are.
#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    pub map: Arc<Map>,
    /// The member that each candidate is.
    pub members: Box<[u16]>,
}

impl Mapped {
    /// The best healthy member.
    #[inline]
    pub fn choose<W: Witness + ?Sized>(
        &self,
        client: &Client,
        mut is_healthy: impl FnMut(usize) -> bool,
        witness: &mut W,
    ) -> Choice {
        let drawn = self.map.drawn.load();
        let (best, scope_bits) = drawn.best.find(client.address);
        let mut choice = Choice {
            scope_bits,
            ..Choice::default()
        };
        let mut place = 0;
        // If it is nobody, it has no place among the members.
        if let Some(member) = self.members.get(usize::from(*best)) {
            choice.members.push(*member);
            if !is_healthy(usize::from(*member)) {
                (choice, place) = self.choose_next(&drawn, client, is_healthy);
            }
        }
        if witness.is_listening() {
            let end = if choice.is_fallback { 0 } else { place + 1 };
            self.tell(&drawn, client, &choice, end, witness);
        }
        choice
    }

    /// Up to `most` of the best healthy members.
    pub fn choose_several<W: Witness + ?Sized>(
        &self,
        client: &Client,
        most: usize,
        mut is_healthy: impl FnMut(usize) -> bool,
        witness: &mut W,
    ) -> Choice {
        let drawn = self.map.drawn.load();
        let (order, scope_bits) = drawn.orders.find(client.address);
        let mut choice = Choice {
            scope_bits,
            ..Choice::default()
        };
        let mut asked = 0;
        let mut members = order.iter().map(|best| self.members[usize::from(*best)]);
        while choice.members.len() < most
            && let Some(member) = members.next()
        {
            asked += 1;
            if is_healthy(usize::from(member)) {
                choice.members.push(member);
            }
        }
        if choice.members.is_empty() {
            let best = order.iter().map(|best| self.members[usize::from(*best)]);
            choice.members.extend(best.take(most));
            choice.is_fallback = !choice.members.is_empty();
        }
        if witness.is_listening() {
            self.tell(&drawn, client, &choice, asked, witness);
        }
        choice
    }

    /// The best healthy member but the very best one, and its place in the order.
    #[cold]
    fn choose_next(
        &self,
        drawn: &Drawn,
        client: &Client,
        mut is_healthy: impl FnMut(usize) -> bool,
    ) -> (Choice, usize) {
        let (order, scope_bits) = drawn.orders.find(client.address);
        let member = |best: &u16| self.members[usize::from(*best)];
        let next = (1..order.len()).find(|at| is_healthy(usize::from(member(&order[*at]))));
        let place = next.unwrap_or(0);
        let choice = Choice {
            members: smallvec![member(&order[place])],
            scope_bits,
            is_fallback: next.is_none(),
        };
        (choice, place)
    }

    /// Tells of all members; the first `asked` in the order were asked for their health, or all
    /// were, if nobody was healthy.
    #[cold]
    fn tell<W: Witness + ?Sized>(
        &self,
        drawn: &Drawn,
        client: &Client,
        choice: &Choice,
        asked: usize,
        witness: &mut W,
    ) {
        let (located, distances) =
            (self.map.plan).explain(client.address, drawn.geo.as_deref(), &drawn.latencies);
        witness.located(&located);
        let (order, _) = drawn.orders.find(client.address);
        let asked = if choice.is_fallback {
            order.len()
        } else {
            asked
        };
        let mut consider = |candidate: u16, verdict| {
            witness.considered(&Considered {
                member: usize::from(self.members[usize::from(candidate)]),
                distance: distances.get(usize::from(candidate)).copied(),
                weight: None,
                verdict,
            });
        };
        for (at, candidate) in order.iter().enumerate() {
            let member = self.members[usize::from(*candidate)];
            let verdict = match (choice.members.contains(&member), choice.is_fallback) {
                (true, false) => Verdict::Chosen,
                (true, true) => Verdict::ChosenUnhealthy,
                (false, _) if at < asked => Verdict::Unhealthy,
                (false, _) if distances.is_empty() => Verdict::Behind,
                (false, _) => Verdict::Farther,
            };
            consider(*candidate, verdict);
        }
        for candidate in 0..self.members.len() as u16 {
            if !order.contains(&candidate) {
                consider(candidate, Verdict::OtherPlace);
            }
        }
    }
}
