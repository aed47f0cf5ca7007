//! The first packet of a client.

use taskmaster_proxy::session::options;
use taskmaster_proxy::session::startup::Packet;
use taskmaster_proxy::session::startup::packet::parse_startup;

/// PostgreSQL cuts longer names off.
const NAME_LEN_MAX: usize = 63;

/// Reads a packet, given without its length, and the options in it.
pub fn run(bytes: &[u8]) {
    match parse_startup(bytes) {
        Ok(Packet::Startup { startup, negotiation }) => {
            assert!((1..=NAME_LEN_MAX).contains(&startup.user.len()));
            assert!(startup.database.len() <= NAME_LEN_MAX);
            for (name, value) in &startup.parameters {
                assert!(!name.starts_with("_pq_.") && !name.is_empty());
                assert!(!name.contains('\0') && !value.contains('\0'));
                let _ = options::settings(value);
            }
            if let Some(due) = negotiation {
                assert!((0x0003_0000..=0x0003_0002).contains(&due.version));
            }
        }
        Ok(Packet::Cancel(key)) => assert!((4..=256).contains(&key.secret.len())),
        Ok(Packet::SslRequest | Packet::GssEncRequest) | Err(_) => {}
    }
}
