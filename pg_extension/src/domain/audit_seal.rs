//! Seals of the audit: which rows a seal covers, what it comes to, and where the rows of today differ
//! from those that were sealed. Must not know where seals and rows are kept.

use super::merkle::{self, Hash, marked};

/// One row under a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) id: i64,
    /// When it was written, in microseconds since 1970.
    pub(crate) time_us: i64,
    /// [`super::audit_row::AuditRow::hash`].
    pub(crate) hash: Hash,
}

/// What a seal's hash is made of, besides that of the seal before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) number: i64,
    /// `batch` or `month`.
    pub(crate) kind: String,
    pub(crate) first_id: i64,
    pub(crate) last_id: i64,
    pub(crate) row_count: i64,
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    pub(crate) root: Hash,
}

/// How the rows of today differ from those that were sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// A row is not as it was.
    Changed(Leaf),
    /// A row is gone.
    Deleted(Leaf),
    /// A row was not there.
    Inserted(Leaf),
}

/// A month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    pub(crate) year: i64,
    pub(crate) month: i64,
}

const LEAF_LEN: usize = 48;
/// Mark of what is hashed; 0 to 3 are taken by Merkle trees and rows.
const SEAL: u8 = 4;
const DAY_US: i64 = 86_400_000_000;

impl Leaf {
    fn to_bytes(self) -> [u8; LEAF_LEN] {
        let mut bytes = [0; LEAF_LEN];
        bytes[..8].copy_from_slice(&self.id.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.time_us.to_be_bytes());
        bytes[16..].copy_from_slice(&self.hash);
        bytes
    }

    fn from_bytes(bytes: &[u8; LEAF_LEN]) -> Self {
        let [mut id, mut time] = [[0; 8]; 2];
        id.copy_from_slice(&bytes[..8]);
        time.copy_from_slice(&bytes[8..16]);
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[16..]);
        Self { id: i64::from_be_bytes(id), time_us: i64::from_be_bytes(time), hash }
    }
}

/// What `audit_seals.leaves` holds.
pub(crate) fn encode(leaves: &[Leaf]) -> Vec<u8> {
    leaves.iter().flat_map(|leaf| leaf.to_bytes()).collect()
}

/// Reads it back; none when it is not a list of leaves.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<Leaf>> {
    let (leaves, []) = bytes.as_chunks::<LEAF_LEN>() else { return None };
    Some(leaves.iter().map(Leaf::from_bytes).collect())
}

/// The root of the tree over these leaves.
pub(crate) fn root(leaves: &[Leaf]) -> Hash {
    let bytes: Vec<_> = leaves.iter().map(|leaf| leaf.to_bytes()).collect();
    merkle::root(&bytes)
}

impl Seal {
    /// A seal over `leaves`, which are not none; `range` is that of the ids that were looked at.
    pub(crate) fn over(number: i64, kind: &str, range: (i64, i64), leaves: &[Leaf]) -> Self {
        let times = || leaves.iter().map(|leaf| leaf.time_us);
        Self {
            number,
            kind: kind.to_owned(),
            first_id: range.0,
            last_id: range.1,
            row_count: leaves.len() as i64,
            from_us: times().min().unwrap_or_default(),
            to_us: times().max().unwrap_or_default(),
            root: root(leaves),
        }
    }

    /// The seal's own hash, which the next one holds.
    pub(crate) fn hash(&self, previous: &Hash) -> Hash {
        let numbers =
            [self.number, self.first_id, self.last_id, self.row_count, self.from_us, self.to_us];
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        marked(SEAL, &[previous, &numbers, self.kind.as_bytes(), &self.root])
    }
}

impl Difference {
    pub(crate) fn leaf(self) -> Leaf {
        let (Self::Changed(leaf) | Self::Deleted(leaf) | Self::Inserted(leaf)) = self;
        leaf
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Changed(_) => "the row was changed",
            Self::Deleted(_) => "the row was deleted",
            Self::Inserted(_) => "the row was inserted",
        }
    }
}

/// All differences by id; both lists are in the order of their ids.
pub(crate) fn differences(sealed: &[Leaf], present: &[Leaf]) -> Vec<Difference> {
    let (mut sealed, mut present) = (sealed.iter().peekable(), present.iter().peekable());
    let mut found = Vec::new();
    loop {
        match (sealed.peek(), present.peek()) {
            (None, None) => return found,
            (Some(one), Some(other)) if one.id == other.id => {
                if one != other {
                    found.push(Difference::Changed(**other));
                }
                sealed.next();
                present.next();
            }
            (Some(one), other) if other.is_none_or(|other| one.id < other.id) => {
                found.push(Difference::Deleted(**one));
                sealed.next();
            }
            (_, other) => {
                found.extend(other.map(|other| Difference::Inserted(**other)));
                present.next();
            }
        }
    }
}

impl Month {
    /// The month of a time, by the algorithm "civil_from_days" (H. Hinnant, "chrono-compatible
    /// low-level date algorithms").
    pub(crate) fn of(time_us: i64) -> Self {
        let days = time_us.div_euclid(DAY_US) + 719_468;
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
        Self { year, month }
    }

    /// Its first day as PostgreSQL reads a date.
    pub(crate) fn first_day(self) -> String {
        format!("{:04}-{:02}-01", self.year, self.month)
    }

    /// The name that its partition of the log goes by.
    pub(crate) fn partition(self) -> String {
        format!("audit_log_p{:04}{:02}01", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaf(id: i64) -> Leaf {
        Leaf { id, time_us: 1_700_000_000_000_000 + id, hash: [id as u8; 32] }
    }

    fn leaves() -> impl Strategy<Value = Vec<Leaf>> {
        prop::collection::btree_set(1_i64..100, 1..30)
            .prop_map(|ids| ids.into_iter().map(leaf).collect())
    }

    proptest! {
        #[test]
        fn leaves_come_back_as_they_were(leaves in leaves()) {
            prop_assert_eq!(decode(&encode(&leaves)), Some(leaves.clone()));
            prop_assert_eq!(differences(&leaves, &leaves), vec![]);
        }

        #[test]
        fn each_kind_of_tampering_is_found_at_its_id(
            leaves in leaves(), at in any::<prop::sample::Index>(),
        ) {
            let at = at.index(leaves.len());
            let mut present = leaves.clone();
            let gone = present.remove(at);
            prop_assert_eq!(differences(&leaves, &present), vec![Difference::Deleted(gone)]);
            prop_assert_eq!(differences(&present, &leaves), vec![Difference::Inserted(gone)]);
            let mut changed = leaves.clone();
            changed[at].hash[7] ^= 1;
            prop_assert_eq!(differences(&leaves, &changed), vec![Difference::Changed(changed[at])]);
            prop_assert_ne!(root(&leaves), root(&changed));
        }

        #[test]
        fn months_are_those_of_the_calendar(days in -200_000_i64..200_000) {
            let (this, next) = (Month::of(days * DAY_US), Month::of((days + 1) * DAY_US));
            prop_assert!(this == next || next.month == this.month % 12 + 1);
            prop_assert_eq!(Month::of(days * DAY_US + DAY_US - 1), this);
        }
    }

    #[test]
    fn rows_that_changed_places_are_found() {
        let sealed = [leaf(1), leaf(2), leaf(3)];
        let mut swapped = sealed;
        (swapped[0].hash, swapped[1].hash) = (sealed[1].hash, sealed[0].hash);
        assert_eq!(differences(&sealed, &swapped)[0], Difference::Changed(swapped[0]));
    }

    #[test]
    fn a_partition_is_named_by_its_month() {
        let cases = [
            (0, "audit_log_p19700101"),
            (-1, "audit_log_p19691201"),
            (951_782_400_000_000, "audit_log_p20000201"),
            (951_868_800_000_000, "audit_log_p20000301"),
            (1_798_761_599_999_999, "audit_log_p20261201"),
        ];
        for (time_us, expected) in cases {
            assert_eq!(Month::of(time_us).partition(), expected);
        }
    }

    #[test]
    fn a_seal_depends_on_everything_it_says() {
        let seal = Seal::over(2, "batch", (1, 9), &[leaf(1), leaf(4)]);
        let previous = [0; 32];
        let same = seal.hash(&previous);
        assert_ne!(seal.hash(&[1; 32]), same);
        assert_ne!(Seal { number: 3, ..seal.clone() }.hash(&previous), same);
        assert_ne!(Seal { kind: "month".into(), ..seal.clone() }.hash(&previous), same);
        assert_ne!(Seal { last_id: 10, ..seal.clone() }.hash(&previous), same);
        assert_ne!(Seal { root: [3; 32], ..seal.clone() }.hash(&previous), same);
    }
}
