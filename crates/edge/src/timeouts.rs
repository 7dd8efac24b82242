use std::time::Duration;

use crate::limits;

/// How long the edge waits for viewers. The defaults are those of [`limits`].
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// For a request head, from its first byte.
    pub head: Duration,
    /// For the next request on a connection.
    pub keep_alive: Duration,
    /// For the next byte of a request body.
    pub body_read: Duration,
    /// For one byte to be taken of what is written.
    pub write: Duration,
    /// For the next byte from the origin of a WebSocket.
    pub websocket_idle: Duration,
    /// For what a viewer still sends after the last reply on its connection.
    pub linger: Duration,
    /// For running responses when the edge stops.
    pub stop: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            head: limits::HEAD_TIMEOUT,
            keep_alive: limits::KEEP_ALIVE_TIMEOUT,
            body_read: limits::BODY_READ_TIMEOUT,
            write: limits::WRITE_TIMEOUT,
            websocket_idle: limits::WEBSOCKET_IDLE_TIMEOUT,
            linger: limits::LINGER_TIMEOUT,
            stop: limits::STOP_TIMEOUT,
        }
    }
}
