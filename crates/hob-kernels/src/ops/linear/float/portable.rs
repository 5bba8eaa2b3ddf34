//! Plain Rust that the compiler vectorises for the baseline CPU.

const LANES: usize = 8;

pub(super) fn multiply(w: &[f32], x: &[f32], cols: usize, put: &mut dyn FnMut(usize, usize, f32)) {
    for (token, x) in x.chunks_exact(cols).enumerate() {
        for (row, w) in w.chunks_exact(cols).enumerate() {
            put(row, token, dot(w, x));
        }
    }
}

fn dot(w: &[f32], x: &[f32]) -> f32 {
    let (w, w_rest) = w.as_chunks::<LANES>();
    let (x, x_rest) = x.as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for (w, x) in w.iter().zip(x) {
        for lane in 0..LANES {
            lanes[lane] += w[lane] * x[lane];
        }
    }
    for (lane, (w, x)) in lanes.iter_mut().zip(w_rest.iter().zip(x_rest)) {
        *lane += w * x;
    }
    let quad: [f32; 4] = std::array::from_fn(|i| lanes[i] + lanes[i + 4]);
    (quad[0] + quad[2]) + (quad[1] + quad[3])
}
