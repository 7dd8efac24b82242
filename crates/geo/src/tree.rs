use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maxminddb::Reader;

use crate::record::{Texts, Value};
use crate::table::{NOWHERE, Table};
use crate::{DatabaseError, Location, limits};

/// A search tree over the bits of addresses.
///
/// Each node has two records, for the next bit 0 and 1. A record below the node count is a node,
/// one equal to it is nothing, one above it points to data. The tree of an IPv6 database has the
/// IPv4 addresses below `::/96`, and may point there from other places (`::ffff:0:0/96`,
/// `2002::/16`), which are left out here.
///
/// We walk it ourselves, since the walk of the library has no bound on damaged files; records
/// are decoded by the library.
pub(crate) struct Tree<'a> {
    reader: Reader<&'a [u8]>,
    nodes: &'a [u8],
    node_count: u32,
    record_bits: u16,
    address_bits: u8,
}

/// The tables of a tree.
pub(crate) struct Compiled {
    pub v4: Table<u32>,
    pub v6: Table<u128>,
    pub locations: Vec<Location>,
}

/// Bits above the IPv4 addresses in an IPv6 tree.
const V4_DEPTH: u8 = 96;

/// Between the tree and the data lie that many zero bytes; pointers count them.
const SEPARATOR_BYTES: usize = 16;

/// A place in the tree: a record, and the address bits that lead to it, left-aligned.
struct Branch {
    record: u32,
    address: u128,
    depth: u8,
}

impl<'a> Tree<'a> {
    pub fn read(database: &'a [u8]) -> Result<Tree<'a>, DatabaseError> {
        let reader = Reader::from_source(database)?;
        let metadata = reader.metadata();
        Ok(Tree {
            nodes: database,
            node_count: metadata.node_count,
            record_bits: metadata.record_size,
            address_bits: if metadata.ip_version == 6 { 128 } else { 32 },
            reader,
        })
    }

    pub fn database_type(&self) -> &str {
        &self.reader.metadata().database_type
    }

    pub fn built_at_secs(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    pub fn compile(&self) -> Result<Compiled, DatabaseError> {
        let mut tables = Compiled {
            v4: Table::new(),
            v6: Table::new(),
            locations: Vec::new(),
        };
        let mut places = Places {
            tree: self,
            by_record: HashMap::new(),
            texts: Texts::default(),
        };
        let v4_root = self.v4_root()?;
        let mut visits_left = limits::VISITS_PER_NODE_MAX * u64::from(self.node_count) + 1;
        let mut pending = vec![Branch {
            record: 0,
            address: 0,
            depth: 0,
        }];
        while let Some(branch) = pending.pop() {
            let is_alias = v4_root == Some(branch.record)
                && !(branch.address == 0 && branch.depth == V4_DEPTH);
            if branch.record >= self.node_count || is_alias {
                let place = if is_alias || branch.record == self.node_count {
                    NOWHERE
                } else {
                    places.place(&branch, &mut tables.locations)?
                };
                self.add(&mut tables, &branch, place);
                continue;
            }
            visits_left = visits_left.checked_sub(1).ok_or(DatabaseError::Tree)?;
            if branch.depth == self.address_bits {
                return Err(DatabaseError::Tree);
            }
            let [zero, one] = self.children(branch.record)?;
            let depth = branch.depth + 1;
            let one_address = branch.address | 1 << (128 - depth);
            pending.push(Branch {
                record: one,
                address: one_address,
                depth,
            });
            pending.push(Branch {
                record: zero,
                address: branch.address,
                depth,
            });
        }
        if tables.locations.is_empty() {
            return Err(DatabaseError::NoLocations(self.database_type().to_owned()));
        }
        tables.v4.finish();
        tables.v6.finish();
        Ok(tables)
    }

    /// Adds a leaf to the table of its address family, or to both if it is above the IPv4 part.
    fn add(&self, tables: &mut Compiled, leaf: &Branch, place: u32) {
        if self.address_bits == 32 {
            tables.v4.push((leaf.address >> V4_DEPTH) as u32, place);
        } else if leaf.address >> 32 == 0 && leaf.depth >= V4_DEPTH {
            tables.v4.push(leaf.address as u32, place);
        } else {
            tables.v6.push(leaf.address, place);
            if leaf.address == 0 {
                tables.v4.push(0, place);
            }
        }
    }

    /// The node below which the IPv4 addresses of an IPv6 tree lie.
    fn v4_root(&self) -> Result<Option<u32>, DatabaseError> {
        if self.address_bits == 32 {
            return Ok(None);
        }
        let mut record = 0;
        for _ in 0..V4_DEPTH {
            if record >= self.node_count {
                return Ok(None);
            }
            [record, _] = self.children(record)?;
        }
        Ok((record < self.node_count).then_some(record))
    }

    /// The two records of a node: 24, 28 or 32 bits each, big-endian. With 28, the byte in the
    /// middle has the upper 4 bits of the first and then those of the second.
    fn children(&self, node: u32) -> Result<[u32; 2], DatabaseError> {
        let node_bytes = usize::from(self.record_bits) / 4;
        let start = node as usize * node_bytes;
        let bytes = self
            .nodes
            .get(start..start + node_bytes)
            .ok_or(DatabaseError::Tree)?;
        Ok(match *bytes {
            [a, b, c, d, e, f] => [
                u32::from_be_bytes([0, a, b, c]),
                u32::from_be_bytes([0, d, e, f]),
            ],
            [a, b, c, m, d, e, f] => [
                u32::from_be_bytes([m >> 4, a, b, c]),
                u32::from_be_bytes([m & 0xf, d, e, f]),
            ],
            [a, b, c, d, e, f, g, h] => [
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            ],
            _ => return Err(DatabaseError::Tree),
        })
    }
}

/// The locations of records, each decoded once.
struct Places<'t, 'a> {
    tree: &'t Tree<'a>,
    by_record: HashMap<u32, u32>,
    texts: Texts,
}

impl Places<'_, '_> {
    /// The number of a leaf's location.
    fn place(
        &mut self,
        leaf: &Branch,
        locations: &mut Vec<Location>,
    ) -> Result<u32, DatabaseError> {
        if let Some(place) = self.by_record.get(&leaf.record) {
            return Ok(*place);
        }
        let location = self.tree.value_of(leaf)?.location(&mut self.texts);
        let place = if location == Location::default() {
            NOWHERE
        } else if locations.len() == limits::LOCATIONS_MAX {
            return Err(DatabaseError::Locations);
        } else {
            locations.push(location);
            locations.len() as u32 - 1
        };
        self.by_record.insert(leaf.record, place);
        Ok(place)
    }
}

impl Tree<'_> {
    /// The data that a leaf points to. The library finds it by address, not by pointer.
    fn value_of(&self, leaf: &Branch) -> Result<Value, DatabaseError> {
        let is_v4 = leaf.address >> 32 == 0 && leaf.depth >= V4_DEPTH;
        let address = if self.address_bits == 32 {
            IpAddr::V4(Ipv4Addr::from((leaf.address >> V4_DEPTH) as u32))
        } else if is_v4 {
            IpAddr::V4(Ipv4Addr::from(leaf.address as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from(leaf.address))
        };
        let found = self.reader.lookup(address)?;
        let offset = (leaf.record - self.node_count) as usize;
        if found.offset().map(|found| found + SEPARATOR_BYTES) != Some(offset) {
            return Err(DatabaseError::Tree);
        }
        Ok(found.decode()?.unwrap_or(Value::Other))
    }
}
