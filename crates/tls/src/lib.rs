//! Handshakes with viewers.
