//! A certificate authority for one test: issues server certificates as files, and client-side TLS
//! configurations that trust it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::run_dir;

/// A private authority.
pub struct Authority {
    /// Its certificate in PEM, for `sslrootcert` and `ssl_root_cert_file`.
    pub cert_file: PathBuf,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key as PEM files.
#[derive(Debug, Clone)]
pub struct ServerCertificate {
    /// The certificate, readable by all.
    pub cert_file: PathBuf,
    /// The key, readable by its owner alone.
    pub key_file: PathBuf,
}

impl Authority {
    /// A fresh authority with its own key.
    pub fn new() -> Self {
        Self::with_key(KeyPair::generate().expect("a key can be generated"))
    }

    /// An authority with this key, whose kind is the kind of all signatures it makes.
    pub fn with_key(key: KeyPair) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Taskmaster test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).expect("an authority can sign itself");
        let cert_file = run_dir::fresh_dir("ca").join("ca.crt");
        fs::write(&cert_file, certificate.pem()).expect("a file in a fresh directory");
        let certificate = certificate.der().clone();
        Self { cert_file, certificate, issuer: Issuer::new(params, key) }
    }

    /// A server certificate for these DNS names and IP addresses.
    ///
    /// # Panics
    /// When a name is not a valid one.
    pub fn server(&self, names: &[&str]) -> ServerCertificate {
        self.server_with(names, &KeyPair::generate().expect("a key can be generated"))
    }

    /// The same for this key.
    ///
    /// # Panics
    /// When a name is not a valid one.
    pub fn server_with(&self, names: &[&str], key: &KeyPair) -> ServerCertificate {
        self.server_called("Taskmaster test server", names, key)
    }

    /// A server certificate with this common name, and as alternative names these: there may be none.
    ///
    /// # Panics
    /// When a name is not a valid one.
    pub fn server_called(&self, name: &str, names: &[&str], key: &KeyPair) -> ServerCertificate {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("valid names");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(key, &self.issuer).expect("an authority can sign");
        let dir = run_dir::fresh_dir("cert");
        let (cert_file, key_file) = (dir.join("server.crt"), dir.join("server.key"));
        fs::write(&cert_file, certificate.pem()).expect("a file in a fresh directory");
        fs::write(&key_file, key.serialize_pem()).expect("a file in a fresh directory");
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&key_file, private).expect("chmod of our own file");
        ServerCertificate { cert_file, key_file }
    }

    /// A client configuration that trusts this authority alone and speaks only `versions`.
    pub fn client_config(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("our own certificate is well-formed");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider supports TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// What `tokio_postgres::Config::connect` takes to verify the server against this authority.
    pub fn connector(&self) -> MakeRustlsConnect {
        MakeRustlsConnect::new(self.client_config(rustls::ALL_VERSIONS))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
