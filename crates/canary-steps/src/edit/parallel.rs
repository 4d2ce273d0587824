//! The same work for many texts, on all processors: reading YAML is most of what an answer takes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Less text than this is done before a thread has begun: reading takes some 60 ns a byte.
const WORTH_A_THREAD: usize = 16 * 1024;

/// Calls `work` for each item and returns what came of it, in the order of the items. `size` is the text of an item in
/// bytes. A panic in `work` is a panic here.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    size: impl Fn(&T) -> usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = (items.iter().map(size).sum::<usize>() / WORTH_A_THREAD).min(processors());
    if threads < 2 || items.len() < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return done;
            };
            done.push((index, work(item)));
        }
    };
    let mut all = thread::scope(|scope| {
        // This thread is one of them. Where the system has no thread left, it does all of it.
        let others: Vec<_> = (1..threads)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, take).ok())
            .collect();
        let mut all = take();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Asked once: the answer is read from files of the control group.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        for size in [0, WORTH_A_THREAD] {
            let doubled = each(&items, |_| size, |n| n * 2);
            assert_eq!(doubled, items.iter().map(|n| n * 2).collect::<Vec<_>>());
        }
        assert!(each(&[] as &[usize], |_| WORTH_A_THREAD, |n| *n).is_empty());
    }

    #[test]
    fn a_panic_is_a_panic() {
        let items: Vec<usize> = (0..100).collect();
        let broken = || each(&items, |_| WORTH_A_THREAD, |n| assert!(*n != 50, "here"));
        assert!(std::panic::catch_unwind(broken).is_err());
    }
}
