//! The passwords of the private cluster: made once, kept in files that only their owner reads.
//!
//! Must not know what logs in with them.

use std::fs;
use std::path::Path;

use super::EmbeddedError;
use super::files::{make_dir, write_file};

/// 32 letters and digits out of 64 carry 192 bits.
const LENGTH: usize = 32;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The passwords of the two roles `taskmaster up` makes.
#[derive(Clone)]
pub struct Secrets {
    /// Of the superuser `postgres`.
    pub superuser: String,
    /// Of the application's role.
    pub application: String,
}

impl Secrets {
    /// Makes both in `dir`, which must not exist.
    ///
    /// # Errors
    /// A file cannot be written, or the system has no random numbers.
    pub fn create(dir: &Path) -> Result<Self, EmbeddedError> {
        make_dir(dir, 0o700)?;
        let secrets = Self { superuser: random()?, application: random()? };
        write_file(&dir.join("superuser"), &secrets.superuser, 0o600)?;
        write_file(&dir.join("application"), &secrets.application, 0o600)?;
        Ok(secrets)
    }

    /// Reads what [`Secrets::create`] wrote.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn open(dir: &Path) -> Result<Self, EmbeddedError> {
        let read = |name| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(EmbeddedError::io("read", &path))
        };
        Ok(Self { superuser: read("superuser")?, application: read("application")? })
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

/// Letters, digits, `-` and `_`: needs no quoting in SQL, a password file or a URL.
fn random() -> Result<String, EmbeddedError> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| EmbeddedError::Random)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn passwords_differ_are_kept_and_are_for_their_owner_only() {
        let dir = std::env::temp_dir().join(format!("taskmaster-secrets-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let made = Secrets::create(&dir).unwrap();
        assert_ne!(made.superuser, made.application);
        assert_eq!(Secrets::open(&dir).unwrap().application, made.application);
        let mode = fs::metadata(dir.join("application")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{made:?}").contains(&made.superuser));
        fs::remove_dir_all(&dir).unwrap();
    }
}
