//! Health checks: what checkers see, and what follows from it.
//!
//! What it does: looks at endpoints ([`Prober`]), makes opinions out of what is seen ([`Checker`]),
//! shares the work among nodes ([`Runner`]), and makes one state of each check out of what the
//! checkers think ([`Board`], kept by [`follow`]), as answers read it ([`Cell`]).
//! What it does not do: decide where traffic goes; the readers of cells do.
//!
//! Read [`Board`], [`Checker`] and [`Runner`] first. The rules are those of the spec, §13.

mod board;
mod body;
mod checker;
mod follow;
pub mod limits;
mod outbox;
mod plan;
mod probe;
mod runner;
mod spread;
mod target;
mod tls;

pub use board::{Board, Cell};
pub use checker::{Checker, News, Observation};
pub use follow::{Following, follow};
pub use probe::{Patience, Prober, is_healthy_response};
pub use runner::{Runner, RunnerConfig};
pub use target::{Place, Question, Target, TargetError};
