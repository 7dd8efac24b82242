use std::fmt;
use std::str::FromStr;

/// A record's type, by its number (IANA).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

macro_rules! types {
    ($($name:ident = $number:literal),* $(,)?) => {
        #[allow(missing_docs)]
        impl RecordType {
            $(pub const $name: RecordType = RecordType($number);)*
        }

        const NAMES: &[(&str, RecordType)] = &[$((stringify!($name), RecordType($number))),*];
    };
}

types! {
    A = 1, NS = 2, CNAME = 5, SOA = 6, PTR = 12, HINFO = 13, MX = 15, TXT = 16, AAAA = 28, SRV = 33,
    NAPTR = 35, OPT = 41, DS = 43, SSHFP = 44, RRSIG = 46, NSEC = 47, DNSKEY = 48, TLSA = 52,
    SVCB = 64, HTTPS = 65, SPF = 99, NXNAME = 128, TSIG = 250, IXFR = 251, AXFR = 252, ANY = 255,
    CAA = 257,
}

/// `A`, or `TYPE1234` for one without a name here (RFC 3597 §5).
impl fmt::Display for RecordType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, known)| known == self) {
            Some((name, _)) => formatter.pad(name),
            None => write!(formatter, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for RecordType {
    type Err = ();

    fn from_str(text: &str) -> Result<RecordType, ()> {
        let known = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        if let Some((_, known)) = known {
            return Ok(*known);
        }
        let head = text.get(..4);
        let number = head.filter(|head| head.eq_ignore_ascii_case("TYPE"));
        let digits = number.map(|_| &text[4..]);
        let digits = digits.filter(|digits| digits.starts_with(|sign: char| sign != '+'));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(RecordType).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_name_or_number() {
        assert_eq!("aaaa".parse(), Ok(RecordType::AAAA));
        assert_eq!("TYPE28".parse(), Ok(RecordType::AAAA));
        assert_eq!(RecordType(1234).to_string(), "TYPE1234");
        for text in ["NOPE", "TYPE", "TYPE+5", "TYPE65536", "TYPÉ5"] {
            assert!(text.parse::<RecordType>().is_err(), "{text}");
        }
    }
}
