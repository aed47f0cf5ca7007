//! The private certificate authority of `taskmaster up` and the proxy's certificate.
//!
//! The authority lives ten years and signs one kind of certificate: for this machine's own names.
//! The server's certificate is made anew when less than thirty days of it are left.
//! Must not know who serves with it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

use super::EmbeddedError;
use super::files::{make_dir, write_file};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_VALID: Duration = DAY.saturating_mul(3652);
const SERVER_VALID: Duration = DAY.saturating_mul(397);
const RENEW_BELOW: Duration = DAY.saturating_mul(30);
/// Clocks of other machines may be behind.
const BACKDATED: Duration = DAY;

/// The folder with the authority and the server's certificate.
#[derive(Debug, Clone)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes the authority and a first certificate in `dir`, which must not exist.
    ///
    /// # Errors
    /// A key cannot be made or a file not written.
    pub fn create(dir: &Path, now: SystemTime) -> Result<Self, EmbeddedError> {
        make_dir(dir, 0o755)?;
        let certificates = Self { dir: dir.to_owned() };
        let key = KeyPair::generate().map_err(refused)?;
        let authority = authority(now).self_signed(&key).map_err(refused)?;
        write_file(&certificates.authority_key(), &key.serialize_pem(), 0o600)?;
        write_file(&certificates.authority_file(), &authority.pem(), 0o644)?;
        certificates.sign(now)?;
        Ok(certificates)
    }

    /// Opens what [`Certificates::create`] made and renews the server's certificate if it is due.
    ///
    /// # Errors
    /// A file is missing or cannot be written.
    pub fn open(dir: &Path, now: SystemTime) -> Result<Self, EmbeddedError> {
        let certificates = Self { dir: dir.to_owned() };
        if certificates.is_due(now) {
            certificates.sign(now)?;
        }
        Ok(certificates)
    }

    /// The authority's certificate, for `sslrootcert`.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The server's certificate.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.dir.join("server.crt")
    }

    /// The server's private key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("server.key")
    }

    fn authority_key(&self) -> PathBuf {
        self.dir.join("ca.key")
    }

    /// Seconds since 1970 at which the server's certificate ends.
    fn expiry_file(&self) -> PathBuf {
        self.dir.join("server.expires")
    }

    fn is_due(&self, now: SystemTime) -> bool {
        let written = fs::read_to_string(self.expiry_file()).ok();
        let expires = written.and_then(|text| text.trim().parse().ok());
        let expires = expires.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let complete = self.certificate_file().is_file() && self.key_file().is_file();
        !complete || expires.is_none_or(|end| end < now + RENEW_BELOW)
    }

    /// Signs a new server certificate; the file that says how long it is valid comes last.
    fn sign(&self, now: SystemTime) -> Result<(), EmbeddedError> {
        let path = self.authority_key();
        let pem = fs::read_to_string(&path).map_err(EmbeddedError::io("read", &path))?;
        // Only the name and the key of the authority go into what it signs.
        let issuer = Issuer::new(authority(now), KeyPair::from_pem(&pem).map_err(refused)?);
        let key = KeyPair::generate().map_err(refused)?;
        let certificate = server(now).signed_by(&key, &issuer).map_err(refused)?;
        write_file(&self.key_file(), &key.serialize_pem(), 0o600)?;
        write_file(&self.certificate_file(), &certificate.pem(), 0o644)?;
        let expires = since_1970(now + SERVER_VALID).as_secs();
        write_file(&self.expiry_file(), &format!("{expires}\n"), 0o644)
    }
}

fn authority(now: SystemTime) -> CertificateParams {
    let mut params = valid(now, AUTHORITY_VALID, "Taskmaster private authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server(now: SystemTime) -> CertificateParams {
    let mut params = valid(now, SERVER_VALID, "localhost");
    let localhost = "localhost".try_into().map(SanType::DnsName).ok();
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    params.subject_alt_names =
        localhost.into_iter().chain(addresses.map(SanType::IpAddress)).collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn valid(now: SystemTime, time: Duration, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(now - BACKDATED);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(now + time);
    params
}

fn since_1970(time: SystemTime) -> Duration {
    let whole = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Duration::from_secs(whole)
}

fn refused(error: rcgen::Error) -> EmbeddedError {
    EmbeddedError::Certificate(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("taskmaster-tls-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    fn verifies(certificates: &Certificates, name: &str, at: SystemTime) -> bool {
        let authority = CertificateDer::from_pem_file(certificates.authority_file()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let server = CertificateDer::from_pem_file(certificates.certificate_file()).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(since_1970(at));
        verifier.build().unwrap().verify_server_cert(&server, &[], &name, &[], at).is_ok()
    }

    #[test]
    fn the_certificate_is_good_for_this_machine_only() {
        let (dir, now) = (folder("names"), SystemTime::now());
        let made = Certificates::create(&dir, now).unwrap();
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert!(verifies(&made, name, now), "{name}");
        }
        assert!(!verifies(&made, "example.com", now));
        assert!(!verifies(&made, "localhost", now + SERVER_VALID + DAY));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn it_is_renewed_by_the_same_authority_when_thirty_days_are_left() {
        let (dir, now) = (folder("renewal"), SystemTime::now());
        Certificates::create(&dir, now).unwrap();
        let first = fs::read(dir.join("server.crt")).unwrap();
        Certificates::open(&dir, now + SERVER_VALID - RENEW_BELOW - DAY).unwrap();
        assert_eq!(fs::read(dir.join("server.crt")).unwrap(), first);
        let later = now + SERVER_VALID - RENEW_BELOW + DAY;
        let renewed = Certificates::open(&dir, later).unwrap();
        assert_ne!(fs::read(dir.join("server.crt")).unwrap(), first);
        assert!(verifies(&renewed, "localhost", later + SERVER_VALID - DAY));
        fs::remove_dir_all(dir).unwrap();
    }
}
