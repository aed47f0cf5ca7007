//! How a server's certificate is judged: not at all, by its chain, or by chain and name.
//!
//! Must not know sockets or files.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::net::common_name;

/// Whether the certificate must be for the host that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameCheck {
    /// It must: `verify-full`.
    Full,
    /// Any name will do: `verify-ca`.
    Skip,
}

/// Accepts certificates that a trusted root has signed.
#[derive(Debug)]
pub struct ChainVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    roots: RootCertStore,
    /// Certificates that are trusted themselves, not only what they sign: a self-signed server certificate that the
    /// operator names as its own root, which webpki would refuse as an authority posing as a server.
    pinned: Vec<CertificateDer<'static>>,
    names: NameCheck,
}

impl ChainVerifier {
    /// A verifier that trusts `roots`, and `pinned` certificates as they are.
    pub fn new(
        provider: &CryptoProvider,
        roots: RootCertStore,
        pinned: Vec<CertificateDer<'static>>,
        names: NameCheck,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { algorithms, roots, pinned, names }
    }

    /// Signed by a root and within its dates, or a pinned certificate within its dates.
    fn verify_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let all = self.algorithms.all;
        let roots = &self.roots;
        match verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, all) {
            // The dates are checked before this refusal is reached, so only the role is forgiven.
            Err(error) if is_role_refusal(&error) && self.is_pinned(end_entity) => Ok(()),
            result => result,
        }
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        self.pinned.iter().any(|pinned| pinned.as_ref() == certificate.as_ref())
    }
}

/// rustls hands webpki's error on as text alone, short of a dependency on webpki itself.
fn is_role_refusal(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    other.0.to_string() == "CaUsedAsEndEntity"
}

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_chain(end_entity, intermediates, now)?;
        if self.names == NameCheck::Full {
            let named = verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name);
            named.or_else(|error| match common_name::is_for(end_entity, server_name) {
                true => Ok(()),
                false => Err(error),
            })?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Accepts every certificate, as libpq does for `require` without a root certificate: this keeps eavesdroppers out, but
/// not someone who poses as the server. The handshake must still prove possession of the certificate's key.
#[derive(Debug)]
pub struct TrustAll {
    algorithms: WebPkiSupportedAlgorithms,
}

impl TrustAll {
    /// A verifier with the signature algorithms of `provider`.
    pub fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
