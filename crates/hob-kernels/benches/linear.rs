//! Speed of linear layers: read rate for one token, multiply-accumulates per second for many, each beside what this
//! machine reaches in a loop that only reads or only multiplies, measured in the same run.
//!
//! `cargo bench -p hob-kernels --bench linear -- [THREADS] [FORMAT...] [T=TOKENS...] [memory]`; `HOB_ISA` picks the
//! instruction set, and `memory` takes weights from there for any number of tokens instead of from the cache.
//! With one thread on Linux the clock is the thread's own CPU time, so that other processes' turns do not count.
#![allow(unsafe_code, reason = "the peak rates are loops of single instructions")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, reason = "a failed benchmark has nobody to report to but its reader")]

use hob_kernels::probe::Probe;
use hob_kernels::{CodeBits, Compute, Cpu, Isa, Linear, Matrix, Pool, Projection, ScaleType, Scales};
use hob_quant::TensorType;
use std::hint::black_box;
use std::time::Instant;

/// Bytes of weights for the one-token rows: several times any cache.
const STREAM_BYTES: usize = 160 << 20;

const FORMATS: [&str; 28] = [
    "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS",
    "TQ1_0", "TQ2_0", "MXFP4", "F16", "BF16", "F32", "int2", "int4", "int8", "IQ1_S", "IQ1_M", "IQ2_XXS",
    "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let threads = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(1);
    let (counts, wanted): (Vec<&str>, Vec<&str>) =
        arguments.iter().skip(1).map(String::as_str).partition(|a| a.starts_with("T="));
    let counts: Vec<usize> = counts.iter().filter_map(|c| c[2..].parse().ok()).collect();
    let from_memory = arguments.iter().any(|a| a == "memory");
    let is_wanted = |tokens: usize| counts.is_empty() || counts.contains(&tokens);
    let cpu = Cpu::new(threads, Compute::Fast);
    let pool = Pool::new(threads);
    println!("{} threads, {}; one dispatch {:.2} us", threads, cpu.isa(), dispatch_us(&pool));
    println!("read loop {:.1} GB/s, dot peak {:.0} GMAC/s", read_rate(&pool), dot_peak(&pool, cpu.isa()));
    println!("{:8} {:>12} {:>5} {:>9} {:>9} {:>8}", "format", "shape", "T", "GB/s", "GMAC/s", "of peak");
    for format in
        FORMATS.into_iter().filter(|f| !wanted.iter().any(|w| FORMATS.contains(w)) || wanted.contains(f))
    {
        if is_wanted(1) {
            one_token(&cpu, &pool, format);
        }
        let rows = if from_memory { STREAM_BYTES / 2048 } else { 2048 };
        for tokens in [1, 2, 4, 8, 16, 32, 64, 512].into_iter().filter(|&t| is_wanted(t)) {
            many_tokens(&cpu, &pool, format, rows, 2048, tokens);
        }
        if is_wanted(512) && !from_memory {
            many_tokens(&cpu, &pool, format, 8192, 2048, 512);
            many_tokens(&cpu, &pool, format, 2048, 8192, 512);
        }
    }
}

fn one_token(cpu: &Cpu, pool: &Pool, format: &str) {
    let cols = 2048;
    let sample = linear(format, 32, cols).weight.byte_len();
    let rows = (STREAM_BYTES / sample * 32).next_multiple_of(32);
    let linear = linear(format, rows, cols);
    let x = values(cols);
    let mut out = vec![0.0; rows];
    let (mut best, mut read) = (0.0f64, 0.0f64);
    for _ in 0..7 {
        read = read.max(read_rate(pool));
        let seconds = seconds_of(pool, || {
            cpu.project(&x, 1, &mut [Projection { linear: &linear, out: &mut out }]);
        });
        best = best.max(linear.weight.byte_len() as f64 / seconds / 1e9);
    }
    let macs = best / linear.weight.byte_len() as f64 * (rows * cols) as f64;
    println!(
        "{format:8} {:>12} {:>5} {best:>9.1} {macs:>9.1} {:>7.0}%",
        format!("{rows}x{cols}"),
        1,
        100.0 * best / read
    );
}

fn many_tokens(cpu: &Cpu, pool: &Pool, format: &str, rows: usize, cols: usize, tokens: usize) {
    let linear = linear(format, rows, cols);
    let x = values(cols * tokens);
    let mut out = vec![0.0; rows * tokens];
    let (mut best, mut peak) = (0.0f64, 0.0f64);
    for _ in 0..5 {
        peak = peak.max(dot_peak(pool, cpu.isa()));
        let seconds = seconds_of(pool, || {
            cpu.project(&x, tokens, &mut [Projection { linear: &linear, out: &mut out }]);
        });
        best = best.max((rows * cols * tokens) as f64 / seconds / 1e9);
    }
    println!(
        "{format:8} {:>12} {tokens:>5} {:>9} {best:>9.1} {:>7.0}%",
        format!("{rows}x{cols}"),
        "",
        100.0 * best / peak
    );
}

/// Seconds of one call: of some turns of a millisecond or a call the shortest, since others use the same cores.
fn seconds_of(pool: &Pool, mut call: impl FnMut()) -> f64 {
    let all = Clock::start(pool);
    let mut best = f64::INFINITY;
    while best.is_infinite() || all.seconds() < 0.02 {
        let turn = Clock::start(pool);
        let mut calls = 0;
        while calls == 0 || turn.seconds() < 0.001 {
            call();
            calls += 1;
        }
        best = best.min(turn.seconds() / f64::from(calls));
    }
    best
}

/// A stop watch: CPU time of this thread where that is all the time there is, else time.
enum Clock {
    Wall(Instant),
    #[cfg(target_os = "linux")]
    Thread(f64),
}

impl Clock {
    fn start(pool: &Pool) -> Self {
        #[cfg(target_os = "linux")]
        if pool.threads() == 1 {
            return Clock::Thread(thread_seconds());
        }
        let _ = pool;
        Clock::Wall(Instant::now())
    }

    fn seconds(&self) -> f64 {
        match self {
            Clock::Wall(start) => start.elapsed().as_secs_f64(),
            #[cfg(target_os = "linux")]
            Clock::Thread(start) => thread_seconds() - start,
        }
    }
}

/// CPU time of this thread. The standard library has no such clock, but links the C library that does.
#[cfg(target_os = "linux")]
fn thread_seconds() -> f64 {
    #[repr(C)]
    struct Timespec {
        seconds: std::ffi::c_long,
        nanoseconds: std::ffi::c_long,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: std::ffi::c_int, time: *mut Timespec) -> std::ffi::c_int;
    }
    const THREAD_CPU_TIME: std::ffi::c_int = 3;
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: `time` is a valid place for the two longs that the call writes on 64-bit Linux.
    unsafe { clock_gettime(THREAD_CPU_TIME, &mut time) };
    time.seconds as f64 + time.nanoseconds as f64 * 1e-9
}

fn values(len: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 24) as f32 - 0.5
    };
    (0..len).map(|_| (0..4).map(|_| next()).sum()).collect()
}

/// A layer of that format. 32 distinct rows are repeated: the values do not change the speed.
fn linear(format: &str, rows: usize, cols: usize) -> Linear {
    let bits = match format {
        "int2" => Some(CodeBits::Two),
        "int4" => Some(CodeBits::Four),
        "int8" => Some(CodeBits::Eight),
        _ => None,
    };
    let repeat =
        |bytes: Vec<u8>| -> Vec<u8> { bytes.iter().copied().cycle().take(bytes.len() / 32 * rows).collect() };
    if let Some(bits) = bits {
        let codes = values(32 * bits.row_bytes(cols)).iter().map(|v| (v * 256.0) as i32 as u8).collect();
        let bytes = repeat(codes).into();
        let scales = 0.01f32.to_le_bytes().repeat(rows).into();
        let weight = Matrix::from_codes(
            bits,
            rows,
            cols,
            bytes,
            Scales { bytes: scales, ty: ScaleType::F32, groups: 1 },
        );
        return Linear { input_scale: Some(0.02), output_scale: Some(0.05), ..Linear::new(weight.unwrap()) };
    }
    let ty = TensorType::from_name(format).unwrap();
    let mut bytes = vec![0; 32 * ty.row_bytes(cols).unwrap()];
    if ty.can_quantize() {
        hob_quant::quantize_row(ty, &values(32 * cols), &mut bytes).unwrap();
    } else {
        // Any bytes are codes of the codebook types; a scale that is no number only makes sums that are none.
        bytes
            .iter_mut()
            .zip(&values(32 * ty.row_bytes(cols).unwrap()))
            .for_each(|(byte, value)| *byte = (value * 256.0) as i32 as u8);
    }
    Linear::new(Matrix::from_blocks(ty, rows, cols, repeat(bytes).into()).unwrap())
}

fn dispatch_us(pool: &Pool) -> f64 {
    let chunks = pool.threads();
    1e6 * (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..2000).for_each(|_| {
                pool.run(chunks, &|chunk| {
                    black_box(chunk);
                })
            });
            start.elapsed().as_secs_f64() / 2000.0
        })
        .fold(f64::INFINITY, f64::min)
}

/// GB/s of a loop that only reads, spread over the pool.
fn read_rate(pool: &Pool) -> f64 {
    use std::sync::OnceLock;
    static DATA: OnceLock<Vec<u64>> = OnceLock::new();
    let data = DATA.get_or_init(|| (0..STREAM_BYTES as u64 / 8).collect());
    let chunk = 1 << 13;
    let seconds = seconds_of(pool, || {
        pool.run(data.len() / chunk, &|i| {
            let mut lanes = [0u64; 32];
            for values in data[i * chunk..][..chunk].as_chunks::<32>().0 {
                lanes.iter_mut().zip(values).for_each(|(lane, v)| *lane ^= v);
            }
            black_box(lanes);
        });
    });
    STREAM_BYTES as f64 / seconds / 1e9
}

/// GMAC/s of a loop of the level's best dot instruction, on all threads of the pool.
fn dot_peak(pool: &Pool, isa: Isa) -> f64 {
    const ROUNDS: usize = 100_000;
    let per_round = dot_macs(isa);
    let chunks = pool.threads();
    let seconds = seconds_of(pool, || pool.run(chunks, &|_| dots(isa, ROUNDS)));
    (chunks * ROUNDS * per_round) as f64 / seconds / 1e9
}

/// Multiply-accumulates in one round of [`dots`].
fn dot_macs(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 16 * 64,
        Isa::Amx => amx_probe().macs(1) as usize,
        Isa::Avx2 => 8 * 32,
        _ => 16,
    }
}

/// What products of tiles could be, which only the library can call.
fn amx_probe() -> Probe {
    Probe::available().into_iter().find(|probe| probe.instruction == "tdpbusd").unwrap()
}

fn dots(isa: Isa, rounds: usize) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Cpu::new` refused this level if the machine lacks it.
        Isa::Avx512 => unsafe { x86_64::dots_avx512(rounds) },
        #[cfg(target_arch = "x86_64")]
        Isa::Amx => amx_probe().run(rounds as u64),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Cpu::new` refused this level if the machine lacks it.
        Isa::Avx2 => unsafe { x86_64::dots_avx2(rounds) },
        _ => {
            let mut lanes = [1i32; 16];
            for i in 0..rounds {
                lanes
                    .iter_mut()
                    .for_each(|lane| *lane = lane.wrapping_add(lane.wrapping_mul(black_box(i) as i32)));
            }
            black_box(lanes);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn dots_avx512(rounds: usize) {
        let (w, x) = (_mm512_set1_epi32(black_box(0x0102_0304)), _mm512_set1_epi32(black_box(0x0101_0101)));
        let mut sums = [_mm512_setzero_si512(); 16];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, w, x);
            }
        }
        black_box(sums);
    }

    /// The AVX2 way: pairs in 16 bits, then pairs of those in 32, then the sum.
    #[target_feature(enable = "avx2")]
    pub(super) fn dots_avx2(rounds: usize) {
        let (w, x) = (_mm256_set1_epi32(black_box(0x0102_0304)), _mm256_set1_epi32(black_box(0x0101_0101)));
        let ones = _mm256_set1_epi16(black_box(1));
        let mut sums = [_mm256_setzero_si256(); 8];
        for _ in 0..rounds {
            for sum in &mut sums {
                let pairs = _mm256_maddubs_epi16(_mm256_or_si256(w, *sum), x);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        black_box(sums);
    }
}
