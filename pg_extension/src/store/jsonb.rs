//! `jsonb` that is passed on and not read: the datum as it came, without a trip through text and a
//! JSON library. It must not know what any document means.

use pgrx::callconv::{Arg, ArgAbi};
use pgrx::datum::{Datum, UnboxDatum};
use pgrx::nullable::Nullable;
use pgrx::{FromDatum, IntoDatum, pg_sys};

use crate::domain::argument::Argument;
use crate::error::DomainError;

/// A `jsonb` argument, valid for the call it came with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jsonb(pg_sys::Datum);

/// `JB_FOBJECT` of `src/include/utils/jsonb.h`: the root container is an object.
const ROOT_IS_OBJECT: u32 = 0x2000_0000;

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

    /// The document, or 54000 when it has more bytes than that as stored.
    ///
    /// The document has been detoasted.
    pub(crate) fn bounded(self, argument: Argument, size_max: usize) -> Result<Self, DomainError> {
        // SAFETY: a detoasted jsonb is a varlena with a length word.
        let size = unsafe { pgrx::varsize_any(self.0.cast_mut_ptr()) };
        if size <= size_max {
            return Ok(self);
        }
        Err(DomainError::DocumentTooLarge { argument: argument.0, size, size_max })
    }

    /// `{}`, without a call of the server.
    pub(crate) fn empty_object() -> Self {
        /// A jsonb of eight bytes: its length word (`SET_VARSIZE_4B`) and the header of an object without members.
        #[repr(C, align(4))]
        struct Empty([u32; 2]);
        #[cfg(target_endian = "little")]
        static EMPTY: Empty = Empty([8 << 2, ROOT_IS_OBJECT]);
        #[cfg(target_endian = "big")]
        static EMPTY: Empty = Empty([8, ROOT_IS_OBJECT]);
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
        // SAFETY: a detoasted jsonb is a four-byte length word followed by the root container's
        // header word, both aligned (`Jsonb` and `JsonbContainer` of jsonb.h).
        let header = unsafe { self.0.cast_mut_ptr::<u32>().add(1).read() };
        header & ROOT_IS_OBJECT != 0
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
