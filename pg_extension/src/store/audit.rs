//! Sealing the audit, verifying it, and erasing a subject from it, by the owner's rights. Must not know
//! who may ask for it.

use std::collections::{BTreeMap, BTreeSet};

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;

use super::audit_rows::{self, StoredRow};
use super::audit_seals::{self, BATCH, MONTH, StoredSeal};
use super::owner::act_as_owner_of;
use super::schema::Table;
use crate::domain::audit_row::Slot;
use crate::domain::audit_seal::{Leaf, Month, Seal, differences, root};
use crate::domain::merkle::Hash;
use crate::error::DomainError;

/// What [`verify`] says of one partition.
pub(crate) struct Verdict {
    pub(crate) partition: String,
    /// The first row, by its id, that is not as it was sealed, and why. No id when a seal itself is
    /// not as it was.
    pub(crate) fault: Option<(Option<i64>, String)>,
}

/// Rows under one seal, and rows read at a time.
const BATCH_ROWS: i64 = 4_096;
/// Seals made by one call, so that upkeep with a time budget gets its turn.
const BATCHES_MAX: usize = 16;

/// Seals what is final and not sealed yet, and months that are over; returns the number of rows. The
/// sealed rows are those before `until`, if there is one.
///
/// # Errors
/// 25001 in a transaction whose isolation level hides other transactions' ends.
pub(crate) fn seal(until: Option<TimestampWithTimeZone>) -> Result<i64, DomainError> {
    act_as_owner_of(Table::AuditLog, || {
        if !audit_rows::begin_sealing() {
            return Ok(0);
        }
        let Some(finality) = audit_rows::finality().ok_or(DomainError::NotReadCommitted)? else {
            return Ok(0);
        };
        let mut chain = Chain::read();
        let bound = until.and_then(|until| audit_rows::last_before(chain.sealed_id, until));
        let last = bound.map_or(finality.id, |bound| bound.min(finality.id));
        let rows = chain.seal_batches(last);
        if bound.is_none() && chain.sealed_id >= finality.id {
            chain.seal_months(finality.at_us);
        }
        Ok(rows)
    })
}

/// The end of the chain of seals, where the next one goes.
struct Chain {
    seals: Vec<StoredSeal>,
    number: i64,
    hash: Hash,
    /// The last id that a batch covers.
    sealed_id: i64,
}

impl Chain {
    fn read() -> Self {
        let seals = audit_seals::all();
        let last = seals.last();
        Self {
            number: last.map_or(0, |last| last.seal.number),
            hash: last.map(|last| last.hash).unwrap_or_default(),
            sealed_id: batches(&seals).map(|batch| batch.seal.last_id).max().unwrap_or(0),
            seals,
        }
    }

    fn seal_batches(&mut self, last: i64) -> i64 {
        let mut rows = 0;
        for _ in 0..BATCHES_MAX {
            let first = self.sealed_id + 1;
            let found = audit_rows::range(first, last, BATCH_ROWS);
            let leaves: Vec<_> = found.iter().map(StoredRow::leaf).collect();
            let is_last = (leaves.len() as i64) < BATCH_ROWS;
            let Some(end) = leaves.last().map(|leaf| if is_last { last } else { leaf.id }) else {
                // Ids of transactions that were rolled back: there is nothing to seal.
                self.sealed_id = self.sealed_id.max(last);
                break;
            };
            self.add(BATCH, (first, end), &leaves);
            self.sealed_id = end;
            rows += leaves.len() as i64;
            if is_last {
                break;
            }
        }
        rows
    }

    /// Seals the months that ended before `at_us`, all of whose rows are under batches.
    fn seal_months(&mut self, at_us: i64) {
        let of_month = |stored: &StoredSeal| Month::of(stored.seal.from_us);
        let sealed: BTreeSet<_> =
            self.seals.iter().filter(|stored| stored.seal.kind == MONTH).map(of_month).collect();
        let present = Month::of(at_us);
        let mut open: BTreeMap<Month, Vec<Leaf>> = BTreeMap::new();
        for batch in batches(&audit_seals::all()) {
            let months = [batch.seal.from_us, batch.seal.to_us].map(Month::of);
            if months.iter().all(|month| sealed.contains(month) || *month >= present) {
                continue;
            }
            for leaf in audit_seals::leaves(batch.seal.number).unwrap_or_default() {
                open.entry(Month::of(leaf.time_us)).or_default().push(leaf);
            }
        }
        open.retain(|month, _| *month < present && !sealed.contains(month));
        for leaves in open.into_values() {
            let ids = || leaves.iter().map(|leaf| leaf.id);
            let range = (ids().min().unwrap_or_default(), ids().max().unwrap_or_default());
            self.add(MONTH, range, &leaves);
        }
    }

    fn add(&mut self, kind: &str, range: (i64, i64), leaves: &[Leaf]) {
        let seal = Seal::over(self.number + 1, kind, range, leaves);
        self.hash = audit_seals::insert(&seal, leaves, &self.hash);
        self.number = seal.number;
    }
}

fn batches(seals: &[StoredSeal]) -> impl Iterator<Item = &StoredSeal> {
    seals.iter().filter(|stored| stored.seal.kind == BATCH)
}

/// Compares the rows under seals that have rows from `from_us` to `to_us` with what was sealed. One
/// verdict for each partition that is concerned, in the order of their names.
pub(crate) fn verify(from_us: i64, to_us: i64) -> Vec<Verdict> {
    act_as_owner_of(Table::AuditLog, || {
        let seals = audit_seals::all();
        let mut verification = Verification::new(&seals, (from_us, to_us));
        verification.check_chain();
        verification.check_batches();
        verification.check_months();
        verification.verdicts()
    })
}

struct Verification<'a> {
    seals: &'a [StoredSeal],
    range: (i64, i64),
    dropped: BTreeSet<Month>,
    /// By the name of the partition.
    faults: BTreeMap<String, Option<(Option<i64>, String)>>,
    /// The leaves of each month that has a seal of its own.
    months: BTreeMap<Month, Vec<Leaf>>,
}

impl<'a> Verification<'a> {
    fn new(seals: &'a [StoredSeal], range: (i64, i64)) -> Self {
        let dropped = seals.iter().filter(|stored| stored.is_dropped);
        Self {
            seals,
            range,
            dropped: dropped.map(|stored| Month::of(stored.seal.from_us)).collect(),
            faults: BTreeMap::new(),
            months: BTreeMap::new(),
        }
    }

    /// The whole chain, whatever the range: a seal is worth what those before it are.
    fn check_chain(&mut self) {
        let (mut previous, mut number, mut next_id) = (Hash::default(), 0, 1);
        for stored in self.seals {
            let seal = &stored.seal;
            let follows = seal.number == number + 1 && stored.previous == previous;
            let is_batch = seal.kind == BATCH;
            let leaves_no_gap = !is_batch || seal.first_id >= next_id;
            if !(follows && leaves_no_gap && seal.hash(&previous) == stored.hash) {
                let reason = format!("seal {} is not the one that was made", seal.number);
                self.fault(Month::of(seal.from_us).partition(), None, reason);
            }
            if is_batch {
                next_id = seal.last_id + 1;
            }
            (previous, number) = (stored.hash, seal.number);
        }
    }

    fn check_batches(&mut self) {
        let seals = self.seals;
        for (index, batch) in batches(seals).enumerate() {
            if !self.concerns(&batch.seal) {
                continue;
            }
            // Ids between two seals belonged to nobody when the later one was made.
            let before = index.checked_sub(1).and_then(|index| batches(seals).nth(index));
            let first = before.map_or(i64::MIN, |before| before.seal.last_id + 1);
            self.check_batch(&batch.seal, first);
        }
    }

    fn concerns(&self, seal: &Seal) -> bool {
        seal.from_us <= self.range.1 && seal.to_us >= self.range.0
    }

    fn check_batch(&mut self, seal: &Seal, first: i64) {
        let partition = Month::of(seal.from_us).partition();
        let sealed = audit_seals::leaves(seal.number).filter(|leaves| root(leaves) == seal.root);
        let Some(sealed) = sealed else {
            let reason =
                format!("the leaves of seal {} are not those that were sealed", seal.number);
            return self.fault(partition, None, reason);
        };
        for leaf in &sealed {
            self.months.entry(Month::of(leaf.time_us)).or_default().push(*leaf);
            self.faults.entry(Month::of(leaf.time_us).partition()).or_default();
        }
        let rows = audit_rows::range(first, seal.last_id, i64::MAX);
        let partitions: BTreeMap<_, _> = rows.iter().map(|row| (row.id, &row.partition)).collect();
        let present: Vec<_> = rows.iter().map(StoredRow::leaf).collect();
        for difference in differences(&sealed, &present) {
            let leaf = difference.leaf();
            let month = Month::of(leaf.time_us);
            if self.dropped.contains(&month) && !partitions.contains_key(&leaf.id) {
                continue;
            }
            let partition = partitions.get(&leaf.id).map(|name| (*name).clone());
            let partition = partition.unwrap_or_else(|| month.partition());
            self.fault(partition, Some(leaf.id), difference.reason().to_owned());
        }
    }

    fn check_months(&mut self) {
        let seals = self.seals;
        for stored in seals.iter().filter(|stored| stored.seal.kind == MONTH) {
            if !self.concerns(&stored.seal) {
                continue;
            }
            let month = Month::of(stored.seal.from_us);
            let leaves = self.months.get(&month);
            if leaves.is_none_or(|leaves| root(&leaves[..]) != stored.seal.root) {
                let reason = format!("seal {} is not that of its batches", stored.seal.number);
                self.fault(month.partition(), None, reason);
            }
        }
    }

    /// Notes a fault, unless the partition has one of a row with a lower id.
    fn fault(&mut self, partition: String, id: Option<i64>, reason: String) {
        let known = self.faults.entry(partition).or_default();
        let is_first = match (&*known, id) {
            (Some((Some(known), _)), Some(id)) => id < *known,
            (Some((Some(_), _)), None) => false,
            (Some((None, _)), id) => id.is_some(),
            (None, _) => true,
        };
        if is_first {
            *known = Some((id, reason));
        }
    }

    fn verdicts(self) -> Vec<Verdict> {
        let verdict = |(partition, fault)| Verdict { partition, fault };
        self.faults.into_iter().map(verdict).collect()
    }
}

/// Who and what to put in the place of the subject.
pub(crate) struct Erasure<'a> {
    pub(crate) subject: &'a str,
    pub(crate) pseudonym: &'a str,
    /// The receipt.
    pub(crate) request: Uuid,
    /// Columns of free text (`table.column`), where a mention is enough.
    pub(crate) text_columns: Vec<String>,
}

/// Erases what the log holds of a subject; returns the number of rows. With `apply` false only counts.
pub(crate) fn redact(erasure: &Erasure<'_>, apply: bool) -> i64 {
    act_as_owner_of(Table::AuditLog, || {
        let (mut rows, mut id) = (0, 0);
        loop {
            let found = audit_rows::mentions(id, erasure.subject, BATCH_ROWS);
            let Some(last) = found.last() else { return rows };
            id = last.id;
            rows += found.iter().filter(|row| redact_row(row, erasure, apply)).count() as i64;
        }
    })
}

fn redact_row(stored: &StoredRow, erasure: &Erasure<'_>, apply: bool) -> bool {
    let Some(row) = &stored.row else { return false };
    let gone = erasure.paths(&row.slots, &row.core);
    let Some(salts) = row.without(&gone).filter(|_| !gone.is_empty()) else { return false };
    if apply {
        audit_rows::erase(stored.id, &salts, (erasure.request, erasure.pseudonym), &gone);
    }
    true
}

impl Erasure<'_> {
    /// The paths of the values to erase. Whoever acted takes along where from.
    fn paths(&self, slots: &[Slot], core: &str) -> BTreeSet<String> {
        let quoted = serde_json::Value::from(self.subject).to_string();
        let is_actor = slots
            .iter()
            .any(|slot| ["login", "actor"].contains(&&*slot.path) && slot.text == quoted);
        let table = serde_json::from_str::<serde_json::Value>(core).unwrap_or_default();
        let table = table.get(3).and_then(serde_json::Value::as_str).unwrap_or_default();
        let mention = quoted.trim_matches('"');
        let is_gone = |slot: &&Slot| match slot.path.strip_prefix("changes/") {
            None => is_actor && slot.text != "null",
            Some(path) => {
                let column = path.split_once('/').map_or(path, |(_, column)| column);
                let is_text = self.text_columns.contains(&format!("{table}.{column}"));
                slot.text.contains(&quoted) || is_text && is_mentioned(mention, &slot.text)
            }
        };
        slots.iter().filter(is_gone).map(|slot| slot.path.clone()).collect()
    }
}

/// Whether the text has the name as words of its own, and not within another.
fn is_mentioned(name: &str, text: &str) -> bool {
    text.match_indices(name).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + name.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}
