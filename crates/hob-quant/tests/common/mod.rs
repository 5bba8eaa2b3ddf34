//! What several test programs need.

/// Nearly normal values of standard deviation one, the same in every run.
pub fn normals(seed: u64, count: usize) -> Vec<f32> {
    let mut state = 0x2545_F491_4F6C_DD1D ^ (seed << 32);
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 24) as f32 - 0.5
    };
    (0..count).map(|_| (0..12).map(|_| uniform()).sum()).collect()
}
