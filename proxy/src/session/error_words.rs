//! Errors of a server in the words of the client: with its own names of statements, and with what the proxy has to say where
//! it made the server refuse something.

use memchr::memmem;

use crate::backend::statement::NAME_PREFIX;
use crate::session::client::{Client, Meaning, Word};
use crate::wire::header::HEADER_LEN;

/// The error of the sequence with this number as the client is to see it, when that is another than the server's.
pub fn reworded(client: &mut Client, message: &[u8], sequence_number: u32) -> Option<Vec<u8>> {
    let name = name_on_server(message)?.to_vec();
    match meaning(client, &name, sequence_number) {
        Some(Meaning::Name(own)) => Some(renamed(message, &name, &own)),
        Some(Meaning::Refused(said)) => Some(said.into()),
        None => {
            let own = client.statements.name_of(&name)?;
            Some(renamed(message, &name, own))
        }
    }
}

/// What the name means that an error of this sequence contains.
fn meaning(client: &mut Client, name: &[u8], sequence_number: u32) -> Option<Meaning> {
    let words = &mut client.in_flight.as_mut()?.words;
    let is_it = |word: &Word| word.sequence_number == sequence_number && *word.on_server == *name;
    let index = words.iter().position(is_it)?;
    words.remove(index).map(|word| word.meaning)
}

/// The name in the message that only the proxy gives.
fn name_on_server(message: &[u8]) -> Option<&[u8]> {
    let start = memmem::find(message, NAME_PREFIX)?;
    let rest = &message[start..];
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let len = rest.iter().position(|byte| !is_name(byte)).unwrap_or(rest.len());
    Some(&rest[..len])
}

/// The message with one name in it replaced, in every field.
fn renamed(message: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut body, mut rest) = (Vec::new(), message.get(HEADER_LEN..).unwrap_or_default());
    while let Some(at) = memmem::find(rest, from) {
        body.extend_from_slice(&rest[..at]);
        body.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    body.extend_from_slice(rest);
    let mut bytes = message[..1].to_vec();
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}
