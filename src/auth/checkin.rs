//! The codes on the screen of a room site: who scans one proves to have stood before it.
//!
//! A code is bound to session, site and a slot of 20 s of session time by HMAC-SHA-256. Session
//! time, not the wall clock: setting the server's clock makes no old code good again.

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::keys::{KeyError, random, read_or_create};
use crate::domain::{SessionId, SiteId};

/// A new code so often, in session time.
pub const SLOT_US: i64 = 20_000_000;
/// A code is good for so long after its slot began.
pub const GOOD_FOR_US: i64 = 60_000_000;
/// Bytes of the code in the link: enough against guessing for a minute.
const CODE_BYTES: usize = 12;

/// Key of the installation; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckinKey([u8; 32]);

impl fmt::Debug for CheckinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckinKey(…)")
    }
}

/// What a code says, once its HMAC was found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub site: SiteId,
    pub slot: u32,
}

impl CheckinKey {
    /// Reads `checkin.key` from the folder of keys, or makes it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or written, or has not 32 bytes.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeyError> {
        let path = folder.join("checkin.key");
        let key = read_or_create(&path, || Ok(random::<32>()?.to_vec()))?;
        key.try_into().map(Self).map_err(|_| KeyError::Damaged(path))
    }

    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// HMAC over parts of fixed length.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        parts.iter().for_each(|part| context.update(part));
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    fn code_mac(&self, session: SessionId, code: Code) -> [u8; 32] {
        let (session, site) = (session.as_uuid().as_bytes(), code.site.as_uuid().as_bytes());
        self.mac(&[b"code", session, site, &code.slot.to_be_bytes()])
    }

    /// The text that goes into the link: `site.slot.mac`.
    pub fn sign(&self, session: SessionId, code: Code) -> String {
        let mac = URL_SAFE_NO_PAD.encode(&self.code_mac(session, code)[..CODE_BYTES]);
        format!("{}.{}.{mac}", URL_SAFE_NO_PAD.encode(code.site.as_uuid().as_bytes()), code.slot)
    }

    /// What the text says, if this installation wrote it for this session. How old it is, the
    /// room says.
    pub fn read(&self, session: SessionId, text: &str) -> Option<Code> {
        let mut parts = text.split('.');
        let (site, slot, mac) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let site: [u8; 16] = URL_SAFE_NO_PAD.decode(site).ok()?.try_into().ok()?;
        let code = Code { site: Uuid::from_bytes(site).into(), slot: slot.parse().ok()? };
        let given = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let wanted = self.code_mac(session, code);
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&given, &wanted[..CODE_BYTES]);
        same.is_ok().then_some(code)
    }

    /// Proves that the server gave out this id of a site in this session.
    pub fn site_proof(&self, session: SessionId, site: SiteId) -> String {
        let parts: [&[u8]; 3] = [b"site", session.as_uuid().as_bytes(), site.as_uuid().as_bytes()];
        URL_SAFE_NO_PAD.encode(&self.mac(&parts)[..CODE_BYTES])
    }

    pub fn is_site_of(&self, session: SessionId, site: SiteId, proof: &str) -> bool {
        let wanted = self.site_proof(session, site);
        let (given, wanted) = (proof.as_bytes(), wanted.as_bytes());
        aws_lc_rs::constant_time::verify_slices_are_equal(given, wanted).is_ok()
    }

    /// Instants of random roll-calls, sorted: `times` in `[from_us, from_us + within_us)`. Known to
    /// whoever has the key alone, and the same again after a restart.
    pub fn instants(
        &self,
        session: SessionId,
        from_us: i64,
        within_us: i64,
        times: u32,
    ) -> Vec<i64> {
        let instant = |n: u32| {
            let parts: [&[u8]; 4] =
                [b"roll", session.as_uuid().as_bytes(), &from_us.to_be_bytes(), &n.to_be_bytes()];
            let mac = self.mac(&parts);
            let mut word = [0; 8];
            word.copy_from_slice(&mac[..8]);
            let within = u128::try_from(within_us.max(1)).unwrap_or(1);
            // Scaled, not reduced: no instant is likelier than another.
            let offset = (u128::from(u64::from_be_bytes(word)) * within) >> 64;
            from_us + i64::try_from(offset).unwrap_or(0)
        };
        let mut instants: Vec<i64> = (0..times).map(instant).collect();
        instants.sort_unstable();
        instants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<T: From<Uuid>>(n: u128) -> T {
        Uuid::from_u128(n).into()
    }

    #[test]
    fn a_code_is_read_back_by_its_own_session_and_key_alone() {
        let (key, session) = (CheckinKey::new([7; 32]), id(1));
        let code = Code { site: id(9), slot: 431 };
        let text = key.sign(session, code);
        assert_eq!(key.read(session, &text), Some(code));
        assert_eq!(key.read(id(2), &text), None);
        assert_eq!(CheckinKey::new([8; 32]).read(session, &text), None);
        assert_eq!(key.read(session, &text.replace(".431.", ".432.")), None);
        let cut = &text[..text.len() - 1];
        for wrong in ["", "..", "a.1.b", cut, &format!("{text}."), &format!("{text}A")] {
            assert_eq!(key.read(session, wrong), None, "{wrong}");
        }
        // The link fits into a code that a phone reads across a room.
        assert!(text.len() < 50, "{}", text.len());
    }

    #[test]
    fn a_site_is_proved_and_nothing_tells_the_key() {
        let key = CheckinKey::new([7; 32]);
        let proof = key.site_proof(id(1), id(9));
        assert!(key.is_site_of(id(1), id(9), &proof));
        assert!(!key.is_site_of(id(1), id(8), &proof) && !key.is_site_of(id(2), id(9), &proof));
        assert_eq!(format!("{key:?}"), "CheckinKey(…)");
    }

    #[test]
    fn random_instants_lie_in_their_time_and_come_again() {
        let key = CheckinKey::new([7; 32]);
        let first = key.instants(id(1), 1_000, 60_000_000, 20);
        assert_eq!(first, key.instants(id(1), 1_000, 60_000_000, 20));
        assert!(first.iter().all(|t| (1_000..60_001_000).contains(t)) && first.is_sorted());
        assert_ne!(first, key.instants(id(2), 1_000, 60_000_000, 20));
        let (early, late) = (first[0], first[19]);
        assert!(late - early > 30_000_000, "spread over the time: {early} to {late}");
    }
}
