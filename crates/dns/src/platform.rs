//! The platform's own zone: names of distributions lead to the nearest healthy PoPs.
