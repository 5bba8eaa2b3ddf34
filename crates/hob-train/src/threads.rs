//! Work in parts.

use std::thread;

/// Does `work` for each of `parts`, in a thread of its own; the first error in the order of the parts is given.
///
/// # Panics
/// When `work` panics.
pub fn in_threads<P: Send, E: Send>(
    parts: impl Iterator<Item = P>,
    work: impl Fn(P) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        running.into_iter().try_for_each(|part| part.join().expect("the work does not panic"))
    })
}
