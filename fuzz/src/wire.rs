//! The messages of a client past its login, as the relay reads them: headers, the four messages that are rewritten, and
//! the text of statements, be they for a server or for the console.

use taskmaster_proxy::admin::understands;
use taskmaster_proxy::router::command::{deallocated, ends_with_reset_all, reset, resets};
use taskmaster_proxy::router::holds::Holds;
use taskmaster_proxy::wire::error_response::ServerError;
use taskmaster_proxy::wire::frontend::{
    BindHead, Parse, Subject, read_subject, write_bind_head, write_parse, write_subject,
};
use taskmaster_proxy::wire::header::{HEADER_LEN, Header};
use taskmaster_proxy::wire::tag::FrontendTag;

/// Walks over the messages in `bytes`. What is read and written again comes out as it was.
pub fn run(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(header) = Header::read(rest) {
        let Ok(tag) = header.frontend() else { break };
        let Some((message, next)) = rest.split_at_checked(header.message_len()) else { break };
        look_at(tag, message);
        rest = next;
    }
    // A prefix of a Bind is read while the rest is still under way.
    if let Some(head) = BindHead::read(rest) {
        assert!(head.len <= rest.len());
    }
    let _ = ServerError::read(bytes);
}

fn look_at(tag: FrontendTag, message: &[u8]) {
    match tag {
        FrontendTag::Parse => look_at_parse(message),
        FrontendTag::Bind => look_at_bind(message),
        FrontendTag::Describe | FrontendTag::Close => look_at_subject(message),
        FrontendTag::Query => look_at_sql(&message[HEADER_LEN..]),
        _ => {}
    }
}

fn look_at_parse(message: &[u8]) {
    let Ok(parse) = Parse::read(message) else { return };
    let mut written = Vec::new();
    write_parse(&mut written, parse.name, parse.body);
    assert_eq!(written, message);
    look_at_sql(parse.query());
}

fn look_at_bind(message: &[u8]) {
    let Some(head) = BindHead::read(message) else { return };
    let rest = &message[head.len..];
    let mut written = Vec::new();
    write_bind_head(&mut written, head.portal, head.statement, rest.len());
    written.extend_from_slice(rest);
    assert_eq!(written, message);
}

fn look_at_subject(message: &[u8]) {
    let Ok((subject, name)) = read_subject(message) else { return };
    if subject == Subject::Statement {
        let mut written = Vec::new();
        write_subject(&mut written, message[0], name);
        assert_eq!(written, message);
    }
}

fn look_at_sql(sql: &[u8]) {
    let _ = Holds::of_sql(sql, &|name| name.len() % 2 == 0);
    let _ = (reset(sql), deallocated(sql), resets(sql), ends_with_reset_all(sql));
    let _ = std::str::from_utf8(sql).map(understands);
}
