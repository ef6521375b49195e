//! The data of the channel binding `tls-server-end-point` (RFC 5929, section 4.1).
//!
//! It is the hash of the server's certificate, by the hash function of the certificate's own signature, with SHA-256 in
//! the place of MD5 and SHA-1. rustls and webpki do not tell the signature's algorithm, so it is read from the DER form:
//! `SEQUENCE { tbsCertificate, SEQUENCE { algorithm OBJECT IDENTIFIER, parameters }, signature }` (RFC 5280, 4.1).

use sha2::{Digest, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// 1.2.840.113549.1.1, RSA with the last byte for the padding and the hash function.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3, ECDSA with the last byte for the hash function.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 1.2.840.10045.4.1, ECDSA with SHA-1.
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
/// 2.16.840.1.101.3.4.2, hash functions of NIST.
const NIST_HASH: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

/// The binding data of a certificate in DER form. `None` if its signature has no hash function of its own, as Ed25519:
/// no binding is defined then.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (certificate_body, _) = element(certificate, SEQUENCE)?;
    let (_, after_tbs) = element(certificate_body, SEQUENCE)?;
    let (algorithm, _) = element(after_tbs, SEQUENCE)?;
    let (oid, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
    let (last, family) = oid.split_last()?;
    Some(match (family, last) {
        // MD5 and SHA-1
        (RSA, 4 | 5) => Sha256::digest(certificate).to_vec(),
        (RSA, 10) => of_pss(certificate, parameters)?,
        (RSA, 11) | (ECDSA, 2) => Sha256::digest(certificate).to_vec(),
        (RSA, 12) | (ECDSA, 3) => Sha384::digest(certificate).to_vec(),
        (RSA, 13) | (ECDSA, 4) => Sha512::digest(certificate).to_vec(),
        _ if oid == ECDSA_SHA1 => Sha256::digest(certificate).to_vec(),
        _ => return None,
    })
}

/// RSASSA-PSS names its hash function in `[0]` of its parameters (RFC 4055, 3.1); without it, it is SHA-1.
fn of_pss(certificate: &[u8], parameters: &[u8]) -> Option<Vec<u8>> {
    let (fields, _) = element(parameters, SEQUENCE)?;
    let Some((hash, _)) = element(fields, 0xa0) else {
        return Some(Sha256::digest(certificate).to_vec());
    };
    let (hash, _) = element(hash, SEQUENCE)?;
    let (oid, _) = element(hash, OBJECT_IDENTIFIER)?;
    match oid.split_last()? {
        (1, family) if family == NIST_HASH => Some(Sha256::digest(certificate).to_vec()),
        (2, family) if family == NIST_HASH => Some(Sha384::digest(certificate).to_vec()),
        (3, family) if family == NIST_HASH => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// The content of the first element, which must have this tag, and what follows the element.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    if first != tag {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        short @ ..0x80 => (usize::from(short), rest),
        // The long form: the number of bytes of the length, then the length.
        long => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
    };
    rest.split_at_checked(length)
}
