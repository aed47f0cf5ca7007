//! What binds a login to the TLS session it runs in: the digest of the server's certificate, `tls-server-end-point`.
//!
//! Source: RFC 5929, section 4.1; PostgreSQL, libpq/be-secure-openssl.c, `be_tls_get_certificate_hash`. Must not know
//! SCRAM.

use aws_lc_rs::digest::{Algorithm, SHA224, SHA256, SHA384, SHA512, digest};
use rustls::pki_types::CertificateDer;
use spki::AlgorithmIdentifierRef;
use spki::ObjectIdentifier;
use spki::der::asn1::{AnyRef, ContextSpecific};
use spki::der::{Decode, Reader, SliceReader, TagNumber};

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// RSASSA-PSS names its digest in its parameters (RFC 4055, section 3.1).
const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");

/// Signature algorithms and bare digests with the digest to use. MD5 and SHA-1 are replaced by SHA-256. Ed25519 and
/// Ed448 have no digest that the RFC could name: like OpenSSL, which PostgreSQL asks, the table knows none.
const DIGESTS: [(ObjectIdentifier, &Algorithm); 17] = [
    (oid("1.2.840.113549.1.1.4"), &SHA256),
    (oid("1.2.840.113549.1.1.5"), &SHA256),
    (oid("1.2.840.113549.1.1.14"), &SHA224),
    (oid("1.2.840.113549.1.1.11"), &SHA256),
    (oid("1.2.840.113549.1.1.12"), &SHA384),
    (oid("1.2.840.113549.1.1.13"), &SHA512),
    (oid("1.2.840.10045.4.1"), &SHA256),
    (oid("1.2.840.10045.4.3.1"), &SHA224),
    (oid("1.2.840.10045.4.3.2"), &SHA256),
    (oid("1.2.840.10045.4.3.3"), &SHA384),
    (oid("1.2.840.10045.4.3.4"), &SHA512),
    (oid("1.2.840.113549.2.5"), &SHA256),
    (oid("1.3.14.3.2.26"), &SHA256),
    (oid("2.16.840.1.101.3.4.2.4"), &SHA224),
    (oid("2.16.840.1.101.3.4.2.1"), &SHA256),
    (oid("2.16.840.1.101.3.4.2.2"), &SHA384),
    (oid("2.16.840.1.101.3.4.2.3"), &SHA512),
];

/// The digest of a certificate by the digest of its signature algorithm; none when that has none.
pub fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let algorithm = digest_of(&signature_algorithm(certificate)?)?;
    Some(digest(algorithm, certificate).as_ref().to_vec())
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }` (RFC 5280, section 4.1). The first part
/// is skipped unread, so that whatever OpenSSL would put up with in it is put up with here.
fn signature_algorithm<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Option<AlgorithmIdentifierRef<'a>> {
    let mut reader = SliceReader::new(certificate).ok()?;
    let parts = reader.sequence(|parts| {
        parts.tlv_bytes()?;
        let algorithm = AlgorithmIdentifierRef::decode(parts)?;
        AnyRef::decode(parts)?;
        Ok(algorithm)
    });
    parts.ok()
}

fn digest_of(signature: &AlgorithmIdentifierRef<'_>) -> Option<&'static Algorithm> {
    let named = if signature.oid == RSA_PSS { pss_digest(signature)? } else { signature.oid };
    DIGESTS.iter().find(|(oid, _)| *oid == named).map(|(_, algorithm)| *algorithm)
}

/// `hashAlgorithm [0] HashAlgorithm DEFAULT sha1Identifier`, the first of the parameters.
fn pss_digest(signature: &AlgorithmIdentifierRef<'_>) -> Option<ObjectIdentifier> {
    let parameters = signature.parameters?;
    let hash = parameters.sequence(|fields| {
        let hash =
            ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode_explicit(fields, TagNumber::N0)?;
        // The mask, the salt's length and the trailer are not asked for.
        while !fields.is_finished() {
            AnyRef::decode(fields)?;
        }
        Ok(hash.map_or(oid("1.3.14.3.2.26"), |hash| hash.value.oid))
    });
    hash.ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// The certificate of a PEM file beside this one, made by OpenSSL.
    fn fixture(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    fn self_signed(algorithm: &'static SignatureAlgorithm) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().into()
    }

    #[test]
    fn the_digest_is_that_of_the_signature() {
        for (certificate, expected) in [
            (self_signed(&rcgen::PKCS_ECDSA_P256_SHA256), &SHA256),
            (self_signed(&rcgen::PKCS_ECDSA_P384_SHA384), &SHA384),
            (self_signed(&rcgen::PKCS_ECDSA_P521_SHA512), &SHA512),
            (fixture(include_str!("end_point/ecdsa_sha224.pem")), &SHA224),
            (fixture(include_str!("end_point/rsa_pss_sha384.pem")), &SHA384),
        ] {
            assert_eq!(end_point(&certificate).unwrap(), digest(expected, &certificate).as_ref());
        }
    }

    #[test]
    fn sha_1_gives_way_to_sha_256() {
        for pem in
            [include_str!("end_point/rsa_sha1.pem"), include_str!("end_point/rsa_pss_sha1.pem")]
        {
            let certificate = fixture(pem);
            assert_eq!(end_point(&certificate).unwrap(), digest(&SHA256, &certificate).as_ref());
        }
    }

    #[test]
    fn ed25519_has_none() {
        assert_eq!(end_point(&self_signed(&rcgen::PKCS_ED25519)), None);
    }

    #[test]
    fn what_is_no_certificate_has_none() {
        let whole = self_signed(&rcgen::PKCS_ECDSA_P256_SHA256);
        for cut in 0..whole.len() {
            assert_eq!(end_point(&CertificateDer::from(&whole[..cut])), None, "cut at {cut}");
        }
    }
}
