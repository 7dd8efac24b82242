//! Which of several answers a client gets: Route 53's routing policies (spec §10, §12).
//!
//! What it does: compiles the members of a group (weights, regions, places, …) once, so that a
//! query costs a look-up and no allocation, and chooses; says for how wide a network the choice
//! holds; and tells a [`Witness`] why, for those who ask. What it does not do: know records, zones
//! or messages; wait for health (it is asked of whoever calls).
//!
//! Read [`Group::choose`] first, then [`Atlas`].

pub mod limits;
