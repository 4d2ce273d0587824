//! What is remembered between requests. All of it only makes the process faster; nothing is needed after a restart.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// A bounded memory whose entries have a life.
pub(super) struct Memory<K, V> {
    entries: Mutex<HashMap<K, (V, Instant)>>,
    life: Duration,
    most: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> Memory<K, V> {
    /// A memory of at most so many entries.
    pub(super) fn new(life: Duration, most: usize) -> Self {
        Self {
            entries: Mutex::default(),
            life,
            most,
        }
    }

    /// An entry that is still alive, and its age.
    pub(super) fn recall(&self, key: &K) -> Option<(V, Duration)> {
        let entries = self.entries.lock().expect("no panic holds this lock");
        let (value, since) = entries.get(key)?;
        let age = since.elapsed();
        (age < self.life).then(|| (value.clone(), age))
    }

    /// Remembers; the oldest make room.
    pub(super) fn remember(&self, key: K, value: V) {
        if self.life.is_zero() {
            return;
        }
        let mut entries = self.entries.lock().expect("no panic holds this lock");
        if entries.len() >= self.most && !entries.contains_key(&key) {
            entries.retain(|_, (_, since)| since.elapsed() < self.life);
            if entries.len() >= self.most {
                let mut ages: Vec<Instant> = entries.values().map(|(_, since)| *since).collect();
                ages.sort_unstable();
                let middle = ages[ages.len() / 2];
                entries.retain(|_, (_, since)| *since > middle);
            }
        }
        entries.insert(key, (value, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn entries_die_and_make_room() {
        let memory = Memory::new(Duration::from_secs(10), 4);
        for key in 0..4 {
            memory.remember(key, key);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(memory.recall(&0), Some((0, Duration::from_secs(4))));
        memory.remember(9, 9);
        assert_eq!(memory.recall(&0), None, "the oldest made room");
        assert_eq!(memory.recall(&9).unwrap().0, 9);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(memory.recall(&9), None);
    }
}
