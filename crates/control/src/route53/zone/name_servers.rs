//! The names of a zone's name servers: `ns-<N>.dns.<domain>`, one of each of four blocks of numbers
//! (spec §4). Every name server of the installation answers to every one of them: the names are
//! many so that zones of one name can be delegated apart.

use std::collections::HashSet;

use documents::Resource;
use documents::route53::Zone;
use shapes::route53::error;

use crate::call::Call;
use crate::error::Failure;
use crate::ids;

/// Numbers of a block.
const BLOCK: u32 = 512;
const BLOCKS: u32 = 4;

/// Chooses among the names.
pub(crate) struct NameServers<'a> {
    domain: &'a str,
}

impl<'a> NameServers<'a> {
    pub(crate) fn new(call: &Call<'a>) -> NameServers<'a> {
        NameServers {
            domain: &call.control.config.domain,
        }
    }

    fn name(&self, number: u32) -> String {
        format!("ns-{number}.dns.{}", self.domain)
    }

    /// Private zones all have the same.
    pub(crate) fn of_private_zones(&self) -> Vec<String> {
        (0..BLOCKS).map(|block| self.name(block * BLOCK)).collect()
    }

    /// Four that no other zone of that name has.
    pub(crate) fn choose_for(
        &self,
        zones: &[Resource<Zone>],
        name: &str,
    ) -> Result<Vec<String>, Failure> {
        let same = zones.iter().map(|zone| &zone.config);
        let same = same.filter(|zone| zone.name == name && !zone.is_private);
        self.choose(&same.flat_map(|zone| zone.name_servers.iter()).collect())
    }

    /// Four that are not among those, in no particular order.
    pub(crate) fn choose(&self, taken: &HashSet<&String>) -> Result<Vec<String>, Failure> {
        let mut chosen = Vec::with_capacity(BLOCKS as usize);
        for block in 0..BLOCKS {
            // Zero is that of private zones.
            let start = random(BLOCK - 1);
            let mut offsets = (0..BLOCK - 1).map(|step| 1 + (start + step) % (BLOCK - 1));
            let free = offsets.find_map(|offset| {
                let name = self.name(block * BLOCK + offset);
                (!taken.contains(&name)).then_some(name)
            });
            chosen.push(free.ok_or_else(|| {
                let message = "Every set of name servers has a zone of this name already.";
                Failure::api(&error::DELEGATION_SET_NOT_AVAILABLE, message)
            })?);
        }
        chosen.rotate_left(random(BLOCKS) as usize);
        Ok(chosen)
    }
}

fn random(below: u32) -> u32 {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let text = ids::text(DIGITS, 6);
    // Six digits of 36: even enough for a choice among hundreds.
    u32::from_str_radix(&text, 36).unwrap_or_default() % below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_name_servers_are_of_four_blocks_and_of_no_other_zone() {
        let servers = NameServers {
            domain: "cdn.localhost",
        };
        let taken: Vec<String> = (1..511).map(|number| servers.name(number)).collect();
        let chosen = servers.choose(&taken.iter().collect()).unwrap();
        assert!(
            chosen.contains(&"ns-511.dns.cdn.localhost".to_owned()),
            "{chosen:?}"
        );
        let number = |name: &String| name[3..].split('.').next()?.parse::<u32>().ok();
        let mut blocks: Vec<_> = chosen
            .iter()
            .filter_map(number)
            .map(|n| n / BLOCK)
            .collect();
        blocks.sort_unstable();
        assert_eq!(blocks, [0, 1, 2, 3]);
        let all: Vec<String> = (1..512).map(|number| servers.name(number)).collect();
        assert!(servers.choose(&all.iter().collect()).is_err());
    }
}
