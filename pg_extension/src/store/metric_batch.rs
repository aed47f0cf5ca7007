//! Many measurements in one call, as arrays or as JSON. It must not know what they mean.

use std::collections::BTreeSet;
use std::ffi::CString;

use pgrx::datum::{Array, TimestampWithTimeZone};
use pgrx::pg_sys::{self, BuiltinOid};
use pgrx::{IntoDatum, direct_function_call};

use super::clock::{now, timestamp, transaction_start};
use super::direct_insert::Cell;
use super::document::{self, Member, Object, Value};
use super::metrics::{self, COLUMN_COUNT, Payload};
use super::plan::{Access, Plan};
use super::schema::Table;
use super::{Jsonb, Number, Varchar};
use crate::domain::argument::Argument;
use crate::domain::instant::{Instant, MINUTE_US};
use crate::domain::metric::{MetricArguments, NewMetric, ROWS_MAX, is_late};
use crate::error::DomainError;

/// Arrays of equal length, one element for each measurement; what is not given is the default for all.
pub(crate) struct MetricArrays<'a> {
    pub(crate) names: Array<'a, Varchar<'a>>,
    pub(crate) values: Array<'a, Number>,
    pub(crate) components: Option<Array<'a, Varchar<'a>>>,
    pub(crate) types: Option<Array<'a, Varchar<'a>>>,
    pub(crate) tags: Option<Array<'a, Jsonb>>,
    pub(crate) units: Option<Array<'a, Varchar<'a>>>,
    pub(crate) sources: Option<Array<'a, Varchar<'a>>>,
    pub(crate) recorded_at: Option<Array<'a, TimestampWithTimeZone>>,
}

/// Rows on their way into the table, and the minutes that some of them are late for.
struct Batch {
    rows: Vec<[Cell; COLUMN_COUNT]>,
    late: BTreeSet<Instant>,
    now: Instant,
    transaction_start: Instant,
}

thread_local! {
    static MARK_LATE: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.metric_dirty_buckets (bucket) SELECT pg_catalog.unnest($1)",
        &[BuiltinOid::TIMESTAMPTZARRAYOID],
        Access::Write,
        &[Table::MetricDirtyBuckets],
    ) };
}

/// Inserts the measurements of the arrays, all or none, and returns their number.
///
/// # Errors
/// Those of one measurement, with the number of the row; 2202E arrays of different lengths; 54000 too many.
pub(crate) fn insert_arrays(arrays: &MetricArrays<'_>) -> Result<i32, DomainError> {
    let len = arrays.names.len();
    Argument("p_names").rows(len, ROWS_MAX)?;
    arrays.check_lengths(len)?;
    let mut batch = Batch::new(len);
    let (mut names, mut values) = (arrays.names.iter(), arrays.values.iter());
    let mut components = arrays.components.as_ref().map(Array::iter);
    let mut types = arrays.types.as_ref().map(Array::iter);
    let mut tags = arrays.tags.as_ref().map(Array::iter);
    let mut units = arrays.units.as_ref().map(Array::iter);
    let mut sources = arrays.sources.as_ref().map(Array::iter);
    let mut times = arrays.recorded_at.as_ref().map(Array::iter);
    for row in 0..len {
        let [name, component, metric_type, unit, source_system] = [
            names.next().flatten(),
            element(&mut components),
            element(&mut types),
            element(&mut units),
            element(&mut sources),
        ];
        let arguments = MetricArguments {
            name: Varchar::text(&name),
            component: Varchar::text(&component),
            metric_type: Varchar::text(&metric_type),
            unit: Varchar::text(&unit),
            source_system: Varchar::text(&source_system),
            recorded_at: element(&mut times).map(|at| Instant(at.into())),
        };
        let value = values.next().flatten();
        let payload = Payload { value, tags: element(&mut tags), metadata: None };
        batch.add(arguments, payload).map_err(|error| error.in_row(row))?;
    }
    Ok(batch.write())
}

/// Inserts the measurements of an array of objects, all or none, and returns their number. The keys are the names of the
/// arguments of `record_metric` without `p_`.
///
/// # Errors
/// Those of one measurement, with the number of the row; 22023 an unknown key or a value of the wrong type; 54000 too many.
pub(crate) fn insert_objects(metrics: Jsonb) -> Result<i32, DomainError> {
    let objects = document::objects(metrics, Argument("p_metrics"), ROWS_MAX)?;
    let mut batch = Batch::new(objects.len());
    for (row, object) in objects.into_iter().enumerate() {
        batch.add_object(object).map_err(|error| error.in_row(row))?;
    }
    Ok(batch.write())
}

fn element<T>(iterator: &mut Option<impl Iterator<Item = Option<T>>>) -> Option<T> {
    iterator.as_mut().and_then(Iterator::next).flatten()
}

impl MetricArrays<'_> {
    fn check_lengths(&self, len: usize) -> Result<(), DomainError> {
        let lengths = [
            ("p_values", Some(self.values.len())),
            ("p_components", self.components.as_ref().map(Array::len)),
            ("p_types", self.types.as_ref().map(Array::len)),
            ("p_tags", self.tags.as_ref().map(Array::len)),
            ("p_units", self.units.as_ref().map(Array::len)),
            ("p_sources", self.sources.as_ref().map(Array::len)),
            ("p_recorded_at", self.recorded_at.as_ref().map(Array::len)),
        ];
        for (argument, length) in lengths {
            if let Some(length) = length.filter(|length| *length != len) {
                return Err(DomainError::ArrayLength { argument, length, expected: len });
            }
        }
        Ok(())
    }
}

impl Batch {
    fn new(len: usize) -> Self {
        let rows = Vec::with_capacity(len);
        Self { rows, late: BTreeSet::new(), now: now(), transaction_start: transaction_start() }
    }

    fn add(&mut self, arguments: MetricArguments<'_>, payload: Payload) -> Result<(), DomainError> {
        let metric = NewMetric::parse(arguments, || self.now)?;
        self.rows.push(metrics::cells(&metric, payload)?);
        let recorded_at = metric.recorded_at.unwrap_or(self.transaction_start);
        if is_late(recorded_at, self.now) {
            self.late.insert(recorded_at.floor(MINUTE_US));
        }
        Ok(())
    }

    fn add_object(&mut self, object: Object) -> Result<(), DomainError> {
        let mut arguments = MetricArguments::default();
        let mut payload = Payload { value: None, tags: None, metadata: None };
        object.members(|member| {
            match member.key {
                "metric_name" => arguments.name = member.text()?,
                "metric_value" => payload.value = member.number()?,
                "component" => arguments.component = member.text()?,
                "metric_type" => arguments.metric_type = member.text()?,
                "tags" => payload.tags = member.document()?,
                "metric_unit" => arguments.unit = member.text()?,
                "source_system" => arguments.source_system = member.text()?,
                "recorded_at" => arguments.recorded_at = member.text()?.map(parse_time),
                "metric_metadata" => payload.metadata = member.document()?,
                other => return Err(DomainError::UnknownKey { key: other.into() }),
            }
            Ok(())
        })?;
        self.add(arguments, payload)
    }

    fn write(self) -> i32 {
        let count = i32::try_from(self.rows.len()).expect("at most ROWS_MAX");
        metrics::insert_rows(&self.rows);
        if !self.late.is_empty() {
            let minutes: Vec<_> = self.late.into_iter().map(timestamp).collect();
            MARK_LATE.with(|plan| plan.run(&[minutes.into_datum()]));
        }
        count
    }
}

impl<'a> Member<'a> {
    fn text(self) -> Result<Option<&'a str>, DomainError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(self.wrong_type("a string")),
        }
    }

    fn number(self) -> Result<Option<Number>, DomainError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Number(number) => Ok(Some(number)),
            _ => Err(self.wrong_type("a number")),
        }
    }

    fn document(self) -> Result<Option<Jsonb>, DomainError> {
        match self.value {
            Value::Null => Ok(None),
            Value::Document(document) => Ok(Some(document)),
            _ => Err(self.wrong_type("an object")),
        }
    }

    fn wrong_type(self, expected: &'static str) -> DomainError {
        DomainError::WrongType { key: self.key.into(), expected }
    }
}

/// A time as PostgreSQL reads it; what it does not understand is its own error, 22007.
fn parse_time(text: &str) -> Instant {
    let text = CString::new(text).expect("a JSON string of PostgreSQL holds no zero byte");
    let arguments =
        [text.as_c_str().into_datum(), pg_sys::InvalidOid.into_datum(), (-1_i32).into_datum()];
    // SAFETY: the three arguments of an input function (documentation, CREATE TYPE).
    let at = unsafe { direct_function_call::<i64>(pg_sys::timestamptz_in, &arguments) };
    Instant(at.expect("timestamptz_in returns no null"))
}
