//! Logins of the product's roles, and a proxy that vouches for its clients. It must not know what any of
//! them may do.

use aws_lc_rs::{digest, hmac};
use harness::Database;

use super::session::Session;

/// A session of a new login that is a member of `taskmaster_<group>`.
pub(super) async fn member(database: &Database<'_>, group: &str) -> Session {
    let user = format!("{group}_{}", database.name);
    let sql = format!(
        "do $$ begin create role {user} login password 'secret' in role taskmaster_{group}; \
         exception when duplicate_object then null; end $$"
    );
    Session::open(database).await.run(&sql).await;
    let mut config = database.config();
    config.user(&user).password("secret");
    Session::connect(&config).await
}

/// A proxy that the database knows.
pub(super) struct Vouching {
    key: [u8; 32],
}

impl Vouching {
    /// Makes its key known to the database.
    pub(super) async fn new(database: &Database<'_>) -> Self {
        let key = [0x5a; 32];
        let stored = hex(digest::digest(&digest::SHA256, &key).as_ref());
        let sql = format!(
            "insert into taskmaster.proxy_keys (name, stored_key) values ('test', '\\x{stored}')"
        );
        Session::open(database).await.run(&sql).await;
        Self { key }
    }

    /// The call that says whose session this is, as ARCHITECTURE.md describes it.
    pub(super) async fn call(&self, session: &Session, sequence: i64, identity: &str) -> String {
        let challenge = session.text("select encode(taskmaster.identity_challenge(), 'hex')").await;
        let stored = digest::digest(&digest::SHA256, &self.key);
        let mut message = b"taskmaster identity 1\0".to_vec();
        message.extend(unhex(&challenge));
        message.extend(sequence.to_be_bytes());
        message.extend(identity.as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, stored.as_ref());
        let signature = hmac::sign(&key, &message);
        let proof: Vec<u8> =
            self.key.iter().zip(signature.as_ref()).map(|(key, mask)| key ^ mask).collect();
        let proof = hex(&proof);
        format!("select taskmaster.assume_identity('{identity}', {sequence}, '\\x{proof}')")
    }

    /// Says whose session this is.
    pub(super) async fn assume(&self, session: &Session, sequence: i64, identity: &str) {
        let call = self.call(session, sequence, identity).await;
        assert_eq!(session.text(&call).await, "t");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}
