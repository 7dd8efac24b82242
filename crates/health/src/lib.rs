//! Health checks (spec §13).
