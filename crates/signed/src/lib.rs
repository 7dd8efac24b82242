//! Signed URLs and signed cookies: who may see what, until when, and from where.
