//! Whether a certificate that has no alternative names is for a host, by the common name of its subject.
//!
//! As libpq does it (interfaces/libpq/fe-secure-common.c and fe-secure-openssl.c): the common name counts only when there is
//! no alternative name of the kind that the host is, a DNS name or an address.

use rustls::pki_types::{CertificateDer, ServerName};
use spki::ObjectIdentifier;
use spki::der::Decode;
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// `id-at-commonName` (RFC 5280, appendix A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// True when the subject's common name is that of the host and no alternative name goes before it.
pub fn is_for(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    !has_alternative(&certificate, host)
        && common_name(&certificate).is_some_and(|name| names(name, &host.to_str()))
}

/// What cannot be read may be such a name.
fn has_alternative(certificate: &Certificate, host: &ServerName<'_>) -> bool {
    let is_of_kind = |name: &GeneralName| match host {
        ServerName::IpAddress(_) => matches!(name, GeneralName::IpAddress(_)),
        _ => matches!(name, GeneralName::DnsName(_)),
    };
    match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(None) => false,
        Ok(Some((_, SubjectAltName(names)))) => names.iter().any(is_of_kind),
        Err(_) => true,
    }
}

fn common_name(certificate: &Certificate) -> Option<&str> {
    let parts = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let name = parts.into_iter().find(|attribute| attribute.oid == COMMON_NAME)?;
    std::str::from_utf8(name.value.value()).ok()
}

/// The same name, or a pattern `*.rest` for one label in front of the rest.
fn names(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(rest), Some((label, domain))) = (pattern.strip_prefix("*."), host.split_once('.'))
    else {
        return false;
    };
    !label.is_empty() && rest.contains('.') && rest.eq_ignore_ascii_case(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_one_label() {
        for (pattern, host, expected) in [
            ("db.example.com", "DB.example.com", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.com", "example.com", false),
            ("*", "localhost", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("d*.example.com", "db.example.com", false),
        ] {
            assert_eq!(names(pattern, host), expected, "{pattern} {host}");
        }
    }
}
