//! Who may relay: credentials of our TURN server for people who may enter a session.

use std::path::Path;

use aws_lc_rs::hmac;
use media::turn::Credentials;
use media_io::Media;
use uuid::Uuid;

use super::keys::{KeyError, hex, random, read_or_create};

/// The installation's key for TURN. Kept, so that credentials outlive a restart.
pub struct TurnKey([u8; 32]);

impl TurnKey {
    /// Reads `turn.key` from the folder of keys, or makes it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or written, or is not 32 bytes long.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join("turn.key");
        let key = read_or_create(&path, || Ok(random::<32>()?.to_vec()))?;
        key.try_into().map(Self).map_err(|_| KeyError::Damaged(path))
    }

    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

/// Gives out credentials.
pub struct Relays {
    media: Media,
    names: hmac::Key,
}

impl Relays {
    pub fn new(media: Media, key: &TurnKey) -> Self {
        Self { media, names: hmac::Key::new(hmac::HMAC_SHA256, &key.0) }
    }

    /// For this person in this session, until `expires_us` (wall time in microseconds). `None`:
    /// TURN is not offered.
    pub fn grant(&self, session: Uuid, person: Uuid, expires_us: i64) -> Option<Credentials> {
        let expires_s = u64::try_from(expires_us.div_euclid(1_000_000)).unwrap_or(0);
        self.media.turn_credentials(&self.name(session, person), expires_s)
    }

    /// The same for all devices of a person in a session, so that quotas hold; nobody else can
    /// tell from it who that is, though it travels in the clear.
    fn name(&self, session: Uuid, person: Uuid) -> String {
        let mut context = hmac::Context::with_key(&self.names);
        context.update(b"turn name");
        context.update(session.as_bytes());
        context.update(person.as_bytes());
        hex(&context.sign().as_ref()[..12])
    }
}
