//! Room for conditions that nest deep.

use std::thread;

/// Up to this depth any thread's stack is enough.
const SHALLOW: usize = 64;
/// What one level of the deepest pass takes at most, in bytes. Builds without optimization need ten times as much as
/// those with it.
const LEVEL: usize = if cfg!(debug_assertions) { 16 << 10 } else { 4 << 10 };

/// How deep an expression can nest at most, by its brackets and operators.
pub(crate) fn levels(source: &str) -> usize {
    let mut words = 0;
    let mut in_word = false;
    for b in source.bytes() {
        let is_word = b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
        // An operator in letters is a word like any other.
        words += usize::from(is_word && !in_word);
        in_word = is_word;
        words += usize::from(matches!(
            b,
            b'(' | b'['
                | b'{'
                | b'!'
                | b'-'
                | b'+'
                | b'*'
                | b'/'
                | b'%'
                | b'^'
                | b'<'
                | b'>'
                | b'='
                | b'&'
                | b'|'
                | b'?'
                | b'.'
                | b';'
                | b':'
                | b'#'
        ));
    }
    words
}

/// Runs `work`, which recurses at most `levels` deep and stops by itself at `max`; a deep one on a stack of its own.
///
/// A tree of thousands of levels is legal, and the stack of a thread of a server is two megabytes: without this, one
/// tenant's condition would end the process for all.
pub(crate) fn deep<T: Send>(levels: usize, max: usize, work: impl FnOnce() -> T + Send) -> T {
    if levels <= SHALLOW {
        return work();
    }
    let size = (1 << 20) + levels.min(max.saturating_mul(2)) * LEVEL;
    thread::scope(|scope| {
        let spawned = thread::Builder::new()
            .name("condition".to_owned())
            .stack_size(size)
            .spawn_scoped(scope, work);
        match spawned.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("no thread for a deeply nested condition: {error}"),
        }
    })
}
