//! DNSSEC: keys, signatures made on line, and compact denial of existence (spec §15).
