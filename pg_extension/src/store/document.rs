//! Reads `jsonb` as PostgreSQL stores it, without text in between: an array of objects, member by member. It must not know
//! what any member means.

use std::ffi::c_char;
use std::ptr;

use pgrx::pg_sys::{self, JsonbIteratorToken as Token, jbvType};

use super::{Jsonb, Number};
use crate::domain::argument::Argument;
use crate::error::DomainError;

/// A member of an object, valid for the call that the document came with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) key: &'a str,
    pub(super) value: Value<'a>,
}

/// The value of a member.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Null,
    Boolean,
    Number(Number),
    Text(&'a str),
    /// An array or an object.
    Document(Jsonb),
}

/// An object within a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object(*mut pg_sys::JsonbContainer);

/// `JB_FOBJECT` of jsonb.h, in a container's header.
const IS_OBJECT: u32 = 0x2000_0000;

/// `JB_FARRAY` and `JB_FSCALAR` of jsonb.h: a lone value is stored as an array that says so.
const IS_ARRAY: u32 = 0x4000_0000;
const IS_SCALAR: u32 = 0x1000_0000;

/// `JB_CMASK` of jsonb.h: the number of elements.
const COUNT: u32 = 0x0FFF_FFFF;

/// The objects of an array, at most `len_max`.
///
/// # Errors
/// 22023 when the document is no array of objects, 54000 when it is longer.
pub(super) fn objects(
    document: Jsonb,
    argument: Argument,
    len_max: usize,
) -> Result<Vec<Object>, DomainError> {
    let root = document.container();
    // SAFETY: a container begins with its header.
    let header = unsafe { (*root).header };
    if header & IS_ARRAY == 0 || header & IS_SCALAR != 0 {
        return Err(DomainError::NotAnArray { argument: argument.0 });
    }
    argument.rows((header & COUNT) as usize, len_max)?;
    let mut objects = Vec::with_capacity((header & COUNT) as usize);
    // SAFETY: the container is part of the document, which outlives the call.
    unsafe {
        each(root, |token, value| {
            if token == Token::WJB_ELEM {
                objects.push(object(value));
            }
        });
    }
    let objects = objects.into_iter().collect::<Option<Vec<_>>>();
    objects.ok_or(DomainError::NotAnArray { argument: argument.0 })
}

impl Object {
    /// Calls `visit` with each member, in the order of jsonb.
    pub(super) fn members<'a>(
        self,
        mut visit: impl FnMut(Member<'a>) -> Result<(), DomainError>,
    ) -> Result<(), DomainError> {
        let (mut key, mut outcome) = ("", Ok(()));
        // SAFETY: the container is part of a document that outlives the call, and so do the texts in it. A key is a string.
        unsafe {
            each(self.0, |token, value| match token {
                Token::WJB_KEY => key = text(value),
                Token::WJB_VALUE if outcome.is_ok() => {
                    outcome = visit(Member { key, value: Value::of(value) });
                }
                _ => {}
            });
        }
        outcome
    }
}

impl Value<'_> {
    /// # Safety
    /// `value` is one that the iterator yielded, of a document that outlives the result.
    unsafe fn of(value: &mut pg_sys::JsonbValue) -> Self {
        // SAFETY: the type says which of the union's members it is.
        unsafe {
            match value.type_ {
                jbvType::jbvString => Self::Text(text(value)),
                jbvType::jbvNumeric => Self::Number(Number::of(value.val.numeric)),
                jbvType::jbvBool => Self::Boolean,
                jbvType::jbvBinary => Self::Document(Jsonb::of(pg_sys::JsonbValueToJsonb(value))),
                _ => Self::Null,
            }
        }
    }
}

/// # Safety
/// `value` is a string of a document that outlives the result.
unsafe fn text<'a>(value: &pg_sys::JsonbValue) -> &'a str {
    // SAFETY: a string's text is as long as it says.
    let bytes = unsafe {
        let string = value.val.string;
        std::slice::from_raw_parts(string.val.cast::<c_char>().cast::<u8>(), string.len as usize)
    };
    std::str::from_utf8(bytes).expect("the server's encoding is UTF-8, as pgrx asks")
}

/// # Safety
/// `value` is one that the iterator yielded.
unsafe fn object(value: &pg_sys::JsonbValue) -> Option<Object> {
    // SAFETY: a value of the type jbvBinary is a container, which begins with its header.
    unsafe {
        if value.type_ != jbvType::jbvBinary {
            return None;
        }
        let container = value.val.binary.data;
        ((*container).header & IS_OBJECT != 0).then_some(Object(container))
    }
}

/// Walks over a container without going down into those inside of it.
///
/// # Safety
/// `container` is valid.
unsafe fn each(
    container: *mut pg_sys::JsonbContainer,
    mut visit: impl FnMut(Token::Type, &mut pg_sys::JsonbValue),
) {
    let mut value = pg_sys::JsonbValue::default();
    // SAFETY: the iterator yields tokens until it is done, and frees itself then.
    unsafe {
        let mut iterator = pg_sys::JsonbIteratorInit(container);
        while !ptr::eq(iterator, ptr::null()) {
            let token = pg_sys::JsonbIteratorNext(&raw mut iterator, &raw mut value, true);
            if token == Token::WJB_DONE {
                return;
            }
            visit(token, &mut value);
        }
    }
}
