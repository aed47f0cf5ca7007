//! `character varying` as an argument and a result: pgrx's own `&str` would make the signature say
//! `text`. It must not know any length limit; the rules check those.

use std::borrow::Cow;

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::{Datum, UnboxDatum};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, pg_sys};

/// A text whose SQL type is `varchar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Varchar<'a>(Cow<'a, str>);

impl<'a> Varchar<'a> {
    /// The text of an argument that may be NULL.
    pub(crate) fn text(value: &'a Option<Self>) -> Option<&'a str> {
        value.as_ref().map(|value| value.0.as_ref())
    }
}

impl From<String> for Varchar<'static> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

pgrx::pgrx_sql_entity_graph::impl_sql_translatable!(Varchar<'_>, "character varying");

impl FromDatum for Varchar<'_> {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        type_oid: pg_sys::Oid,
    ) -> Option<Self> {
        // SAFETY: varchar and text share one representation; the caller vouches for the datum.
        let text = unsafe { <&str>::from_polymorphic_datum(datum, is_null, type_oid) };
        text.map(|text| Self(Cow::Borrowed(text)))
    }
}

impl IntoDatum for Varchar<'_> {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.as_ref().into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::VARCHAROID
    }
}

// SAFETY: an argument of type varchar holds what `FromDatum` reads.
unsafe impl<'fcx> ArgAbi<'fcx> for Varchar<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches that the argument is a varchar and not null.
        let text = unsafe { arg.unbox_arg_using_from_datum() };
        text.expect("the caller has checked that the argument is not null")
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: the caller vouches that the argument is a varchar.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}

// SAFETY: an element of varchar is a text, which is borrowed as long as the array.
unsafe impl UnboxDatum for Varchar<'_> {
    type As<'src>
        = Varchar<'src>
    where
        Self: 'src;

    unsafe fn unbox<'src>(datum: Datum<'src>) -> Varchar<'src>
    where
        Self: 'src,
    {
        // SAFETY: the caller vouches for the datum.
        Varchar(Cow::Borrowed(unsafe { <&str as UnboxDatum>::unbox(datum) }))
    }
}

// SAFETY: `IntoDatum` makes a text datum, which is what varchar is.
unsafe impl BoxRet for Varchar<'_> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the datum is of the declared type.
        unsafe { fcinfo.return_optional_datum(self.into_datum()) }
    }
}
