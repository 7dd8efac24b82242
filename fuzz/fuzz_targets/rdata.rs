//! The data of records: any bytes are printed so that they are read as the same, or as data of no
//! form; any value that is taken comes back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use records::{RecordType, rdata};

fuzz_target!(|data: &[u8]| {
    let Some((&[high, low], data)) = data.split_first_chunk() else {
        return;
    };
    let record_type = RecordType(u16::from_be_bytes([high, low]));
    let printed = rdata::print(record_type, data);
    match rdata::parse(record_type, &printed) {
        Ok(read) => assert_eq!(read, data),
        Err(_) => assert!(printed.starts_with("\\# ")),
    }
    let canonical = rdata::canonical(record_type, data);
    assert_eq!(rdata::canonical(record_type, &canonical), canonical);
    let _ = rdata::target_names(record_type, data);
    let value = String::from_utf8_lossy(data);
    if let Ok(wire) = rdata::parse(record_type, &value) {
        let printed = rdata::print(record_type, &wire);
        assert_eq!(rdata::parse(record_type, &printed), Ok(wire));
    }
});
