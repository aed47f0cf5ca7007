//! `jsonb` that is passed on: the datum as it came, without a trip through text and a
//! JSON library; or read, with a bound. It must not know what any document means.

use std::ffi::CStr;
use std::ptr;

use pgrx::callconv::{Arg, ArgAbi};
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

    /// The document read, or 54000 when it is larger than `bytes_max`, 22023 when it nests too deeply
    /// or holds a number that no double can.
    pub(crate) fn read(
        self,
        argument: Argument,
        bytes_max: usize,
    ) -> Result<serde_json::Value, DomainError> {
        let document = self.bounded(argument, bytes_max)?;
        serde_json::from_str(&document.text()).map_err(|error| DomainError::UnreadableDocument {
            argument: argument.0,
            reason: error.to_string(),
        })
    }

    /// The document, or 54000 when it is larger than `bytes_max`.
    pub(crate) fn bounded(self, argument: Argument, bytes_max: usize) -> Result<Self, DomainError> {
        let bytes = self.size();
        if bytes > bytes_max {
            return Err(DomainError::DocumentTooLarge { argument: argument.0, bytes, bytes_max });
        }
        Ok(self)
    }

    /// How many bytes the document takes, uncompressed; found without reading it.
    pub(crate) fn size(self) -> usize {
        // SAFETY: the datum is a varlena, of which only the header is read (detoast.c).
        unsafe { pg_sys::toast_raw_datum_size(self.0) }
    }

    /// What PostgreSQL prints for the document.
    pub(crate) fn text(self) -> String {
        let document = self.detoasted();
        // SAFETY: a detoasted jsonb is a length word and the root container, which JsonbToCString
        // prints into memory of the call, zero-terminated and in the database's encoding.
        unsafe {
            let jsonb = document.0.cast_mut_ptr::<pg_sys::Jsonb>();
            let length = i32::try_from(document.size()).unwrap_or(i32::MAX);
            let text = pg_sys::JsonbToCString(ptr::null_mut(), &raw mut (*jsonb).root, length);
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    }

    fn detoasted(self) -> Self {
        // SAFETY: the datum is a jsonb, a varlena; detoasting returns it or a copy that lives in
        // the memory context of the call.
        Self(unsafe { pg_sys::pg_detoast_datum(self.0.cast_mut_ptr()) }.into())
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
