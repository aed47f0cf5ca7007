//! `taskmaster.audit_seals`: a chain of seals. Must not know the rows under them.

use pgrx::pg_sys::BuiltinOid::{BYTEAOID, INT8OID, TEXTOID};

use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::audit_seal::{Leaf, Month, Seal, decode, encode};
use crate::domain::merkle::Hash;

/// A seal as it is kept.
pub(super) struct StoredSeal {
    pub(super) seal: Seal,
    pub(super) previous: Hash,
    pub(super) hash: Hash,
    /// The partition of a sealed month was dropped.
    pub(super) is_dropped: bool,
}

thread_local! {
    static ALL: Plan = const { Plan::new(
        c"SELECT seal_no, kind, first_id, last_id, row_count,
                 (extract(epoch FROM from_time) * 1000000)::pg_catalog.int8,
                 (extract(epoch FROM to_time) * 1000000)::pg_catalog.int8,
                 root, previous, seal, dropped_at IS NOT NULL
          FROM taskmaster.audit_seals ORDER BY seal_no",
        &[],
        Access::Write,
        &[Table::AuditSeals],
    ) };

    static LEAVES: Plan = const { Plan::new(
        c"SELECT leaves FROM taskmaster.audit_seals WHERE seal_no = $1",
        &[INT8OID],
        Access::Write,
        &[Table::AuditSeals],
    ) };

    static INSERT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.audit_seals
            (seal_no, kind, month, first_id, last_id, row_count, from_time, to_time, root, leaves, previous, seal)
          SELECT $1, $2, $12::pg_catalog.date, $3, $4, $5,
                 '1970-01-01 00:00:00+00'::pg_catalog.timestamptz + $6 * '1 microsecond'::pg_catalog.interval,
                 '1970-01-01 00:00:00+00'::pg_catalog.timestamptz + $7 * '1 microsecond'::pg_catalog.interval,
                 $8, $9, $10, $11",
        &[
            INT8OID, TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, BYTEAOID, BYTEAOID, BYTEAOID, BYTEAOID,
            TEXTOID,
        ],
        Access::Write,
        &[Table::AuditSeals],
    ) };
}

/// The seals in the order of their numbers.
pub(super) fn all() -> Vec<StoredSeal> {
    ALL.with(|plan| plan.rows(&[], read))
}

/// The leaves of a batch; none when they cannot be read.
pub(super) fn leaves(number: i64) -> Option<Vec<Leaf>> {
    let bytes = LEAVES.with(|plan| plan.row(&[bind(number)], |row| row.get::<Vec<u8>>(1)));
    decode(&bytes.flatten()?)
}

/// Adds a seal after the one whose hash is `previous`, and returns its own hash. A month keeps no
/// leaves: its batches do.
pub(super) fn insert(seal: &Seal, leaves: &[Leaf], previous: &Hash) -> Hash {
    let hash = seal.hash(previous);
    let month = (seal.kind == MONTH).then(|| Month::of(seal.from_us).first_day());
    let leaves = month.is_none().then(|| encode(leaves));
    let values = [
        bind(seal.number),
        bind(seal.kind.as_str()),
        bind(seal.first_id),
        bind(seal.last_id),
        bind(seal.row_count),
        bind(seal.from_us),
        bind(seal.to_us),
        bind(seal.root.to_vec()),
        leaves.and_then(bind),
        bind(previous.to_vec()),
        bind(hash.to_vec()),
        month.and_then(bind),
    ];
    INSERT.with(|plan| plan.run(&values));
    hash
}

/// `audit_seals.kind`.
pub(super) const BATCH: &str = "batch";
pub(super) const MONTH: &str = "month";

fn read(row: &Row) -> StoredSeal {
    StoredSeal {
        seal: Seal {
            number: row.get_known(1),
            kind: row.get_known(2),
            first_id: row.get_known(3),
            last_id: row.get_known(4),
            row_count: row.get_known(5),
            from_us: row.get_known(6),
            to_us: row.get_known(7),
            root: hash(row, 8),
        },
        previous: hash(row, 9),
        hash: hash(row, 10),
        is_dropped: row.get_known(11),
    }
}

/// A constraint holds that there are 32 bytes.
fn hash(row: &Row, column: i32) -> Hash {
    Hash::try_from(row.get_known::<Vec<u8>>(column)).unwrap_or_default()
}
