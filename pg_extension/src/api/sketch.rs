//! `ddsketch_agg`, `ddsketch_merge`, `ddsketch_quantile`, and the functions that the two aggregates are made of.

use pgrx::datum::Internal;
use pgrx::{extension_sql, pg_extern, pg_sys};

use crate::domain::sketch::Sketch;
use crate::error::DomainError;
use crate::store::{OrRaise, sketch};

/// The quantile of a sketch, between 0 and 1, with a relative error of at most one percent.
#[pg_extern(immutable, strict, parallel_safe)]
fn ddsketch_quantile(p_sketch: &[u8], p_quantile: f64) -> Option<f64> {
    let share = if (0.0..=1.0).contains(&p_quantile) {
        Ok(p_quantile)
    } else {
        Err(DomainError::NotAShare)
    };
    share.and_then(|share| Ok(Sketch::decode(p_sketch)?.quantile(share))).or_raise()
}

/// How many values a sketch holds.
#[pg_extern(immutable, strict, parallel_safe)]
fn ddsketch_count(p_sketch: &[u8]) -> i64 {
    let count = Sketch::decode(p_sketch).or_raise().count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The sketch of one value, to be merged with others.
#[pg_extern(immutable, strict, parallel_safe)]
fn ddsketch_of(p_value: f64) -> Vec<u8> {
    let mut sketch = Sketch::default();
    sketch.add(p_value).or_raise();
    sketch.encode()
}

/// Counts a value. Of `ddsketch_agg`.
#[pg_extern(immutable, parallel_safe)]
fn ddsketch_add(
    state: Option<Internal>,
    value: Option<f64>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    sketch::change(state, fcinfo, |sketch| {
        value.map_or(Ok(()), |value| sketch.add(value)).or_raise();
    })
}

/// Counts the values of a sketch. Of `ddsketch_merge`.
#[pg_extern(immutable, parallel_safe)]
fn ddsketch_add_sketch(
    state: Option<Internal>,
    other: Option<&[u8]>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    sketch::change(state, fcinfo, |sketch| {
        if let Some(other) = other {
            sketch.merge(&Sketch::decode(other).or_raise());
        }
    })
}

/// Puts the states of two workers together.
#[pg_extern(immutable, parallel_safe)]
fn ddsketch_combine(
    state: Option<Internal>,
    other: Option<Internal>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    sketch::change(state, fcinfo, |sketch| {
        if let Some(other) = sketch::of(&other) {
            sketch.merge(other);
        }
    })
}

/// A state on its way from a worker.
#[pg_extern(immutable, parallel_safe)]
fn ddsketch_serialize(state: Option<Internal>) -> Vec<u8> {
    sketch::of(&state).cloned().unwrap_or_default().encode()
}

/// A state that came from a worker.
#[pg_extern(immutable, parallel_safe)]
fn ddsketch_deserialize(
    bytes: Option<&[u8]>,
    _state: Option<Internal>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    let decoded = Sketch::decode(bytes.unwrap_or_default()).or_raise();
    sketch::change(None, fcinfo, |sketch| *sketch = decoded)
}

/// The sketch as bytes; NULL when it holds no value.
#[pg_extern(immutable, parallel_safe)]
fn ddsketch_final(state: Option<Internal>) -> Option<Vec<u8>> {
    sketch::of(&state).filter(|sketch| sketch.count() > 0).map(Sketch::encode)
}

extension_sql!(
    r#"
CREATE AGGREGATE ddsketch_agg(double precision) (
    SFUNC = ddsketch_add, STYPE = internal, FINALFUNC = ddsketch_final, COMBINEFUNC = ddsketch_combine,
    SERIALFUNC = ddsketch_serialize, DESERIALFUNC = ddsketch_deserialize, PARALLEL = SAFE
);

CREATE AGGREGATE ddsketch_merge(bytea) (
    SFUNC = ddsketch_add_sketch, STYPE = internal, FINALFUNC = ddsketch_final, COMBINEFUNC = ddsketch_combine,
    SERIALFUNC = ddsketch_serialize, DESERIALFUNC = ddsketch_deserialize, PARALLEL = SAFE
);
"#,
    name = "ddsketch_aggregates",
    requires = [
        ddsketch_add,
        ddsketch_add_sketch,
        ddsketch_final,
        ddsketch_combine,
        ddsketch_serialize,
        ddsketch_deserialize
    ],
);
