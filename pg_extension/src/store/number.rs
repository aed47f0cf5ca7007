//! `numeric` between PostgreSQL and the rules: arguments stay the datum they came as. It must not
//! know what a number measures.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::{Datum, UnboxDatum};
use pgrx::nullable::Nullable;
use pgrx::{
    AnyNumeric, FromDatum, IntoDatum, direct_function_call, direct_function_call_as_datum, pg_sys,
};

use crate::domain::completion::Completion;
use crate::error::{DomainError, TaskRefusal};

/// A `numeric` argument, valid for the call it came with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(pg_sys::Datum);

impl Number {
    /// A number within a document, valid as long as that.
    pub(super) fn of(number: pg_sys::Numeric) -> Self {
        Self(number.into())
    }

    /// The number itself, or 22023 for NaN and the infinities, which have no JSON form.
    pub(crate) fn finite(self) -> Result<Self, DomainError> {
        // SAFETY: the datum is a numeric; detoasting returns it or a copy that lives in the memory
        // context of the call, and both tests only read its header (numeric.c).
        unsafe {
            let detoasted = pg_sys::pg_detoast_datum(self.0.cast_mut_ptr());
            let number = detoasted.cast::<pg_sys::NumericData>();
            if pg_sys::numeric_is_nan(number) || pg_sys::numeric_is_inf(number) {
                return Err(DomainError::NotFinite);
            }
            Ok(Self(detoasted.into()))
        }
    }
}

impl Number {
    /// The modifier of `numeric(8,2)` (`make_numeric_typmod` in numeric.c).
    pub(super) const HOURS_MODIFIER: i32 = (8 << 16 | 2) + 4;

    /// The number as `numeric(8,2)` holds it, or 22023 when it is no number of hours that fits. NULL passes.
    pub(crate) fn hours(
        value: Option<Self>,
        argument: &'static str,
    ) -> Result<Option<Self>, DomainError> {
        let Some(number) = value else { return Ok(None) };
        // SAFETY: the datum is a numeric; numeric_float8 (numeric.c) takes NaN and the infinities,
        // too, and raises for what is out of the range of a float.
        let hours =
            unsafe { direct_function_call::<f64>(pg_sys::numeric_float8, &[Some(number.0)]) };
        if hours.is_some_and(|hours| (0.0..999_999.995).contains(&hours)) {
            // SAFETY: the arguments of the function `numeric` (numeric.c), which rounds.
            let rounded = unsafe {
                direct_function_call_as_datum(
                    pg_sys::numeric,
                    &[Some(number.0), Self::HOURS_MODIFIER.into_datum()],
                )
            };
            return Ok(rounded.map(Self));
        }
        let expected = "a number of hours below 1,000,000";
        Err(TaskRefusal::WrongShape { argument, expected }.into())
    }
}

/// The completion with its two decimals.
pub(crate) fn of_completion(completion: Completion) -> AnyNumeric {
    let text = completion.to_string();
    AnyNumeric::try_from(text.as_str()).expect("digits, a point and two digits are a numeric")
}

pgrx::pgrx_sql_entity_graph::impl_sql_translatable!(Number, arg_only = "numeric");

impl FromDatum for Number {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _type_oid: pg_sys::Oid,
    ) -> Option<Self> {
        (!is_null).then_some(Self(datum))
    }
}

impl IntoDatum for Number {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0)
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::NUMERICOID
    }
}

// SAFETY: the datum is kept as it is.
unsafe impl UnboxDatum for Number {
    type As<'src> = Self;

    unsafe fn unbox<'src>(datum: Datum<'src>) -> Self
    where
        Self: 'src,
    {
        Self(datum.sans_lifetime())
    }
}

// SAFETY: the datum is kept as it is.
unsafe impl<'fcx> ArgAbi<'fcx> for Number {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches that the argument is a numeric and not null.
        let number = unsafe { arg.unbox_arg_using_from_datum() };
        number.expect("the caller has checked that the argument is not null")
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: the caller vouches that the argument is a numeric.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}
