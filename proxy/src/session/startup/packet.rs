//! What the untyped packets at the beginning of a connection say, without input or output.
//!
//! Source: PostgreSQL 18, tcop/backend_startup.c, `ProcessStartupPacket`. Must not know sockets.

use std::fmt;

use crate::error::{ClientFacing, Severity, SqlState};
use crate::wire::frontend::CANCEL_CODE;
use crate::wire::greeting::Protocol;

/// Bytes of a packet without its length (libpq/pqcomm.h, `MAX_STARTUP_PACKET_LENGTH`).
pub const PACKET_LEN_MAX: u32 = 10_000;

const SSL_CODE: u32 = 80_877_103;
const GSS_ENC_CODE: u32 = 80_877_104;
/// 3.2, the newest version PostgreSQL 18 knows.
const VERSION_MAX: u32 = 0x0003_0002;

/// Keys of cancel requests: PostgreSQL up to 17 has 4 bytes, later ones up to 256.
const KEY_LEN_MIN: usize = 4;
const KEY_LEN_MAX: usize = 256;

/// PostgreSQL cuts longer names off (`NAMEDATALEN` is 64, with the final zero).
const NAME_LEN_MAX: usize = 63;

/// One packet, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// A wish for TLS.
    SslRequest,
    /// A wish for GSSAPI encryption.
    GssEncRequest,
    /// A wish to cancel.
    Cancel(CancelKey),
    /// A wish for a session.
    Startup {
        /// What for.
        startup: Box<Startup>,
        /// The reply that is due because the client asked for more than there is.
        negotiation: Option<Negotiation>,
    },
}

/// A wish for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// Who the client says it is. Never empty.
    pub user: String,
    /// The database, the user's name if the client named none. Empty for physical replication.
    pub database: String,
    /// The protocol that the connection goes on with.
    pub protocol: Protocol,
    /// All other parameters but `replication` and those beginning with `_pq_.`, in the client's order; `options` as it
    /// came.
    pub parameters: Vec<(String, String)>,
    /// Whether the client wants to replicate.
    pub replication: Replication,
}

/// What kind of connection the parameter `replication` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// An ordinary one.
    #[default]
    None,
    /// Replication of the whole cluster.
    Physical,
    /// Replication of one database.
    Logical,
}

/// NegotiateProtocolVersion in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiation {
    /// The version number the connection goes on with.
    pub version: u32,
    /// Options beginning with `_pq_.`, none of which is known.
    pub unknown: Vec<String>,
}

/// Names a session in a cancel request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// The process id that the client was told.
    pub pid: i32,
    /// The secret that it was told: 4 to 256 bytes.
    pub secret: Vec<u8>,
}

impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelKey({})", self.pid)
    }
}

/// Why a client's first packets are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The length cannot be that of a packet.
    #[error("invalid length of startup packet")]
    Length(u32),
    /// A cancel request with no key, or one that is too long.
    #[error("invalid length of cancel request packet")]
    CancelLength,
    /// A protocol that is not 3, or something that is not PostgreSQL's protocol at all.
    #[error("unsupported frontend protocol {0}.{1}: server supports 3.0 to 3.2")]
    Version(u16, u16),
    /// Names and values do not end where they should.
    #[error("invalid startup packet layout: expected terminator as last byte")]
    Layout,
    /// A name or value is not valid UTF-8.
    #[error("invalid byte sequence for encoding \"UTF8\" in startup packet")]
    NotUtf8,
    /// No user.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// The parameter `replication` is neither a truth value nor `database`.
    #[error("invalid value for parameter \"replication\": \"{0}\"")]
    Replication(String),
    /// A second wish for the same kind of encryption.
    #[error("encryption was requested twice")]
    Repeated,
    /// Plaintext behind a wish for TLS.
    #[error("received unencrypted data after SSL request")]
    Unencrypted,
    /// TLS is required here.
    #[error("connections without TLS are not accepted")]
    TlsRequired,
}

impl ClientFacing for Refusal {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Version(..) => SqlState::FEATURE_NOT_SUPPORTED,
            Self::NotUtf8 => SqlState::CHARACTER_NOT_IN_REPERTOIRE,
            Self::Replication(_) => SqlState::INVALID_PARAMETER_VALUE,
            Self::NoUser | Self::TlsRequired => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            _ => SqlState::PROTOCOL_VIOLATION,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn detail(&self) -> Option<String> {
        let text = "This could be either a client-software bug or evidence of an attempted \
                    man-in-the-middle attack.";
        (*self == Self::Unencrypted).then(|| text.to_owned())
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TlsRequired => "Connect with sslmode=require or stronger.".into(),
            Self::Replication(_) => {
                "Valid values are: \"false\", 0, \"true\", 1, \"database\".".into()
            }
            Self::Length(_) => "Only PostgreSQL clients are served on this port.".into(),
            _ => return None,
        })
    }
}

/// Understands one packet, given without its length. Never panics, whatever the bytes: fuzz it.
pub fn parse_startup(packet: &[u8]) -> Result<Packet, Refusal> {
    let (code, body) =
        packet.split_first_chunk().ok_or(Refusal::Length(packet.len() as u32 + 4))?;
    match u32::from_be_bytes(*code) {
        SSL_CODE => Ok(Packet::SslRequest),
        GSS_ENC_CODE => Ok(Packet::GssEncRequest),
        CANCEL_CODE => parse_cancel(body).map(Packet::Cancel),
        version if version >> 16 == 3 => parse_parameters(version, body),
        version => Err(Refusal::Version((version >> 16) as u16, version as u16)),
    }
}

fn parse_cancel(body: &[u8]) -> Result<CancelKey, Refusal> {
    match body.split_first_chunk() {
        Some((pid, secret)) if (KEY_LEN_MIN..=KEY_LEN_MAX).contains(&secret.len()) => {
            Ok(CancelKey { pid: i32::from_be_bytes(*pid), secret: secret.to_vec() })
        }
        _ => Err(Refusal::CancelLength),
    }
}

fn parse_parameters(version: u32, mut body: &[u8]) -> Result<Packet, Refusal> {
    let mut draft = Draft::default();
    loop {
        let (name, rest) = text(body)?;
        if name.is_empty() {
            // The terminator is the last byte of the packet.
            return if rest.is_empty() { draft.finish(version) } else { Err(Refusal::Layout) };
        }
        let (value, rest) = text(rest)?;
        draft.note(name, value)?;
        body = rest;
    }
}

fn text(bytes: &[u8]) -> Result<(&str, &[u8]), Refusal> {
    let end = bytes.iter().position(|&byte| byte == 0).ok_or(Refusal::Layout)?;
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Refusal::NotUtf8)?;
    Ok((text, &bytes[end + 1..]))
}

/// A startup packet while its parameters are read.
#[derive(Default)]
struct Draft {
    user: String,
    database: String,
    replication: Replication,
    parameters: Vec<(String, String)>,
    unknown: Vec<String>,
}

impl Draft {
    fn note(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        match name {
            "user" => self.user = value.to_owned(),
            "database" => self.database = value.to_owned(),
            "replication" => self.replication = parse_replication(value)?,
            _ if name.starts_with("_pq_.") => self.unknown.push(name.to_owned()),
            _ => self.parameters.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    fn finish(mut self, version: u32) -> Result<Packet, Refusal> {
        if self.user.is_empty() {
            return Err(Refusal::NoUser);
        }
        if self.database.is_empty() {
            self.database.clone_from(&self.user);
        }
        if self.replication == Replication::Physical {
            self.database.clear();
        }
        truncate(&mut self.user);
        truncate(&mut self.database);
        let due = version > VERSION_MAX || !self.unknown.is_empty();
        let agreed = version.min(VERSION_MAX);
        let negotiation = due.then_some(Negotiation { version: agreed, unknown: self.unknown });
        let startup = Box::new(Startup {
            user: self.user,
            database: self.database,
            // 3.1 was never used; PostgreSQL treats it as 3.0.
            protocol: if agreed == VERSION_MAX { Protocol::V3_2 } else { Protocol::V3_0 },
            parameters: self.parameters,
            replication: self.replication,
        });
        Ok(Packet::Startup { startup, negotiation })
    }
}

fn parse_replication(value: &str) -> Result<Replication, Refusal> {
    if value == "database" {
        return Ok(Replication::Logical);
    }
    match parse_bool(value) {
        Some(true) => Ok(Replication::Physical),
        Some(false) => Ok(Replication::None),
        None => Err(Refusal::Replication(value.to_owned())),
    }
}

/// PostgreSQL's truth values: any unambiguous beginning of a word, in any case (utils/adt/bool.c, `parse_bool`).
fn parse_bool(value: &str) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, len_min: usize| value.len() >= len_min && word.starts_with(&value);
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || value == "1" {
        return Some(true);
    }
    let is_false = begins("false", 1) || begins("no", 1) || begins("off", 2) || value == "0";
    is_false.then_some(false)
}

fn truncate(name: &mut String) {
    let end = (0..=NAME_LEN_MAX.min(name.len())).rev().find(|&end| name.is_char_boundary(end));
    name.truncate(end.unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
        let mut packet = version.to_be_bytes().to_vec();
        for (name, value) in parameters {
            packet.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
        }
        packet.push(0);
        packet
    }

    fn startup(version: u32, parameters: &[(&str, &str)]) -> (Startup, Option<Negotiation>) {
        match parse_startup(&packet(version, parameters)) {
            Ok(Packet::Startup { startup, negotiation }) => (*startup, negotiation),
            other => panic!("{other:?}"),
        }
    }

    fn refusal(version: u32, parameters: &[(&str, &str)]) -> Refusal {
        parse_startup(&packet(version, parameters)).unwrap_err()
    }

    #[test]
    fn the_database_is_the_user_by_default_and_the_rest_is_kept_in_order() {
        let parameters = [("user", "u"), ("options", "-c a=b"), ("application_name", "x")];
        let (startup, negotiation) = startup(0x30000, &parameters);
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("u", "u"));
        let kept = [("options", "-c a=b"), ("application_name", "x")];
        assert_eq!(startup.parameters, kept.map(|(name, value)| (name.into(), value.into())));
        assert_eq!((startup.protocol, negotiation), (Protocol::V3_0, None));
        assert_eq!(startup.replication, Replication::None);
    }

    #[test]
    fn a_later_parameter_wins_and_an_empty_database_is_none() {
        let twice = [("user", "a"), ("database", "d"), ("user", "b"), ("database", "")];
        let (startup, _) = startup(0x30000, &twice);
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("b", "b"));
    }

    #[test]
    fn versions_are_met_negotiated_or_refused() {
        let user = [("user", "u")];
        let negotiated = Some(Negotiation { version: 0x30002, unknown: vec![] });
        for (version, protocol, negotiation) in [
            (0x30000, Protocol::V3_0, None),
            (0x30001, Protocol::V3_0, None),
            (0x30002, Protocol::V3_2, None),
            (0x30003, Protocol::V3_2, negotiated.clone()),
            (0x3270f, Protocol::V3_2, negotiated),
        ] {
            let (startup, due) = startup(version, &user);
            assert_eq!((startup.protocol, due), (protocol, negotiation), "{version:x}");
        }
        for (version, major, minor) in [(0x20000, 2, 0), (0x40000, 4, 0), (0, 0, 0)] {
            assert_eq!(refusal(version, &user), Refusal::Version(major, minor));
        }
    }

    #[test]
    fn an_unknown_protocol_option_is_named_and_left_out() {
        let (startup, due) = startup(0x30000, &[("_pq_.x", "1"), ("user", "u"), ("_pq_.y", "")]);
        let unknown = vec!["_pq_.x".to_owned(), "_pq_.y".to_owned()];
        assert_eq!(due, Some(Negotiation { version: 0x30000, unknown }));
        assert!(startup.parameters.is_empty());
    }

    #[test]
    fn replication_is_a_truth_value_or_a_database() {
        for (value, expected, database) in [
            ("database", Replication::Logical, "d"),
            ("true", Replication::Physical, ""),
            ("ON", Replication::Physical, ""),
            ("y", Replication::Physical, ""),
            ("1", Replication::Physical, ""),
            ("of", Replication::None, "d"),
            ("F", Replication::None, "d"),
            ("0", Replication::None, "d"),
        ] {
            let parameters = [("user", "u"), ("database", "d"), ("replication", value)];
            let (startup, _) = startup(0x30000, &parameters);
            assert_eq!(
                (startup.replication, startup.database.as_str()),
                (expected, database),
                "{value}"
            );
        }
        for value in ["", "o", "2", "truest", "Database"] {
            let refused = refusal(0x30000, &[("user", "u"), ("replication", value)]);
            assert_eq!(refused, Refusal::Replication(value.into()));
        }
    }

    #[test]
    fn names_are_cut_off_where_postgresql_cuts_them_and_never_inside_a_character() {
        let (startup, _) =
            startup(0x30000, &[("user", &"u".repeat(64)), ("database", &"é".repeat(32))]);
        assert_eq!(startup.user.len(), 63);
        assert_eq!(startup.database, "é".repeat(31));
    }

    #[test]
    fn a_user_is_needed() {
        assert_eq!(refusal(0x30000, &[]), Refusal::NoUser);
        assert_eq!(refusal(0x30000, &[("user", "")]), Refusal::NoUser);
    }

    #[test]
    fn a_packet_cut_off_at_any_byte_is_refused() {
        let whole = packet(0x30000, &[("user", "u"), ("database", "d")]);
        for cut in 0..whole.len() {
            let refused = parse_startup(&whole[..cut]).unwrap_err();
            let expected = if cut < 4 { Refusal::Length(cut as u32 + 4) } else { Refusal::Layout };
            assert_eq!(refused, expected, "cut at {cut}");
        }
    }

    #[test]
    fn bytes_after_the_terminator_are_refused() {
        let mut whole = packet(0x30000, &[("user", "u")]);
        whole.push(0);
        assert_eq!(parse_startup(&whole), Err(Refusal::Layout));
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        assert_eq!(parse_startup(b"\0\x03\0\0user\0\xff\0\0"), Err(Refusal::NotUtf8));
    }

    #[test]
    fn cancel_requests_have_keys_of_4_to_256_bytes() {
        for (len, ok) in [(0, false), (3, false), (4, true), (32, true), (256, true), (257, false)]
        {
            let request =
                [&CANCEL_CODE.to_be_bytes()[..], &7_i32.to_be_bytes(), &vec![9; len]].concat();
            let key = CancelKey { pid: 7, secret: vec![9; len] };
            let expected = if ok { Ok(Packet::Cancel(key)) } else { Err(Refusal::CancelLength) };
            assert_eq!(parse_startup(&request), expected, "{len}");
        }
        assert_eq!(parse_startup(&CANCEL_CODE.to_be_bytes()), Err(Refusal::CancelLength));
    }

    #[test]
    fn every_refusal_is_fatal_and_has_its_code() {
        for (refusal, code) in [
            (Refusal::Length(1), "08P01"),
            (Refusal::CancelLength, "08P01"),
            (Refusal::Version(2, 0), "0A000"),
            (Refusal::Layout, "08P01"),
            (Refusal::NotUtf8, "22021"),
            (Refusal::NoUser, "28000"),
            (Refusal::Replication("x".into()), "22023"),
            (Refusal::Repeated, "08P01"),
            (Refusal::Unencrypted, "08P01"),
            (Refusal::TlsRequired, "28000"),
        ] {
            assert_eq!(refusal.sqlstate().as_str(), code, "{refusal}");
            assert_eq!(refusal.severity(), Severity::Fatal);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic_or_give_an_unbounded_name(
            version in prop::sample::select(vec![0x30000, 0x30002, 0x3ffff, CANCEL_CODE, SSL_CODE, 7]),
            body in prop::collection::vec(prop::sample::select(b"user\0database_pq_.x1\xff".to_vec()), 0..80),
        ) {
            let packet = [&version.to_be_bytes()[..], b"user\0u\0", &body, b"\0"].concat();
            for packet in [&packet[..], &packet[12..]] {
                if let Ok(Packet::Startup { startup, .. }) = parse_startup(packet) {
                    prop_assert!((1..=NAME_LEN_MAX).contains(&startup.user.len()));
                    prop_assert!(startup.database.len() <= NAME_LEN_MAX);
                }
            }
        }
    }
}
