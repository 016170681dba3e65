//! The installation's signing key: a file, never a row.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::journal::HeadSigner;

/// Name of the key file under `data/keys/`.
pub const JOURNAL_KEY_FILE: &str = "journal-ed25519.seed";

/// Reads the key, or makes it (mode 0600, synced) if there is none yet. `keys_dir` must exist.
pub fn load_or_create_signer(keys_dir: &Path) -> io::Result<HeadSigner> {
    let path = keys_dir.join(JOURNAL_KEY_FILE);
    let seed = match fs::read(&path) {
        Ok(seed) => seed,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let mut seed = vec![0; 32];
            aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no randomness"))?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&seed)?;
            file.sync_all()?;
            fs::File::open(keys_dir)?.sync_all()?;
            seed
        }
        Err(e) => return Err(e),
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the signing key is damaged");
    let seed: [u8; 32] = seed.try_into().map_err(|_| damaged())?;
    HeadSigner::from_seed(&seed).map_err(|_| damaged())
}
