//! The certificate of `dev --tls`.
//!
//! A throw-away authority signs it. The authority's key is never written, so nobody can sign another certificate with
//! it, and trusting the authority is safe. The files are kept for the next start, so that clients that trust them, such
//! as a running `watch`, go on working.

use std::{
    net::IpAddr,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::private_file;
use crate::{cli::terminal::failed, error::Result, server::TlsFiles};

/// How long a new certificate is valid: browsers accept at most 398 days of public ones, and 825 of others.
const DAYS: i64 = 397;
/// A kept certificate is valid for at least this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// The files of the certificate and of its authority.
pub(super) struct Issued {
    pub(super) files: TlsFiles,
    pub(super) authority: PathBuf,
}

/// The certificate in `data_dir` if it is valid for this address, else a new one.
pub(super) fn issued(data_dir: &Path, address: IpAddr) -> Result<Issued> {
    let absolute = std::path::absolute(data_dir);
    let dir = absolute.map_err(|e| failed(data_dir.display(), e))?;
    let dir = dir.join("tls");
    let issued = Issued {
        files: TlsFiles {
            cert: dir.join("cert.pem"),
            key: dir.join("key.pem"),
            client_ca: None,
        },
        authority: dir.join("ca.pem"),
    };
    let names = names(address);
    if !is_valid(&issued, &names) {
        issue(&dir, &issued, &names)
            .map_err(|e| failed("the certificate of dev --tls cannot be made", e))?;
    }
    Ok(issued)
}

/// The hosts by which clients may call.
fn names(address: IpAddr) -> Vec<String> {
    let mut names = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let own = address.to_string();
    if !names.contains(&own) {
        names.push(own);
    }
    names
}

/// Whether a client would accept the kept certificate for all of the names, some time from now.
fn is_valid(issued: &Issued, names: &[String]) -> bool {
    let read = |path: &Path| CertificateDer::from_pem_file(path).ok();
    let (Some(authority), Some(certificate)) = (read(&issued.authority), read(&issued.files.cert))
    else {
        return false;
    };
    let mut roots = RootCertStore::empty();
    if roots.add(authority).is_err() || !issued.files.key.exists() {
        return false;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let Ok(verifier) = verifier else {
        return false;
    };
    let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + KEPT);
    names.iter().all(|name| {
        ServerName::try_from(name.as_str()).is_ok_and(|name| {
            let verified = verifier.verify_server_cert(&certificate, &[], &name, &[], then);
            verified.is_ok()
        })
    })
}

/// Makes an authority and a certificate, and writes them.
fn issue(
    dir: &Path,
    issued: &Issued,
    names: &[String],
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut authority = params("outbound-tasks dev authority", &[])?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let mut service = params("outbound-tasks dev", names)?;
    service.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    service.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    service.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = service.signed_by(&key, &issuer)?.pem();

    std::fs::create_dir_all(dir)?;
    // As the files, the directory belongs to the owner of the data.
    let parent = std::fs::metadata(dir.parent().unwrap_or(dir))?;
    if parent.uid() != std::fs::metadata(dir)?.uid() {
        chown(dir, Some(parent.uid()), Some(parent.gid()))?;
    }
    // The key first: a new certificate must not stand beside the previous key.
    private_file::write(&issued.files.key, &key.serialize_pem())?;
    private_file::write(&issued.files.cert, &certificate)?;
    private_file::write(&issued.authority, &authority_pem)?;
    Ok(())
}

fn params(name: &str, hosts: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |days| {
        let day = Utc::now() + TimeDelta::days(days);
        // A month and a day are below 32.
        date_time_ymd(day.year(), day.month() as u8, day.day() as u8)
    };
    // Clocks of clients may be slow.
    (params.not_before, params.not_after) = (day(-1), day(DAYS - 1));
    Ok(params)
}
