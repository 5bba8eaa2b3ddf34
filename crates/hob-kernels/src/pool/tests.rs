use super::*;
use std::sync::atomic::AtomicU32;

fn count_calls(pool: &Pool, chunks: usize) {
    let calls: Vec<AtomicU32> = (0..chunks).map(|_| AtomicU32::new(0)).collect();
    pool.run(chunks, &|i| {
        calls[i].fetch_add(1, Ordering::Relaxed);
    });
    assert!(calls.iter().all(|c| c.load(Ordering::Relaxed) == 1), "{chunks} chunks, each once");
}

#[test]
fn every_chunk_runs_once_with_any_thread_count() {
    for threads in [0, 1, 2, 3, 4, 9] {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads.max(1));
        for chunks in [0, 1, 2, 3, 7, 64, 1000] {
            count_calls(&pool, chunks);
        }
    }
}

#[test]
fn many_small_jobs_and_pauses_in_between() {
    for threads in [2, 4] {
        let pool = Pool::new(threads);
        let total = AtomicUsize::new(0);
        for round in 0..20_000 {
            pool.run(3, &|i| {
                total.fetch_add(i, Ordering::Relaxed);
            });
            if round % 4000 == 0 {
                // Long enough for the workers to park, so that waking is tested too.
                thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        assert_eq!(total.into_inner(), 60_000);
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let pool = Pool::new(3);
    for _ in 0..20 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.run(50, &|i| assert!(i != 17, "chunk seventeen"));
        }));
        let message = caught.unwrap_err();
        assert!(message.downcast_ref::<&str>().is_some_and(|m| m.contains("seventeen")));
        count_calls(&pool, 50);
    }
}

#[test]
fn nested_and_concurrent_calls_complete() {
    let pool = Pool::new(3);
    let total = AtomicUsize::new(0);
    let add = |n: usize| {
        total.fetch_add(n, Ordering::Relaxed);
    };
    pool.run(8, &|_| pool.run(8, &|_| add(1)));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| pool.run(5, &|_| add(1))));
        }
    });
    assert_eq!(total.into_inner(), 64 + 2000);
}

#[test]
fn parts_cover_the_data_once() {
    let pool = Pool::new(2);
    for len in [0, 1, 9, 10, 11, 100] {
        let mut data = vec![0u32; len];
        pool.for_each_part(&mut data, 10, &|index, part| {
            part.iter_mut().for_each(|x| *x += index as u32 + 1);
        });
        let expected: Vec<u32> = (0..len).map(|i| i as u32 / 10 + 1).collect();
        assert_eq!(data, expected);
    }
}

#[test]
#[should_panic(expected = "inside the slice")]
fn a_piece_outside_is_refused() {
    let mut data = [0u8; 4];
    let shared = DisjointMut::new(&mut data);
    // SAFETY: the only piece; the call panics before making it.
    let _ = unsafe { shared.slice(2..5) };
}
