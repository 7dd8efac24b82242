//! A writer of small databases for tests, here and in the crates above. It does what the format
//! asks for and nothing for speed or size.

use std::collections::HashMap;
use std::net::IpAddr;

/// A value to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// A map, in the order given.
    Map(Vec<(&'static str, Datum)>),
    /// An array.
    Array(Vec<Datum>),
    /// A text.
    Text(String),
    /// A 64-bit float.
    Double(f64),
    /// A 16-bit number.
    Uint16(u16),
    /// A 32-bit number.
    Uint32(u32),
    /// A 64-bit number.
    Uint64(u64),
}

impl Datum {
    /// A text.
    pub fn text(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }

    /// A record of a country-only database: `{"country": {"iso_code": …}}`.
    pub fn country(code: &str) -> Datum {
        Datum::Map(vec![(
            "country",
            Datum::Map(vec![("iso_code", Datum::text(code))]),
        )])
    }

    /// Appends the value in the format's encoding: type and size in a control byte, then contents.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Datum::Map(pairs) => {
                write_control(7, pairs.len(), out);
                for (key, value) in pairs {
                    Datum::text(key).write(out);
                    value.write(out);
                }
            }
            Datum::Array(items) => {
                write_control(11, items.len(), out);
                items.iter().for_each(|item| item.write(out));
            }
            Datum::Text(text) => {
                write_control(2, text.len(), out);
                out.extend_from_slice(text.as_bytes());
            }
            Datum::Double(number) => {
                write_control(3, 8, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Datum::Uint16(number) => {
                write_control(5, 2, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Datum::Uint32(number) => {
                write_control(6, 4, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Datum::Uint64(number) => {
                write_control(9, 8, out);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
}

/// Types up to 7 stand in the upper 3 bits, later ones in a byte of their own; sizes from 29 and
/// from 285 take one and two more bytes.
fn write_control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let upper = if kind <= 7 { kind << 5 } else { 0 };
    let (lower, rest) = match size {
        0..29 => (size as u8, vec![]),
        29..285 => (29, vec![(size - 29) as u8]),
        _ => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
    };
    out.push(upper | lower);
    if kind > 7 {
        out.push(kind - 7);
    }
    out.extend_from_slice(&rest);
}

/// Collects networks and writes the file.
#[derive(Clone, Debug)]
pub struct DatabaseWriter {
    ip_version: u16,
    record_bits: u16,
    nodes: Vec<[Slot; 2]>,
    data: Vec<u8>,
    offsets: HashMap<Vec<u8>, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    Empty,
    Node(usize),
    Data(usize),
}

impl DatabaseWriter {
    /// A database for both address families, with records of 24, 28 or 32 bits.
    pub fn new(record_bits: u16) -> DatabaseWriter {
        DatabaseWriter {
            ip_version: 6,
            record_bits,
            nodes: vec![[Slot::Empty; 2]],
            data: Vec::new(),
            offsets: HashMap::new(),
        }
    }

    /// A database for IPv4 addresses alone.
    pub fn v4_only(record_bits: u16) -> DatabaseWriter {
        DatabaseWriter {
            ip_version: 4,
            ..DatabaseWriter::new(record_bits)
        }
    }

    /// Says what a network is; of two that overlap, the one added later wins where both are.
    pub fn add(&mut self, address: IpAddr, prefix_bits: u8, datum: &Datum) -> &mut DatabaseWriter {
        let mut encoded = Vec::new();
        datum.write(&mut encoded);
        let offset = *self.offsets.entry(encoded.clone()).or_insert_with(|| {
            let offset = self.data.len();
            self.data.extend_from_slice(&encoded);
            offset
        });
        let (bits, depth) = self.place(address, prefix_bits);
        self.put(bits, depth, Slot::Data(offset));
        self
    }

    /// Makes a network of IPv6 addresses another way to the IPv4 addresses, as MaxMind does.
    pub fn alias_v4(&mut self, address: IpAddr, prefix_bits: u8) -> &mut DatabaseWriter {
        let mut node = 0;
        for _ in 0..96 {
            node = self.child_node(node, 0);
        }
        let (bits, depth) = self.place(address, prefix_bits);
        self.put(bits, depth, Slot::Node(node));
        self
    }

    /// The file.
    pub fn finish(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut file = Vec::new();
        for node in &self.nodes {
            let [zero, one] = node.map(|slot| match slot {
                Slot::Empty => count as u32,
                Slot::Node(node) => node as u32,
                Slot::Data(offset) => (count + 16 + offset) as u32,
            });
            match self.record_bits {
                24 => {
                    file.extend_from_slice(&zero.to_be_bytes()[1..]);
                    file.extend_from_slice(&one.to_be_bytes()[1..]);
                }
                28 => {
                    file.extend_from_slice(&zero.to_be_bytes()[1..]);
                    file.push((zero >> 24 << 4 | one >> 24) as u8);
                    file.extend_from_slice(&one.to_be_bytes()[1..]);
                }
                _ => {
                    file.extend_from_slice(&zero.to_be_bytes());
                    file.extend_from_slice(&one.to_be_bytes());
                }
            }
        }
        file.extend_from_slice(&[0; 16]);
        file.extend_from_slice(&self.data);
        file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
        self.write_metadata(&mut file);
        file
    }

    fn write_metadata(&self, file: &mut Vec<u8>) {
        Datum::Map(vec![
            ("binary_format_major_version", Datum::Uint16(2)),
            ("binary_format_minor_version", Datum::Uint16(0)),
            ("build_epoch", Datum::Uint64(1_700_000_000)),
            ("database_type", Datum::text("Warmfront-Test")),
            ("description", Datum::Map(vec![])),
            ("ip_version", Datum::Uint16(self.ip_version)),
            ("languages", Datum::Array(vec![])),
            ("node_count", Datum::Uint32(self.nodes.len() as u32)),
            ("record_size", Datum::Uint16(self.record_bits)),
        ])
        .write(file);
    }

    /// An address's bits, left-aligned, and how many of them lead to the network.
    fn place(&self, address: IpAddr, prefix_bits: u8) -> (u128, u8) {
        match address {
            IpAddr::V4(address) if self.ip_version == 4 => {
                (u128::from(u32::from(address)) << 96, prefix_bits)
            }
            IpAddr::V4(address) => (u128::from(u32::from(address)), prefix_bits + 96),
            IpAddr::V6(address) => (u128::from(address), prefix_bits),
        }
    }

    fn put(&mut self, bits: u128, depth: u8, slot: Slot) {
        assert!(depth > 0, "a database that is one network has no tree");
        let bit = |at: u8| (bits >> (127 - at)) as usize & 1;
        let mut node = 0;
        for at in 0..depth - 1 {
            node = self.child_node(node, bit(at));
        }
        self.nodes[node][bit(depth - 1)] = slot;
    }

    /// The node on that side, made if need be; what was there fills both of its sides.
    fn child_node(&mut self, node: usize, side: usize) -> usize {
        match self.nodes[node][side] {
            Slot::Node(child) => child,
            slot => {
                let child = self.nodes.len();
                self.nodes.push([slot; 2]);
                self.nodes[node][side] = Slot::Node(child);
                child
            }
        }
    }
}
