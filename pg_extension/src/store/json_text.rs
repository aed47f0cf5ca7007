//! `jsonb` as a result: JSON that a statement made and that goes to the caller as it is, whatever
//! the size of its numbers. It must not know what any document means.

use std::ffi::CString;

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::{IntoDatum, direct_function_call, pg_sys};

/// A text that is JSON and whose SQL type is `jsonb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonText(pub(crate) String);

pgrx::pgrx_sql_entity_graph::impl_sql_translatable!(JsonText, "jsonb");

impl IntoDatum for JsonText {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let text = CString::new(self.0).expect("JSON holds no zero byte");
        // SAFETY: jsonb_in (jsonb.c) takes a zero-terminated text and copies what it keeps.
        unsafe {
            direct_function_call::<pg_sys::Datum>(pg_sys::jsonb_in, &[Some(text.as_ptr().into())])
        }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: `IntoDatum` makes a jsonb datum.
unsafe impl BoxRet for JsonText {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the datum is of the declared type.
        unsafe { fcinfo.return_optional_datum(self.into_datum()) }
    }
}
