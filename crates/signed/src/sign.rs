//! Making signed URLs and cookies.
