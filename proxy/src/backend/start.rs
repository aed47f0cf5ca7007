//! What a server connection takes for the settings that its session began with: those of one client after another.
//!
//! The extension makes settings the start of a session (`pg_extension/src/report/start.rs`), so that RESET and DISCARD ALL
//! take a client back to its own start, wherever they are. Must not know which client that is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::backend::server::{Server, ServerFault};
use crate::backend::settings::{Settings, quote_literal};

/// The parameter of the startup packet that carries the key.
pub const KEY_NAME: &str = "taskmaster.start_key";

const KEY_LEN: usize = 32;

/// What the backend of one connection knows the proxy by.
#[derive(Clone, PartialEq, Eq)]
pub struct StartKey([u8; KEY_LEN]);

impl std::fmt::Debug for StartKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StartKey(..)")
    }
}

impl StartKey {
    /// One that nobody else knows.
    pub fn new() -> Self {
        let mut key = [0; KEY_LEN];
        SystemRandom::new().fill(&mut key).expect("the operating system has random bytes");
        Self(key)
    }

    /// As the startup packet has it.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

impl Default for StartKey {
    fn default() -> Self {
        Self::new()
    }
}

/// The start of a connection's session.
#[derive(Debug)]
pub struct Start {
    key: StartKey,
    /// How many starts were asked for.
    count: u64,
    /// The start that the session has; none when that is not known.
    given: Option<Rc<Settings>>,
}

impl Start {
    /// Of a connection that has the start that its login gave it.
    pub fn new(key: StartKey, defaults: Rc<Settings>) -> Self {
        Self { key, count: 0, given: Some(defaults) }
    }

    /// True when this is the session's start: a comparison of pointers nearly always.
    pub fn is(&mut self, wanted: &Rc<Settings>) -> bool {
        match &mut self.given {
            Some(given) if Rc::ptr_eq(given, wanted) => true,
            Some(given) if given == wanted => {
                *given = Rc::clone(wanted);
                true
            }
            _ => false,
        }
    }

    /// The settings that the session began with; none when they are not known.
    pub fn given(&self) -> Option<&Rc<Settings>> {
        self.given.as_ref()
    }

    /// The session was given these.
    pub fn give(&mut self, settings: Rc<Settings>) {
        self.given = Some(settings);
    }

    /// What the session's start is now is not known.
    pub fn forget(&mut self) {
        self.given = None;
    }

    /// The SQL that makes `wanted` the start, where a login has given the session `defaults`. Each text is good once.
    pub fn sql(&mut self, wanted: &Settings, defaults: &Settings) -> String {
        self.count += 1;
        let settings: BTreeMap<_, _> =
            wanted.iter().filter(|(name, value)| defaults.get(name) != Some(*value)).collect();
        let json = serde_json::to_string(&settings).expect("texts have a JSON form");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key.0);
        let proof = hmac::sign(&key, &[&self.count.to_be_bytes()[..], json.as_bytes()].concat());
        let text = format!("{} {} {json}", self.count, hex(proof.as_ref()));
        format!("SET taskmaster.start = {}", quote_literal(&text))
    }
}

impl Server {
    /// True when RESET goes back to what the client began with, without any help.
    pub fn resets_by_itself(&self) -> bool {
        self.start.is_some()
    }

    /// True when RESET goes back to these settings, or the session's start is not the server's matter.
    pub fn is_started_with(&mut self, start: &Rc<Settings>) -> bool {
        self.start.as_mut().is_none_or(|known| known.is(start))
    }

    /// Has the session begin with these settings, if the extension is there to do so, and have no others.
    ///
    /// # Cancel safety
    /// As [`Self::execute`].
    pub async fn start_with(&mut self, wanted: &Rc<Settings>) -> Result<(), ServerFault> {
        if self.is_started_with(wanted) {
            return Ok(());
        }
        let Some(start) = &mut self.start else { return Ok(()) };
        start.forget();
        let sql = start.sql(wanted, &self.defaults);
        self.execute(&sql).await?;
        let actual = wanted.respelled(&self.settings, &self.defaults);
        self.settings = if actual == **wanted { Rc::clone(wanted) } else { Rc::new(actual) };
        if let Some(start) = &mut self.start {
            start.give(Rc::clone(&self.settings));
        }
        Ok(())
    }

    /// What the session has gone back to by DISCARD ALL.
    pub fn discarded(&mut self) {
        let given = self.start.as_ref().and_then(|start| start.given().map(Rc::clone));
        self.settings = given.unwrap_or_else(|| Rc::clone(&self.defaults));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(work_mem: &str) -> Rc<Settings> {
        let mut settings = Settings::default();
        settings.set("TimeZone", "UTC");
        settings.set("work_mem", work_mem);
        Rc::new(settings)
    }

    #[test]
    fn only_what_differs_from_the_login_is_sent_and_no_text_twice() {
        let mut start = Start::new(StartKey::new(), settings("4MB"));
        let (one, other) = (start.sql(&settings("5MB"), &settings("4MB")), settings("5MB"));
        assert!(one.contains(r#"{"work_mem":"5MB"}"#), "{one}");
        assert!(!one.contains("TimeZone"));
        assert_ne!(one, start.sql(&other, &settings("4MB")));
    }

    #[test]
    fn a_start_is_known_by_its_contents_until_it_is_forgotten() {
        let mut start = Start::new(StartKey::new(), settings("4MB"));
        assert!(start.is(&settings("4MB")) && !start.is(&settings("5MB")));
        start.give(settings("5MB"));
        assert!(start.is(&settings("5MB")));
        start.forget();
        assert!(!start.is(&settings("5MB")));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = StartKey::new();
        assert_eq!(key.to_hex().len(), 64);
        assert_eq!(format!("{key:?}"), "StartKey(..)");
    }
}
