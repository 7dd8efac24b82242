//! Stopping gracefully: who is still at work on a worker, and how they hear that it ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// Whether a worker stops, and who must hear of it.
#[derive(Default)]
pub(crate) struct Stopping {
    is_set: Cell<bool>,
    /// One place for each open connection; free ones are `None`.
    places: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    closed: tokio::sync::Notify,
}

impl Stopping {
    pub fn set(&self) {
        self.is_set.set(true);
        for waker in self.places.borrow().iter().flatten() {
            waker.wake_by_ref();
        }
    }

    pub fn enter(self: &Rc<Self>) -> Open {
        let mut places = self.places.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or_else(|| {
            places.push(None);
            places.len() - 1
        });
        Open {
            stopping: Rc::clone(self),
            place,
        }
    }

    pub async fn all_closed(&self) {
        while self.places.borrow().len() > self.free.borrow().len() {
            self.closed.notified().await;
        }
    }
}

/// One connection that is open, and hears when its worker stops.
pub(crate) struct Open {
    stopping: Rc<Stopping>,
    place: usize,
}

impl Open {
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_set.get()
    }

    /// Wakes this task when the worker stops.
    pub fn wait(&self, cx: &mut Context<'_>) {
        let place = &mut self.stopping.places.borrow_mut()[self.place];
        if !place
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *place = Some(cx.waker().clone());
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stopping.places.borrow_mut()[self.place] = None;
        self.stopping.free.borrow_mut().push(self.place);
        self.stopping.closed.notify_one();
    }
}
