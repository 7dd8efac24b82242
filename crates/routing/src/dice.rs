/// Cheap randomness, for spreading load and for nothing that must not be guessed: one for each
/// thread, seeded by its owner. The generator is SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Two dice with the same seed throw the same.
    pub fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    /// 64 random bits.
    #[inline]
    pub fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, or 0 if that is 0. No number's chance is off by more than 2⁻³².
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.throw() >> 32) * u64::from(bound)) >> 32) as u32
    }
}
