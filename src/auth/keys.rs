//! Secrets of the installation: files of mode 0600 under `data/keys/`, made once and kept.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use thiserror::Error;

#[derive(Debug, Error)]
pub enum KeyError {
    #[error("cannot read or write the key file {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the key file {0} is damaged")]
    Damaged(PathBuf),
    #[error("the system has no randomness to give")]
    NoRandomness,
}

/// Fills an array with random bytes of the operating system.
///
/// # Errors
/// [`KeyError::NoRandomness`] when the operating system refuses.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut out = [0; N];
    SystemRandom::new().fill(&mut out).map_err(|_| KeyError::NoRandomness)?;
    Ok(out)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

/// What the database keeps in place of a token: its SHA-256, in hexadecimal.
pub fn token_hash(token: &str) -> String {
    hex(digest(&SHA256, token.as_bytes()).as_ref())
}

/// Writes a file that only its owner can read, whole or not at all: the bytes reach the disk
/// under another name first.
///
/// # Errors
/// [`KeyError::Io`] when the folder cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let part = path.with_extension("part");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(io)?;
    // `mode` counts only for a new file: a leftover of a crash keeps its own.
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&part, path).map_err(io)
}

/// The bytes of a key file, made by `make` if it does not exist.
///
/// # Errors
/// [`KeyError::Io`], or what `make` returns.
pub fn read_or_create(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, KeyError>,
) -> Result<Vec<u8>, KeyError> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let bytes = make()?;
            write_private(path, &bytes)?;
            Ok(bytes)
        }
        Err(source) => Err(KeyError::Io { path: path.to_owned(), source }),
    }
}

/// The Ed25519 key that signs journal heads; its public half stands in every exported journal.
pub struct InstallationKey(Ed25519KeyPair);

impl InstallationKey {
    /// Reads `installation.key` (PKCS#8) from the folder of keys, or makes it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read, written or parsed.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join("installation.key");
        let pkcs8 = read_or_create(&path, || {
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map(|doc| doc.as_ref().to_vec())
                .map_err(|_| KeyError::NoRandomness)
        })?;
        Ed25519KeyPair::from_pkcs8(&pkcs8).map(Self).map_err(|_| KeyError::Damaged(path))
    }

    /// 32 bytes, RFC 8032.
    pub fn public_key(&self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.public_key().as_ref());
        out
    }

    /// 64 bytes, RFC 8032.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.0.sign(message).as_ref());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_two_digits_a_byte() {
        assert_eq!(hex(&[0, 0x0f, 0xa0, 0xff]), "000fa0ff");
    }

    #[test]
    fn token_hash_is_sha256() {
        // FIPS 180-2, example "abc".
        assert_eq!(
            token_hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn the_installation_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = std::env::temp_dir().join(format!("yt-keys-{}", uuid::Uuid::now_v7()));
        let first = InstallationKey::load_or_create(&folder).unwrap();
        let again = InstallationKey::load_or_create(&folder).unwrap();
        assert_eq!(first.public_key(), again.public_key());
        assert_eq!(first.sign(b"head"), again.sign(b"head"));
        assert_ne!(first.sign(b"head"), first.sign(b"heaD"));
        let mode = fs::metadata(folder.join("installation.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }
}
