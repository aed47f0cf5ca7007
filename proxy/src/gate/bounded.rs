//! A map of what strangers make entries in: it forgets what says nothing any more, and when it is full the older half.

use std::collections::HashMap;
use std::hash::Hash;

/// Entries from which on it is looked for what can be forgotten.
const SWEEP_LEN_MIN: usize = 1_024;

/// What an entry is worth.
pub(super) trait Entry {
    /// When it was last used, in milliseconds of the gate's time.
    fn used_at_ms(&self) -> u64;
    /// True when it says nothing any more.
    fn is_over(&self, now_ms: u64) -> bool;
    /// True while something else relies on it.
    fn is_held(&self) -> bool {
        false
    }
}

/// The map. Sweeping costs as much as the entries that were made since the last time.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    map: HashMap<K, V>,
    len_max: usize,
    sweep_at_len: usize,
}

impl<K: Eq + Hash, V: Entry> Bounded<K, V> {
    /// Of so many entries at most, held ones aside.
    pub(super) fn new(len_max: usize) -> Self {
        Self { map: HashMap::new(), len_max, sweep_at_len: SWEEP_LEN_MIN.min(len_max) }
    }

    /// Changes how many there may be, from the next new entry on.
    pub(super) fn set_len_max(&mut self, len_max: usize) {
        self.len_max = len_max;
        self.sweep_at_len = self.sweep_at_len.min(len_max);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter()
    }

    /// The entry of this key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    /// The entry of this key, made when there is none.
    pub(super) fn get_or_insert_with(
        &mut self,
        key: K,
        now_ms: u64,
        make: impl FnOnce() -> V,
    ) -> &mut V {
        if self.map.len() >= self.sweep_at_len && !self.map.contains_key(&key) {
            self.make_room(now_ms);
        }
        self.map.entry(key).or_insert_with(make)
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key)
    }

    /// Keeps what is wanted.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.map.retain(|key, entry| keep(key, entry));
    }

    fn make_room(&mut self, now_ms: u64) {
        self.map.retain(|_, entry| entry.is_held() || !entry.is_over(now_ms));
        if self.map.len() >= self.len_max {
            self.forget_the_older_half();
        }
        let grown = self.map.len().saturating_mul(2).max(SWEEP_LEN_MIN);
        self.sweep_at_len = grown.min(self.len_max.max(self.map.len() + 1));
        self.map.shrink_to(self.sweep_at_len);
    }

    fn forget_the_older_half(&mut self) {
        let free = self.map.values().filter(|entry| !entry.is_held());
        let mut ages: Vec<u64> = free.map(Entry::used_at_ms).collect();
        if ages.is_empty() {
            return;
        }
        let middle = ages.len() / 2;
        let median = *ages.select_nth_unstable(middle).1;
        // Of those that are as old as the middle just enough go.
        let mut surplus = middle + 1 - ages.iter().filter(|age| **age < median).count();
        self.map.retain(|_, entry| {
            let age = entry.used_at_ms();
            if entry.is_held() || age > median {
                return true;
            }
            if age < median {
                return false;
            }
            let goes = surplus > 0;
            surplus = surplus.saturating_sub(1);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Used(u64);

    impl Entry for Used {
        fn used_at_ms(&self) -> u64 {
            self.0
        }

        fn is_over(&self, now_ms: u64) -> bool {
            now_ms > self.0 + 1_000_000
        }

        fn is_held(&self) -> bool {
            self.0.is_multiple_of(1_000)
        }
    }

    #[test]
    fn a_million_strangers_take_no_more_than_there_is() {
        let mut map = Bounded::new(10_000);
        for n in 0..1_000_000_u64 {
            map.get_or_insert_with(n, n, || Used(n));
            // Held entries come on top: one in a thousand.
            assert!(map.len() <= 10_000 + 1_000, "{} at {n}", map.len());
        }
        assert!(map.get(&999_999).is_some() && map.get(&999_998).is_some());
        assert!(map.get(&1_000).is_some() && map.get(&1_001).is_none());
    }

    #[test]
    fn what_says_nothing_any_more_goes_first() {
        let mut map = Bounded::new(2_000);
        for n in 1..1_500_u64 {
            map.get_or_insert_with(n, n, || Used(n));
        }
        map.get_or_insert_with(1_600, 2_000_000, || Used(1_999_999));
        for n in 2_000..2_600_u64 {
            map.get_or_insert_with(n, 2_000_000, || Used(1_999_999));
        }
        assert!(map.get(&5).is_none() && map.get(&1_600).is_some());
        assert_eq!(map.remove(&1_600).map(|entry| entry.0), Some(1_999_999));
    }
}
