//! Certificates for tests.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ListenerTls;

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// Whether a certificate is within its dates.
#[derive(Clone, Copy)]
pub(crate) enum Validity {
    Current,
    Expired,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params(Validity::Current, &[]);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A listener whose certificate this authority has signed.
    pub(crate) fn listener(&self, name: &str, validity: Validity) -> ListenerTls {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        set_dates(&mut params, validity);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        listener(certificate, &key)
    }
}

/// A listener whose certificate is its own authority, as the PostgreSQL documentation makes them.
pub(crate) fn self_signed(
    name: &str,
    validity: Validity,
) -> (ListenerTls, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = authority_params(validity, &[name]).self_signed(&key).unwrap().der().clone();
    (listener(certificate.clone(), &key), certificate)
}

fn authority_params(validity: Validity, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    set_dates(&mut params, validity);
    params
}

fn set_dates(params: &mut CertificateParams, validity: Validity) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = match validity {
        Validity::Current => date_time_ymd(4000, 1, 1),
        Validity::Expired => date_time_ymd(2021, 1, 1),
    };
}

fn listener(certificate: CertificateDer<'static>, key: &KeyPair) -> ListenerTls {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ListenerTls::new(vec![certificate], key).unwrap()
}

impl super::ServerTls {
    /// A client that trusts everyone and names no protocol.
    pub(crate) fn without_alpn() -> Self {
        let tls = Self::new(super::SslMode::Require, None).unwrap();
        let mut config = rustls::ClientConfig::clone(&tls.config);
        config.alpn_protocols.clear();
        Self { mode: tls.mode, config: std::sync::Arc::new(config) }
    }
}
