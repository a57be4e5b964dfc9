//! A map that keeps the order of insertion and forgets an entry without moving the others.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use serde::{Serialize, Serializer};

/// `IndexMap` moves what follows an entry that is removed: removing all of n entries costs n² there, and n here.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered<K: Eq + Hash, V> {
    /// By number. Where an entry was removed, there is none. Each has a place of its own, since a vector that grows moves
    /// what is in it.
    entries: Vec<Option<Box<(K, V)>>>,
    numbers: HashMap<K, usize>,
}

impl<K: Eq + Hash, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new(), numbers: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Ordered<K, V> {
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entry(self.number(key)?).map(|(_, value)| value)
    }

    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entry_mut(self.number(key)?)
    }

    pub fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.numbers.contains_key(key)
    }

    /// The entry's place in the order; a later entry has a higher one.
    pub fn number<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.numbers.get(key).copied()
    }

    pub fn entry(&self, number: usize) -> Option<(&K, &V)> {
        self.entries.get(number)?.as_ref().map(|entry| (&entry.0, &entry.1))
    }

    pub fn entry_mut(&mut self, number: usize) -> Option<&mut V> {
        self.entries.get_mut(number)?.as_mut().map(|entry| &mut entry.1)
    }

    /// Puts the value in the place of the key's earlier one, or at the end.
    pub fn insert(&mut self, key: K, value: V) -> usize {
        let number = *self.numbers.entry(key.clone()).or_insert(self.entries.len());
        let entry = Some(Box::new((key, value)));
        match self.entries.get_mut(number) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        number
    }

    /// Gives an entry another key, in its place. The entry that had the key is removed.
    pub fn rename(&mut self, from: &K, to: K) {
        self.remove(&to);
        let Some(number) = self.numbers.remove(from) else { return };
        if let Some(Some(entry)) = self.entries.get_mut(number) {
            entry.0.clone_from(&to);
        }
        self.numbers.insert(to, number);
    }

    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let number = self.numbers.remove(key)?;
        self.entries.get_mut(number)?.take().map(|entry| entry.1)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter().flatten().map(|entry| (&entry.0, &entry.1))
    }

    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }
}

impl<K: Clone + Eq + Hash + Serialize, V: Serialize> Serialize for Ordered<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_insertion() {
        let mut map = Ordered::default();
        for key in ["b", "a", "c"] {
            map.insert(key, 0);
        }
        map.insert("b", 1);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&"b", &1), (&"a", &0), (&"c", &0)]);
        assert_eq!(map.remove("b"), Some(1));
        map.insert("b", 2);
        assert_eq!(map.keys().copied().collect::<Vec<_>>(), ["a", "c", "b"]);
        assert_eq!((map.get("b"), map.get("x")), (Some(&2), None));
        map.rename(&"a", "d");
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&"d", &0), (&"c", &0), (&"b", &2)]);
        map.rename(&"b", "d");
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&"c", &0), (&"d", &2)]);
    }
}
