//! `taskmaster.idempotency_keys`: a request that is sent again is answered and not repeated. It must
//! not know what the requests make.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{BYTEAOID, TEXTOID, UUIDOID};

use super::plan::{Access, Plan, bind, sql};
use super::schema::Table;
use crate::error::{DomainError, TaskRefusal};

/// Keys belong to whom the session acts for. Two tenants may know people of one name: a tenant stands in the scope by a hash,
/// which keeps it within its column.
macro_rules! scope {
    () => {
        "'create_task'
         || coalesce('@' || pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(taskmaster.current_tenant(), 'UTF8')), 'hex'), 32), '')
         || '/' || taskmaster.current_actor()"
    };
}

thread_local! {
    // A key whose time is over is free again. Whoever
    // inserts the same key at the same time waits here for the other's end.
    static TAKE: Plan = const { Plan::new(
        sql!("INSERT INTO taskmaster.idempotency_keys AS present (scope, key, request_hash, result_id)
          VALUES (", scope!(), ", $1, $2, $3)
          ON CONFLICT (scope, key) DO UPDATE SET
            request_hash = excluded.request_hash, result_id = excluded.result_id,
            created_at = excluded.created_at, expires_at = excluded.expires_at
          WHERE present.expires_at <= pg_catalog.clock_timestamp()
          RETURNING true"),
        &[TEXTOID, BYTEAOID, UUIDOID],
        Access::Write,
        &[Table::Tasks, Table::IdempotencyKeys],
    ) };

    static FIND: Plan = const { Plan::new(
        sql!("SELECT result_id, request_hash = $2 FROM taskmaster.idempotency_keys
          WHERE scope = ", scope!(), " AND key = $1"),
        &[TEXTOID, BYTEAOID],
        Access::Write,
        &[],
    ) };
}

/// Whether a request is new.
pub(super) enum Request {
    /// It is, and belongs to the caller.
    New,
    /// It made this before.
    Repeated(Uuid),
}

/// Takes `key` for the request with this hash, whose result will be `id`.
///
/// # Errors
/// 23505 the key was used for another request, 40001 the request is not visible to this snapshot.
pub(super) fn take(key: &str, hash: &[u8], id: Uuid) -> Result<Request, DomainError> {
    let values = [bind(key), bind(hash), bind(id)];
    if TAKE.with(|plan| plan.row(&values, |row| row.get_known::<bool>(1))).is_some() {
        return Ok(Request::New);
    }
    let found = FIND.with(|plan| {
        plan.row(&values[..2], |row| (row.get_known::<Uuid>(1), row.get_known::<bool>(2)))
    });
    match found {
        Some((id, true)) => Ok(Request::Repeated(id)),
        Some((_, false)) => Err(TaskRefusal::KeyReused { key: key.to_owned() }.into()),
        None => Err(TaskRefusal::KeyInvisible { key: key.to_owned() }.into()),
    }
}
