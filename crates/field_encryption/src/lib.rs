//! Field-level encryption.
