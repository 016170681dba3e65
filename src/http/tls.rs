//! A local certificate authority and a leaf for this machine, made once and renewed when needed.
//!
//! Browsers give camera and microphone only to secure pages, and an intranet has no public CA.
//! The CA is what a person installs (`/ca.crt`); the leaf changes with the machine's addresses
//! without anybody installing anything again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::auth::keys::{KeyError, read_or_create, write_private};

/// Apple's systems refuse leaves valid for longer than 825 days; a year leaves room.
const LEAF_DAYS: i64 = 365;
const RENEW_DAYS_BEFORE: i64 = 30;

#[derive(Debug, Error)]
pub enum TlsError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("cannot use the certificate: {0}")]
    Use(#[from] rustls::Error),
    #[error("the certificate file {0} is damaged")]
    Damaged(PathBuf),
}

/// What the leaf on disk was made for.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct LeafNote {
    names: BTreeSet<String>,
    /// Seconds UTC.
    not_after: i64,
}

/// The CA's certificate (PEM), once [`server_config`] has run.
pub fn ca_file(keys: &Path) -> PathBuf {
    keys.join("ca.crt")
}

/// Server settings for these names and addresses; makes or renews what is missing or stale.
///
/// # Errors
/// [`TlsError`] when files cannot be written or are damaged.
pub fn server_config(
    keys: &Path,
    names: &[String],
    addresses: &[IpAddr],
    now_us: i64,
) -> Result<Arc<ServerConfig>, TlsError> {
    let names: BTreeSet<String> =
        names.iter().cloned().chain(addresses.iter().map(IpAddr::to_string)).collect();
    let now_s = now_us / 1_000_000;
    ensure_ca(keys, now_s)?;
    let (cert_path, key_path) = (keys.join("tls.crt"), keys.join("tls.key"));
    if !leaf_is_current(keys, &names, now_s) {
        make_leaf(keys, &names, now_s)?;
    }
    let mut config = use_leaf(&cert_path, &key_path)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The server's settings with this leaf; checks that key and certificate belong together.
fn use_leaf(cert_path: &Path, key_path: &Path) -> Result<ServerConfig, TlsError> {
    let damaged = |path: &Path| TlsError::Damaged(path.to_owned());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert_path)
        .and_then(Iterator::collect)
        .map_err(|_| damaged(cert_path))?;
    let key = PrivateKeyDer::from_pem_file(key_path).map_err(|_| damaged(key_path))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}

/// The leaf on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeafStatus {
    Missing,
    /// A file cannot be read, or the key is not the certificate's.
    Damaged,
    Made {
        names: BTreeSet<String>,
        /// Seconds UTC.
        not_after: i64,
    },
}

/// Looks at the leaf without changing anything.
pub fn leaf_status(keys: &Path) -> LeafStatus {
    let (cert_path, key_path) = (keys.join("tls.crt"), keys.join("tls.key"));
    if !cert_path.exists() && !key_path.exists() {
        return LeafStatus::Missing;
    }
    let note = fs::read(keys.join("tls.json")).ok();
    let note = note.and_then(|bytes| serde_json::from_slice::<LeafNote>(&bytes).ok());
    match (note, use_leaf(&cert_path, &key_path)) {
        (Some(note), Ok(_)) => LeafStatus::Made { names: note.names, not_after: note.not_after },
        _ => LeafStatus::Damaged,
    }
}

fn ensure_ca(keys: &Path, now_s: i64) -> Result<(), TlsError> {
    read_or_create(&keys.join("ca.key"), || {
        Ok(KeyPair::generate().map_err(|_| KeyError::NoRandomness)?.serialize_pem().into_bytes())
    })?;
    if !ca_file(keys).exists() {
        let mut params = ca_params();
        set_validity(&mut params, now_s, 3650);
        let certificate = params.self_signed(&read_key(&keys.join("ca.key"))?)?;
        write_private(&ca_file(keys), certificate.pem().as_bytes())?;
    }
    Ok(())
}

/// The same for the certificate and for signing leaves: only subject and usages count there.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Yuntang Local CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn read_key(path: &Path) -> Result<KeyPair, TlsError> {
    let damaged = || TlsError::Damaged(path.to_owned());
    let pem = fs::read_to_string(path).map_err(|_| damaged())?;
    KeyPair::from_pem(&pem).map_err(|_| damaged())
}

fn leaf_is_current(keys: &Path, names: &BTreeSet<String>, now_s: i64) -> bool {
    let note = fs::read(keys.join("tls.json"))
        .and_then(|bytes| serde_json::from_slice::<LeafNote>(&bytes).map_err(io::Error::from));
    let enough = now_s + RENEW_DAYS_BEFORE * 86_400;
    note.is_ok_and(|note| note.names == *names && note.not_after > enough)
        && keys.join("tls.crt").exists()
        && keys.join("tls.key").exists()
}

fn make_leaf(keys: &Path, names: &BTreeSet<String>, now_s: i64) -> Result<(), TlsError> {
    let issuer = Issuer::new(ca_params(), read_key(&keys.join("ca.key"))?);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "Yuntang");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now_s, LEAF_DAYS);
    let not_after = params.not_after.unix_timestamp();
    let leaf = params.signed_by(&key, &issuer)?;
    write_private(&keys.join("tls.key"), key.serialize_pem().as_bytes())?;
    write_private(&keys.join("tls.crt"), leaf.pem().as_bytes())?;
    // Last: without the note the next start makes the leaf again.
    let note = LeafNote { names: names.clone(), not_after };
    let note = serde_json::to_vec_pretty(&note).unwrap_or_default();
    Ok(write_private(&keys.join("tls.json"), &note)?)
}

/// Year, month and day so many days from now.
fn day(now_s: i64, offset: i64) -> (i32, u8, u8) {
    let at = Timestamp::from_second(now_s).unwrap_or(Timestamp::UNIX_EPOCH);
    let date = at.to_zoned(TimeZone::UTC).date().saturating_add(offset.days());
    (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
}

/// Valid from yesterday (clocks of phones differ) for so many days.
fn set_validity(params: &mut CertificateParams, now_s: i64, days: i64) {
    let (y, m, d) = day(now_s, -1);
    params.not_before = date_time_ymd(y, m, d);
    let (y, m, d) = day(now_s, days);
    params.not_after = date_time_ymd(y, m, d);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000_000;
    const DAY: i64 = 86_400_000_000;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("yt-tls-{}", uuid::Uuid::now_v7()))
    }

    fn leaf(keys: &Path) -> Vec<u8> {
        fs::read(keys.join("tls.crt")).unwrap()
    }

    #[test]
    fn the_leaf_is_kept_until_addresses_change_or_it_runs_out_and_the_ca_always() {
        let keys = folder();
        let names = ["localhost".to_owned()];
        let (here, there) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        server_config(&keys, &names, &[here], NOW).unwrap();
        let (ca, first) = (fs::read(ca_file(&keys)).unwrap(), leaf(&keys));
        server_config(&keys, &names, &[here], NOW + DAY).unwrap();
        assert_eq!(leaf(&keys), first);
        server_config(&keys, &names, &[here, there], NOW + DAY).unwrap();
        let second = leaf(&keys);
        assert_ne!(second, first);
        server_config(&keys, &names, &[here, there], NOW + 340 * DAY).unwrap();
        assert_ne!(leaf(&keys), second);
        assert_eq!(fs::read(ca_file(&keys)).unwrap(), ca);
        fs::remove_dir_all(keys).unwrap();
    }

    #[test]
    fn the_leaf_can_be_looked_at() {
        let keys = folder();
        assert_eq!(leaf_status(&keys), LeafStatus::Missing);
        server_config(&keys, &["localhost".to_owned()], &[], NOW).unwrap();
        let LeafStatus::Made { names, not_after } = leaf_status(&keys) else { panic!("made") };
        assert_eq!(names, BTreeSet::from(["localhost".to_owned()]));
        assert!((360..=366).contains(&((not_after - NOW / 1_000_000) / 86_400)));
        // A key that is not this certificate's.
        fs::write(keys.join("tls.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert_eq!(leaf_status(&keys), LeafStatus::Damaged);
        fs::remove_dir_all(keys).unwrap();
    }

    #[test]
    fn a_damaged_key_is_named() {
        let keys = folder();
        server_config(&keys, &["localhost".to_owned()], &[], NOW).unwrap();
        fs::write(keys.join("tls.key"), "junk").unwrap();
        let error = server_config(&keys, &["localhost".to_owned()], &[], NOW).unwrap_err();
        assert!(error.to_string().contains("tls.key"), "{error}");
        fs::remove_dir_all(keys).unwrap();
    }
}
