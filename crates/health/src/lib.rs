//! Health checks: what checkers see, and what follows from it.
//!
//! What it does: makes one state of each check out of what the checkers say ([`Board`]), as answers
//! read it ([`Cell`]).
//! What it does not do: decide where traffic goes; the readers of cells do.
//!
//! Read [`Board`] first. The rules are those of the spec, §13.

mod board;

pub use board::{Board, Cell};
