//! Authoritative DNS.
