//! Whether AMX may be used: the standard library does not tell yet, and Linux wants to be asked before the first use, since
//! it has to keep eight kilobytes more of every thread.
#![allow(unsafe_code)]

use std::arch::x86_64::__cpuid_count;

/// Whether the CPU has tiles, products of 8-bit integers and of bf16 pairs.
pub(super) fn is_there() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    const INT8: u32 = 1 << 25;
    const ALL: u32 = BF16 | TILE | INT8;
    __cpuid_count(7, 0).edx & ALL == ALL
}

/// Asks the system for this process and all its threads; a system that knows nothing of tiles refuses.
#[cfg(target_os = "linux")]
pub(super) fn is_permitted() -> bool {
    use std::ffi::c_long;

    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    const ARCH_PRCTL: c_long = 158;
    const ARCH_REQ_XCOMP_PERM: c_long = 0x1023;
    const TILE_DATA: c_long = 18;
    // SAFETY: a request by numbers; no memory is touched.
    unsafe { syscall(ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

/// Other systems are not asked: nobody has tried what they answer.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_permitted() -> bool {
    false
}
