//! An allocator that counts, for tests that promise bounded memory.
#![allow(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; every call goes unchanged to the system's"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator with a count of live bytes over all threads. Install it with `#[global_allocator]`.
#[derive(Debug, Default)]
pub struct CountingAllocator;

/// Bytes allocated now.
pub fn live_bytes() -> usize {
    NOW.load(Relaxed)
}

/// Starts a measurement: the peak becomes what is live now, which is also returned.
pub fn reset_peak() -> usize {
    let now = live_bytes();
    PEAK.store(now, Relaxed);
    now
}

/// Most bytes that were live at once since [`reset_peak`].
pub fn peak_bytes() -> usize {
    PEAK.load(Relaxed)
}

/// Lets every allocation fail that would take the live bytes past `bytes`, so that a runaway ends before the machine
/// does.
pub fn set_limit(bytes: usize) {
    LIMIT.store(bytes, Relaxed);
}

fn admit(bytes: usize) -> bool {
    let now = NOW.fetch_add(bytes, Relaxed).saturating_add(bytes);
    if now > LIMIT.load(Relaxed) {
        NOW.fetch_sub(bytes, Relaxed);
        return false;
    }
    PEAK.fetch_max(now, Relaxed);
    true
}

// SAFETY: each method hands its arguments unchanged to `System`, which keeps the trait's promises; a null pointer is
// the permitted answer to an allocation over the limit.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !admit(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !admit(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise that `ptr` came from here with `layout` holds for `System` too.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if new_size > layout.size() {
            if !admit(new_size - layout.size()) {
                return std::ptr::null_mut();
            }
        } else {
            NOW.fetch_sub(layout.size() - new_size, Relaxed);
        }
        // SAFETY: the caller's promises about `ptr`, `layout` and `new_size` are passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}
