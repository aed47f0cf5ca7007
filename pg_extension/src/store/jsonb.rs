//! `jsonb` that is passed on: the datum as it came, without a trip through text and a
//! JSON library; or read, with a bound. It must not know what any document means.

use std::ffi::CStr;

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::{Datum, UnboxDatum};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, direct_function_call, pg_sys};
use serde_json::Value;

use crate::domain::argument::Argument;
use crate::domain::document;
use crate::error::{DomainError, TaskRefusal};

/// A `jsonb` argument, valid for the call it came with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jsonb(pg_sys::Datum);

/// `JB_FOBJECT` of `src/include/utils/jsonb.h`: the root container is an object.
const ROOT_IS_OBJECT: u32 = 0x2000_0000;

/// `JB_FARRAY`: it is an array.
const ROOT_IS_ARRAY: u32 = 0x4000_0000;

/// `JB_FSCALAR`: it is a scalar, which is stored as an array of one.
const ROOT_IS_SCALAR: u32 = 0x1000_0000;

/// A jsonb of eight bytes: its length word (`SET_VARSIZE_4B`) and the header of its root, which has no elements.
#[repr(C, align(4))]
struct Empty([u32; 2]);

impl Empty {
    const fn root(header: u32) -> Self {
        Self(if cfg!(target_endian = "little") { [8 << 2, header] } else { [8, header] })
    }
}

/// `JB_CMASK`: how many entries the root has.
const ROOT_COUNT: u32 = 0x0FFF_FFFF;

/// The largest document that is kept beside a task, as text.
const KEPT_BYTES_MAX: usize = 1_048_576;

impl Jsonb {
    /// The document, or 22023 when its root is not an object. NULL passes.
    pub(crate) fn object(
        value: Option<Self>,
        argument: Argument,
    ) -> Result<Option<Self>, DomainError> {
        match value.map(Self::detoasted) {
            Some(document) if !document.is_object() => {
                Err(DomainError::NotAnObject { argument: argument.0 })
            }
            document => Ok(document),
        }
    }

    /// The document, or 22023 when its root is not an array. NULL passes.
    pub(crate) fn array(
        value: Option<Self>,
        argument: &'static str,
    ) -> Result<Option<Self>, DomainError> {
        match value.map(Self::detoasted) {
            Some(document) if !document.is_array() => {
                Err(TaskRefusal::WrongShape { argument, expected: "a JSON array" }.into())
            }
            document => Ok(document),
        }
    }

    /// The document, or 22023 when it is not an array of texts, 54000 or 22001 when it is too
    /// large. NULL passes; an empty list, the usual one, is not read.
    pub(crate) fn texts(
        value: Option<Self>,
        argument: &'static str,
    ) -> Result<Option<Self>, DomainError> {
        let document = value.map(Self::detoasted);
        if let Some(list) = document
            && !(list.is_array() && list.header() & ROOT_COUNT == 0)
        {
            document::require_texts(argument, &list.read(argument, KEPT_BYTES_MAX)?)?;
        }
        Ok(document)
    }

    /// The document, or 54000 when it is too large to be kept beside a task. NULL passes.
    pub(crate) fn kept(
        value: Option<Self>,
        argument: &'static str,
    ) -> Result<Option<Self>, DomainError> {
        let document = value.map(Self::detoasted);
        if let Some(document) = document {
            document::require_size(argument, document.size(), KEPT_BYTES_MAX)?;
        }
        Ok(document)
    }

    /// The document to be looked into.
    ///
    /// # Errors
    /// 54000 larger than `bytes_max`, 54001 nested too deeply, 22023 a number that does not fit.
    pub(crate) fn read(
        self,
        argument: &'static str,
        bytes_max: usize,
    ) -> Result<Value, DomainError> {
        document::require_size(argument, self.size(), bytes_max)?;
        // Text is longer than its jsonb where there is much punctuation.
        document::parse(argument, &self.text(), bytes_max.saturating_mul(2))
    }

    /// The document, or 54000 when it is larger than `bytes_max`.
    pub(crate) fn bounded(self, argument: Argument, bytes_max: usize) -> Result<Self, DomainError> {
        document::require_size(argument.0, self.size(), bytes_max).map(|()| self)
    }

    /// How many bytes the document takes, uncompressed; found without reading it.
    pub(crate) fn size(self) -> usize {
        // SAFETY: the datum is a varlena, of which only the header is read (detoast.c).
        unsafe { pg_sys::toast_raw_datum_size(self.0) }
    }

    /// What PostgreSQL prints for the document.
    pub(crate) fn text(self) -> String {
        // SAFETY: jsonb_out (jsonb.c) takes a jsonb and returns a zero-terminated text in the
        // database's encoding, which pgrx requires to be UTF-8.
        let text = unsafe {
            direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(self.detoasted().0)])
        };
        text.expect("jsonb_out returns no null").to_string_lossy().into_owned()
    }

    /// `{}`, without a call of the server.
    pub(crate) fn empty_object() -> Self {
        static EMPTY: Empty = Empty::root(ROOT_IS_OBJECT);
        Self(pg_sys::Datum::from((&raw const EMPTY).cast_mut()))
    }

    /// `[]`, likewise.
    pub(crate) fn empty_array() -> Self {
        static EMPTY: Empty = Empty::root(ROOT_IS_ARRAY);
        Self(pg_sys::Datum::from((&raw const EMPTY).cast_mut()))
    }

    fn detoasted(self) -> Self {
        // SAFETY: the datum is a jsonb, a varlena; detoasting returns it or a copy that lives in
        // the memory context of the call.
        Self(unsafe { pg_sys::pg_detoast_datum(self.0.cast_mut_ptr()) }.into())
    }

    /// A document made by the server.
    pub(super) fn of(document: *mut pg_sys::Jsonb) -> Self {
        Self(document.into())
    }

    /// The root container, valid as long as the document.
    pub(super) fn container(self) -> *mut pg_sys::JsonbContainer {
        // SAFETY: a detoasted jsonb is a length word followed by the root container (`Jsonb` of jsonb.h).
        unsafe { &raw mut (*self.detoasted().0.cast_mut_ptr::<pg_sys::Jsonb>()).root }
    }

    fn is_object(self) -> bool {
        self.header() & ROOT_IS_OBJECT != 0
    }

    fn is_array(self) -> bool {
        self.header() & (ROOT_IS_ARRAY | ROOT_IS_SCALAR) == ROOT_IS_ARRAY
    }

    fn header(self) -> u32 {
        // SAFETY: a detoasted jsonb is a four-byte length word followed by the root container's
        // header word, both aligned (`Jsonb` and `JsonbContainer` of jsonb.h).
        unsafe { self.0.cast_mut_ptr::<u32>().add(1).read() }
    }
}

pgrx::pgrx_sql_entity_graph::impl_sql_translatable!(Jsonb, arg_only = "jsonb");

impl FromDatum for Jsonb {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _type_oid: pg_sys::Oid,
    ) -> Option<Self> {
        (!is_null).then_some(Self(datum))
    }
}

impl IntoDatum for Jsonb {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0)
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: the datum is kept as it is.
unsafe impl UnboxDatum for Jsonb {
    type As<'src> = Self;

    unsafe fn unbox<'src>(datum: Datum<'src>) -> Self
    where
        Self: 'src,
    {
        Self(datum.sans_lifetime())
    }
}

// SAFETY: the datum is kept as it is.
unsafe impl<'fcx> ArgAbi<'fcx> for Jsonb {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches that the argument is a jsonb and not null.
        let document = unsafe { arg.unbox_arg_using_from_datum() };
        document.expect("the caller has checked that the argument is not null")
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: the caller vouches that the argument is a jsonb.
        unsafe { arg.unbox_arg_using_from_datum() }.into()
    }
}
