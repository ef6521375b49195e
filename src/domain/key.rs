//! API keys: `otk_<key id>_<secret>`.
//!
//! The key id is `<tenant>.<8 characters>`, so a key names its tenant and is looked up within it. The secret has 36
//! random characters of a 32-letter alphabet (180 bits), followed by 7 characters with the CRC-32 of everything before:
//! a mistyped key is rejected without a query. Only the SHA-256 of the complete key is stored; a slow hash is
//! unnecessary for so many random bits.

use sha2::{Digest, Sha256};
use strum::{Display, IntoStaticStr, VariantArray};

use super::tenant::TenantId;
use crate::redaction::{ALPHABET, PREFIX, SECRET_CHARS};

const SUFFIX_CHARS: usize = 8;
const CHECKSUM_CHARS: usize = 7;

/// What a key allows. Commands and the database have the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Scope {
    /// Read tasks.
    Read,
    /// Change tasks.
    Write,
    /// Manage the keys of the tenant.
    Admin,
}

/// The public part of a key, which identifies the key and its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId {
    tenant: TenantId,
    text: String,
}

impl KeyId {
    /// Parses `<tenant>.<8 characters>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, suffix) = text.split_once('.')?;
        let good = suffix.len() == SUFFIX_CHARS && suffix.bytes().all(|b| ALPHABET.contains(&b));
        Some(Self {
            tenant: TenantId::parse(tenant).ok().filter(|_| good)?,
            text: text.to_owned(),
        })
    }

    /// The tenant of the key.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A well-formed key; only the database knows whether it is valid. Contains its hash, not its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The id that the key claims.
    pub id: KeyId,
    /// The SHA-256 of the complete key.
    pub hash: [u8; 32],
}

impl ApiKey {
    /// Parses a key; `None` if its form or its checksum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let (body, checksum) = text.split_at_checked(text.len().checked_sub(CHECKSUM_CHARS)?)?;
        let good = secret.len() == SECRET_CHARS + CHECKSUM_CHARS
            && checksum_of(body).as_bytes() == checksum.as_bytes();
        Some(Self {
            id: KeyId::parse(id).filter(|_| good)?,
            hash: Sha256::digest(text).into(),
        })
    }

    /// Generates a new key of `tenant`. The returned text is shown once and not stored.
    pub fn generate(tenant: &TenantId) -> Result<(Self, String), getrandom::Error> {
        let id = format!("{tenant}.{}", random_chars(SUFFIX_CHARS)?);
        let body = format!("{PREFIX}{id}_{}", random_chars(SECRET_CHARS)?);
        let text = format!("{body}{}", checksum_of(&body));
        let key = Self::parse(&text).expect("a key is made as it is read");
        Ok((key, text))
    }
}

fn random_chars(count: usize) -> Result<String, getrandom::Error> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.into_iter().map(letter).collect())
}

fn checksum_of(body: &str) -> String {
    let crc = crc32fast::hash(body.as_bytes());
    (0..CHECKSUM_CHARS)
        .map(|i| letter((crc >> (5 * i)) as u8))
        .collect()
}

/// The letter for the five lowest bits.
fn letter(bits: u8) -> char {
    char::from(ALPHABET[usize::from(bits & 31)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::holds_key;

    #[test]
    fn a_key_reads_back_and_a_typo_does_not() {
        let tenant = TenantId::parse("acme-2").expect("a good id");
        let (key, text) = ApiKey::generate(&tenant).expect("random bytes");
        assert_eq!(ApiKey::parse(&text).as_ref(), Some(&key));
        assert_eq!(key.id.tenant(), &tenant);
        for at in 0..text.len() {
            for other in [b'0', b'1', b'_', b'.'] {
                let mut typo = text.clone().into_bytes();
                typo[at] = other;
                let typo = String::from_utf8(typo).expect("still ASCII");
                assert!(typo == text || ApiKey::parse(&typo).is_none(), "{typo}");
            }
            assert!(ApiKey::parse(&text[..at]).is_none());
        }
        assert!(ApiKey::parse("otk_日本語日本語").is_none());
    }

    #[test]
    fn a_key_is_seen_wherever_it_stands() {
        let tenant = TenantId::parse("acme-2").expect("a good id");
        let (_, key) = ApiKey::generate(&tenant).expect("random bytes");
        let unmarked = &key[PREFIX.len()..];
        let secret = &key[key.len() - SECRET_CHARS - CHECKSUM_CHARS..];
        let random = &secret[..SECRET_CHARS];
        for text in [
            &key,
            unmarked,
            secret,
            random,
            &key[..8],
            &key.to_uppercase(),
        ] {
            for text in [text.to_owned(), format!("task:{text}\u{e9}")] {
                assert!(holds_key(&text), "{text}");
            }
        }
        for text in [
            "",
            "mine-1",
            "018f3a2b-7c4d-7e8f-9a0b-1c2d3e4f5a6b",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            &secret[..SECRET_CHARS - 1],
            &"k".repeat(64),
            "testtesttesttesttesttesttesttesttesttesttest",
            "外呼任务外呼任务外呼任务外呼任务外呼任务外呼任务外呼任务外呼任务",
        ] {
            assert!(!holds_key(text), "{text}");
        }
    }
}
