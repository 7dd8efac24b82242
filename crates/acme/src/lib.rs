//! Certificates from public authorities.
