//! A row of the audit as its seal sees it: digests of its values, each with a salt of its own. A value
//! can therefore be erased, its digest kept, and the seal still fits; and without the salt the digest
//! says nothing about a value that could be guessed. Must not know where rows are kept.

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::merkle::{Hash, marked};

/// A value of a row that can be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Which one, such as `actor` or `changes/1/assigned_to`.
    pub(crate) path: String,
    /// The value as JSON, in PostgreSQL's spelling.
    pub(crate) text: String,
}

/// What makes the digests of a row's values unguessable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Salts {
    /// All values are there; their salts follow from this.
    Whole(Vec<u8>),
    /// Some were erased: the salts of those that are left, and the digests of those that are gone.
    Kept { salts: BTreeMap<String, Hash>, digests: BTreeMap<String, Hash> },
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditRow {
    /// The values that can not be erased, as one JSON array.
    pub(crate) core: String,
    pub(crate) slots: Vec<Slot>,
    pub(crate) salts: Salts,
}

/// What an erased value is shown as begins like this, or is null.
pub(crate) const ERASED: &str = "erased-";

// Marks of what is hashed; 0 and 1 are those of Merkle trees.
const ROW: u8 = 2;
const VALUE: u8 = 3;

impl AuditRow {
    /// The hash that stands for the row in its seal; none when the salts do not fit the values, or a
    /// value that counts as erased is there.
    pub(crate) fn hash(&self) -> Option<Hash> {
        let mut digests = BTreeMap::new();
        for slot in &self.slots {
            digests.insert(slot.path.as_str(), self.digest(slot)?);
        }
        let digests: Vec<&[u8]> = digests.values().map(|digest| digest.as_slice()).collect();
        let core = marked(VALUE, &[self.core.as_bytes()]);
        Some(marked(ROW, &[&[&core[..]], &digests[..]].concat()))
    }

    /// The salts of the row without those of the values in `gone`.
    pub(crate) fn without(&self, gone: &BTreeSet<String>) -> Option<Salts> {
        let (mut salts, mut digests) = (BTreeMap::new(), BTreeMap::new());
        for slot in &self.slots {
            match self.salt(&slot.path) {
                Some(salt) if !gone.contains(&slot.path) => {
                    salts.insert(slot.path.clone(), salt);
                }
                _ => {
                    digests.insert(slot.path.clone(), self.digest(slot)?);
                }
            }
        }
        Some(Salts::Kept { salts, digests })
    }

    fn digest(&self, slot: &Slot) -> Option<Hash> {
        if let Some(salt) = self.salt(&slot.path) {
            let length = (slot.path.len() as u64).to_be_bytes();
            let parts: [&[u8]; 4] = [&salt, &length, slot.path.as_bytes(), slot.text.as_bytes()];
            return Some(marked(VALUE, &parts));
        }
        let Salts::Kept { digests, .. } = &self.salts else { return None };
        digests.get(&slot.path).filter(|_| slot.is_erased()).copied()
    }

    fn salt(&self, path: &str) -> Option<Hash> {
        match &self.salts {
            Salts::Whole(secret) => {
                let mut mac =
                    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any length");
                mac.update(path.as_bytes());
                Some(mac.finalize().into_bytes().into())
            }
            Salts::Kept { salts, .. } => salts.get(path).copied(),
        }
    }
}

impl Slot {
    fn is_erased(&self) -> bool {
        self.text == "null" || self.text.trim_start_matches('"').starts_with(ERASED)
    }
}

impl Salts {
    /// What `audit_log.kept` holds.
    pub(crate) fn to_json(&self) -> String {
        let Self::Kept { salts, digests } = self else { return "null".to_owned() };
        let object = |hashes: &BTreeMap<String, Hash>| -> Map<String, Value> {
            hashes.iter().map(|(path, hash)| (path.clone(), json!(to_hex(hash)))).collect()
        };
        json!({ "salts": object(salts), "digests": object(digests) }).to_string()
    }

    /// Reads it back; none when it is not of that form.
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let hashes = |member: &str| -> Option<BTreeMap<String, Hash>> {
            let object = value.get(member)?.as_object()?;
            object.iter().map(|(path, hash)| Some((path.clone(), from_hex(hash)?))).collect()
        };
        Some(Self::Kept { salts: hashes("salts")?, digests: hashes("digests")? })
    }
}

fn to_hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(value: &Value) -> Option<Hash> {
    let text = value.as_str().filter(|text| text.len() == 64 && text.is_ascii())?;
    let byte = |index: usize| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok();
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(values: &[(String, String)]) -> AuditRow {
        let slots = values
            .iter()
            .map(|(path, text)| Slot { path: path.clone(), text: text.clone() })
            .collect();
        AuditRow { core: "[1]".into(), slots, salts: Salts::Whole(vec![9; 16]) }
    }

    fn values() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::btree_map("[a-z/]{1,6}", "\"[a-d]{0,3}\"", 1..8)
            .prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn erasing_any_values_in_any_order_leaves_the_hash(
            values in values(), first in any::<u8>(), second in any::<u8>(),
        ) {
            let mut row = row(&values);
            let before = row.hash();
            for chosen in [first, second] {
                let gone: BTreeSet<String> = values.iter().enumerate()
                    .filter(|(index, _)| chosen >> index & 1 == 1)
                    .map(|(_, (path, _))| path.clone()).collect();
                row.salts = row.without(&gone).unwrap();
                for slot in row.slots.iter_mut().filter(|slot| gone.contains(&slot.path)) {
                    slot.text = "\"erased-1\"".into();
                }
                prop_assert_eq!(row.hash(), before);
                prop_assert_eq!(Salts::from_json(&row.salts.to_json()), Some(row.salts.clone()));
            }
        }

        #[test]
        fn any_other_change_changes_the_hash(values in values(), at in any::<prop::sample::Index>()) {
            let before = row(&values);
            let mut changed = before.clone();
            changed.slots[at.index(values.len())].text.push(' ');
            prop_assert_ne!(changed.hash(), before.hash());
            let mut fewer = before.clone();
            fewer.slots.remove(at.index(values.len()));
            prop_assert_ne!(fewer.hash(), before.hash());
            let other = AuditRow { core: "[2]".into(), ..before.clone() };
            prop_assert_ne!(other.hash(), before.hash());
        }
    }

    #[test]
    fn a_value_that_counts_as_erased_must_not_be_there() {
        let mut row = row(&[("actor".into(), "\"ann\"".into())]);
        row.salts = row.without(&BTreeSet::from(["actor".to_owned()])).unwrap();
        assert_eq!(row.hash(), None);
        row.slots[0].text = "null".into();
        assert!(row.hash().is_some());
    }

    #[test]
    fn the_digest_of_an_erased_value_needs_its_salt() {
        let mut row = row(&[("actor".into(), "\"ann\"".into()), ("b".into(), "1".into())]);
        row.salts = row.without(&BTreeSet::from(["actor".to_owned()])).unwrap();
        let Salts::Kept { salts, digests } = &row.salts else { unreachable!() };
        assert_eq!((salts.len(), digests.len()), (1, 1));
        assert!(!salts.contains_key("actor"));
    }
}
