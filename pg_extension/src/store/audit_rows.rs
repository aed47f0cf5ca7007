//! `taskmaster.audit_log`: its rows as they are sealed, which of them are final, and the erasure of
//! values in them. Must not know seals.

use std::collections::BTreeSet;

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{
    INT4OID, INT8OID, JSONBOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID, UUIDOID,
};
use pgrx::{JsonB, datum::TimestampWithTimeZone};

use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::audit_row::{AuditRow, Salts, Slot};
use crate::domain::audit_seal::Leaf;

/// A row with what does not count for its hash.
pub(super) struct StoredRow {
    pub(super) id: i64,
    pub(super) time_us: i64,
    /// The name of its partition.
    pub(super) partition: String,
    /// Without salts that can be read, and erased without a receipt, there is none.
    pub(super) row: Option<AuditRow>,
}

/// Joins pieces of SQL into one that ends with a zero byte.
macro_rules! constcat {
    ($head:literal, $condition:literal, $tail:literal) => {{
        const TEXT: &str = concat!($head, $condition, $tail, "\0");
        match std::ffi::CStr::from_bytes_with_nul(TEXT.as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("SQL holds no zero byte"),
        }
    }};
}
/// The columns of [`read`]. A value is an element of `changes` where those are pairs (before, after).
macro_rules! select_rows {
    ($condition:literal) => {
        constcat!(
            "SELECT l.id, (extract(epoch FROM l.occurred_at) * 1000000)::pg_catalog.int8,
                    c.relname::pg_catalog.text,
                    pg_catalog.jsonb_build_array(
                        l.id, (extract(epoch FROM l.occurred_at) * 1000000)::pg_catalog.int8,
                        l.transaction_id::pg_catalog.text, l.table_name, l.operation, l.row_key,
                        l.tenant_id)::pg_catalog.text,
                    l.salt, l.kept::pg_catalog.text,
                    l.erased_by IS NULL OR EXISTS (
                        SELECT FROM taskmaster.erasure_requests e WHERE e.id = l.erased_by),
                    v.paths, v.texts
               FROM taskmaster.audit_log l
               JOIN pg_catalog.pg_class c ON c.oid = l.tableoid,
                    LATERAL (
                      SELECT pg_catalog.array_agg(path) AS paths,
                             pg_catalog.array_agg(coalesce(value::pg_catalog.text, 'null')) AS texts
                        FROM (
                          VALUES ('login', pg_catalog.to_jsonb(l.login)),
                                 ('actor', pg_catalog.to_jsonb(l.actor)),
                                 ('application_name', pg_catalog.to_jsonb(l.application_name)),
                                 ('peer_addr', pg_catalog.to_jsonb(l.peer_addr)),
                                 ('peer_port', pg_catalog.to_jsonb(l.peer_port)),
                                 ('client_addr', pg_catalog.to_jsonb(l.client_addr)),
                                 ('client_port', pg_catalog.to_jsonb(l.client_port))
                          UNION ALL
                          SELECT 'changes/' || side || '/' || key,
                                 CASE WHEN l.operation IN ('INSERT', 'UPDATE', 'DELETE')
                                      THEN value -> side ELSE value END
                            FROM pg_catalog.jsonb_each(l.changes),
                                 pg_catalog.generate_series(0, 1) AS side
                        ) AS s (path, value)
                    ) AS v
              WHERE ",
            $condition,
            " ORDER BY l.id, l.occurred_at LIMIT $3"
        )
    };
}

thread_local! {
    static RANGE: Plan = const { Plan::new(
        select_rows!("l.id >= $1 AND l.id <= $2"),
        &[INT8OID, INT8OID, INT8OID],
        Access::Write,
        &[Table::AuditLog, Table::ErasureRequests],
    ) };

    static MENTIONS: Plan = const { Plan::new(
        select_rows!(
            "l.id > $1 AND (l.login = $2 OR l.actor = $2
                OR pg_catalog.strpos(l.changes::pg_catalog.text,
                    pg_catalog.btrim(pg_catalog.to_jsonb($2)::pg_catalog.text, '\"')) > 0)"
        ),
        &[INT8OID, TEXTOID, INT8OID],
        Access::Write,
        &[Table::AuditLog, Table::ErasureRequests],
    ) };

    static ALLOCATED: Plan = const { Plan::new(
        c"SELECT coalesce(pg_catalog.pg_sequence_last_value(
            pg_catalog.pg_get_serial_sequence('taskmaster.audit_log', 'id')::pg_catalog.regclass), 0),
            pg_catalog.current_setting('transaction_isolation') = 'read committed'",
        &[],
        Access::Write,
        &[Table::AuditLog],
    ) };

    // Runs on a snapshot taken after $1 was read: a transaction that was given an id up to $1 had its
    // number before, so it is over, or runs in this snapshot. It does not hold this session's own. A
    // mark beyond the snapshot is of another cluster's numbers, from before a restore.
    static FINAL: Plan = const { Plan::new(
        c"WITH present AS MATERIALIZED (SELECT pg_catalog.pg_current_snapshot() AS snapshot),
          running AS MATERIALIZED (
            SELECT x AS xid FROM present, pg_catalog.pg_snapshot_xip(snapshot) AS x),
          mark AS (
            SELECT (value ->> 'id')::pg_catalog.int8 AS id, (value ->> 'xid')::pg_catalog.xid8 AS xid,
                   (value ->> 'at_us')::pg_catalog.int8 AS at_us
            FROM taskmaster.maintenance_state, present
            WHERE key = 'audit_mark' AND (value ->> 'xid')::pg_catalog.xid8 <= pg_catalog.pg_snapshot_xmax(snapshot)),
          settled AS (
            SELECT $1 AS id, (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8 AS at_us
            WHERE NOT EXISTS (SELECT FROM running)
            UNION ALL
            SELECT id, at_us FROM mark
            WHERE NOT EXISTS (SELECT FROM running WHERE running.xid < mark.xid)),
          renewed AS (
            INSERT INTO taskmaster.maintenance_state (key, value)
            SELECT 'audit_mark', pg_catalog.jsonb_build_object(
                'id', $1, 'xid', pg_catalog.pg_snapshot_xmax(snapshot)::pg_catalog.text,
                'at_us', (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8)
            FROM present
            WHERE EXISTS (SELECT FROM settled) OR NOT EXISTS (SELECT FROM mark)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = pg_catalog.now())
          SELECT id, at_us FROM settled ORDER BY id DESC LIMIT 1",
        &[INT8OID],
        Access::Write,
        &[Table::AuditLog],
    ) };

    static BEFORE: Plan = const { Plan::new(
        c"SELECT pg_catalog.min(id) - 1 FROM taskmaster.audit_log WHERE id > $1 AND occurred_at >= $2",
        &[INT8OID, TIMESTAMPTZOID],
        Access::Write,
        &[Table::AuditLog],
    ) };

    // $5 holds the paths of what is erased.
    static ERASE: Plan = const { Plan::new(
        c"UPDATE taskmaster.audit_log SET
            salt = NULL, kept = $2, erased_by = $3,
            login = CASE WHEN 'login' = ANY ($5) THEN $4 ELSE login END,
            actor = CASE WHEN 'actor' = ANY ($5) THEN $4 ELSE actor END,
            application_name = CASE WHEN 'application_name' = ANY ($5) THEN NULL ELSE application_name END,
            peer_addr = CASE WHEN 'peer_addr' = ANY ($5) THEN NULL ELSE peer_addr END,
            peer_port = CASE WHEN 'peer_port' = ANY ($5) THEN NULL ELSE peer_port END,
            client_addr = CASE WHEN 'client_addr' = ANY ($5) THEN NULL ELSE client_addr END,
            client_port = CASE WHEN 'client_port' = ANY ($5) THEN NULL ELSE client_port END,
            changes = (
              SELECT coalesce(pg_catalog.jsonb_object_agg(key, CASE
                WHEN operation NOT IN ('INSERT', 'UPDATE', 'DELETE') THEN
                  CASE WHEN 'changes/0/' || key = ANY ($5) THEN pg_catalog.to_jsonb($4) ELSE value END
                ELSE pg_catalog.jsonb_build_array(
                  CASE WHEN 'changes/0/' || key = ANY ($5) THEN pg_catalog.to_jsonb($4) ELSE value -> 0 END,
                  CASE WHEN 'changes/1/' || key = ANY ($5) THEN pg_catalog.to_jsonb($4) ELSE value -> 1 END)
                END), '{}')
              FROM pg_catalog.jsonb_each(changes))
          WHERE id = $1",
        &[INT8OID, JSONBOID, UUIDOID, TEXTOID, TEXTARRAYOID],
        Access::Write,
        &[Table::AuditLog],
    ) };

    static LOCK: Plan = const { Plan::new(
        c"SELECT CASE WHEN pg_catalog.pg_try_advisory_xact_lock(
              pg_catalog.hashtextextended('taskmaster.seal_audit', 0))
            THEN taskmaster.ensure_audit_partitions($1) >= 0 END",
        &[INT4OID],
        Access::Write,
        &[Table::AuditLog],
    ) };
}

/// How far the log is final.
pub(super) struct Final {
    /// No row with an id up to this can come any more.
    pub(super) id: i64,
    /// What is written from here on is later than this.
    pub(super) at_us: i64,
}

/// Makes this transaction the only one that seals, until its end, and the partitions that must stand.
/// False when another one seals.
pub(super) fn begin_sealing() -> bool {
    LOCK.with(|plan| plan.row(&[bind(2_i32)], |row| row.get(1))).flatten() == Some(true)
}

/// How far the log is final; nothing when transactions that may still add rows run since before the last
/// call. None when the transaction's isolation level hides who runs.
pub(super) fn finality() -> Option<Option<Final>> {
    let (allocated, is_read_committed): (i64, bool) =
        ALLOCATED.with(|plan| plan.row(&[], |row| (row.get_known(1), row.get_known(2))))?;
    let read = |row: &Row| Final { id: row.get_known(1), at_us: row.get_known(2) };
    is_read_committed.then(|| FINAL.with(|plan| plan.row(&[bind(allocated)], read)))
}

/// The last id after `id` that is before the first row of the time `until`.
pub(super) fn last_before(id: i64, until: TimestampWithTimeZone) -> Option<i64> {
    BEFORE.with(|plan| plan.row(&[bind(id), bind(until)], |row| row.get(1))).flatten()
}

/// The rows from `first` to `last`, at most `count`, in the order of their ids.
pub(super) fn range(first: i64, last: i64, count: i64) -> Vec<StoredRow> {
    RANGE.with(|plan| plan.rows(&[bind(first), bind(last), bind(count)], read))
}

/// The rows after `id` that have something to do with the subject, or may have.
pub(super) fn mentions(id: i64, subject: &str, count: i64) -> Vec<StoredRow> {
    MENTIONS.with(|plan| plan.rows(&[bind(id), bind(subject), bind(count)], read))
}

/// Shows the values at these paths as `pseudonym`, or not at all, and keeps their digests.
pub(super) fn erase(
    id: i64,
    salts: &Salts,
    (request, pseudonym): (Uuid, &str),
    gone: &BTreeSet<String>,
) {
    let kept = JsonB(serde_json::from_str(&salts.to_json()).unwrap_or_default());
    let paths: Vec<String> = gone.iter().cloned().collect();
    let values = [bind(id), bind(kept), bind(request), bind(pseudonym), bind(paths)];
    ERASE.with(|plan| plan.run(&values));
}

impl StoredRow {
    /// What a seal holds of it. A row that cannot be read has a hash that no row has.
    pub(super) fn leaf(&self) -> Leaf {
        let hash = self.row.as_ref().and_then(AuditRow::hash);
        Leaf { id: self.id, time_us: self.time_us, hash: hash.unwrap_or_default() }
    }
}

fn read(row: &Row) -> StoredRow {
    let paths: Vec<String> = row.get_known(8);
    let texts: Vec<String> = row.get_known(9);
    let slots = paths.into_iter().zip(texts).map(|(path, text)| Slot { path, text }).collect();
    let salts = match row.get::<Uuid>(5) {
        Some(salt) => Some(Salts::Whole(salt.as_bytes().to_vec())),
        None => row.get::<String>(6).and_then(|kept| Salts::from_json(&kept)),
    };
    let salts = salts.filter(|_| row.get_known::<bool>(7));
    StoredRow {
        id: row.get_known(1),
        time_us: row.get_known(2),
        partition: row.get_known(3),
        row: salts.map(|salts| AuditRow { core: row.get_known(4), slots, salts }),
    }
}
