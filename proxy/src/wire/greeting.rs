//! The replies of a login: authentication requests, and what a server tells a client before the first query.
//!
//! Source: PostgreSQL documentation, "Message Formats". Must not know who may log in.

use bytes::Bytes;
use pgwire::messages::response::{ReadyForQuery, TransactionStatus as Status};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};

use crate::wire::error_response::encode;
use crate::wire::tag::TransactionStatus;

/// The minor version of a client's startup packet that the proxy goes along with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// 3.0: keys of cancel requests have four bytes.
    V3_0,
    /// 3.2 (PostgreSQL 18): keys of cancel requests have up to 256 bytes; the proxy's have 32.
    V3_2,
}

impl Protocol {
    /// The number in a startup packet.
    pub fn number(self) -> u32 {
        match self {
            Self::V3_0 => 0x0003_0000,
            Self::V3_2 => 0x0003_0002,
        }
    }
}

/// AuthenticationOk.
pub fn authentication_ok() -> Vec<u8> {
    encode(&Authentication::Ok)
}

/// AuthenticationCleartextPassword.
pub fn authentication_cleartext() -> Vec<u8> {
    encode(&Authentication::CleartextPassword)
}

/// AuthenticationMD5Password with its salt.
pub fn authentication_md5(salt: [u8; 4]) -> Vec<u8> {
    encode(&Authentication::MD5Password(salt.to_vec()))
}

/// AuthenticationSASL with the names of the mechanisms.
pub fn authentication_sasl(mechanisms: &[&str]) -> Vec<u8> {
    encode(&Authentication::SASL(mechanisms.iter().map(|&name| name.to_owned()).collect()))
}

/// AuthenticationSASLContinue.
pub fn authentication_sasl_continue(data: Vec<u8>) -> Vec<u8> {
    encode(&Authentication::SASLContinue(Bytes::from(data)))
}

/// AuthenticationSASLFinal.
pub fn authentication_sasl_final(data: Vec<u8>) -> Vec<u8> {
    encode(&Authentication::SASLFinal(Bytes::from(data)))
}

/// ParameterStatus. Neither text may hold a zero byte.
pub fn parameter_status(name: &str, value: &str) -> Vec<u8> {
    encode(&ParameterStatus::new(name.to_owned(), value.to_owned()))
}

/// BackendKeyData.
///
/// # Panics
/// When the secret has fewer than 4 or more than 256 bytes, or not exactly 4 for a client of protocol 3.0: it is the
/// proxy that makes it.
pub fn backend_key_data(pid: i32, secret: &[u8]) -> Vec<u8> {
    encode(&BackendKeyData::new(pid, SecretKey::Bytes(Bytes::copy_from_slice(secret))))
}

/// ReadyForQuery.
pub fn ready_for_query(status: TransactionStatus) -> Vec<u8> {
    encode(&ReadyForQuery::new(match status {
        TransactionStatus::Idle => Status::Idle,
        TransactionStatus::InTransaction => Status::Transaction,
        TransactionStatus::Failed => Status::Error,
    }))
}

/// NegotiateProtocolVersion: `version` is the whole version number the connection goes on with, as PostgreSQL 18 sends
/// it (tcop/backend_startup.c, `SendNegotiateProtocolVersion`), and `unknown` the options that were not understood.
pub fn negotiate_protocol_version(version: u32, unknown: &[String]) -> Vec<u8> {
    encode(&NegotiateProtocolVersion::new(version as i32, unknown.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_the_bytes_of_the_documentation() {
        for (message, expected) in [
            (authentication_ok(), &b"R\0\0\0\x08\0\0\0\0"[..]),
            (authentication_md5([1, 2, 3, 4]), b"R\0\0\0\x0c\0\0\0\x05\x01\x02\x03\x04"),
            (authentication_sasl(&["SCRAM-SHA-256"]), b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"),
            (authentication_sasl_continue(b"r=x".to_vec()), b"R\0\0\0\x0b\0\0\0\x0br=x"),
            (authentication_sasl_final(b"v=y".to_vec()), b"R\0\0\0\x0b\0\0\0\x0cv=y"),
            (parameter_status("a", "bc"), b"S\0\0\0\x09a\0bc\0"),
            (backend_key_data(7, &[1, 2, 3, 4]), b"K\0\0\0\x0c\0\0\0\x07\x01\x02\x03\x04"),
            (ready_for_query(TransactionStatus::Idle), b"Z\0\0\0\x05I"),
            (ready_for_query(TransactionStatus::InTransaction), b"Z\0\0\0\x05T"),
            (ready_for_query(TransactionStatus::Failed), b"Z\0\0\0\x05E"),
            (
                negotiate_protocol_version(0x30002, &["_pq_.x".into()]),
                b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0",
            ),
        ] {
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn a_key_of_protocol_3_2_has_its_32_bytes() {
        let message = backend_key_data(7, &[9; 32]);
        assert_eq!(message.len(), 1 + 4 + 4 + 32);
        assert_eq!(message[..5], *b"K\0\0\0\x28");
    }

    #[test]
    fn a_parameter_longer_than_pgwire_would_read_is_written_all_the_same() {
        assert_eq!(parameter_status("p", &"x".repeat(40_000)).len(), 5 + 2 + 40_001);
    }
}
