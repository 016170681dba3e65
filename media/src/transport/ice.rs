//! The ICE-lite agent of one peer (RFC 8445): it answers checks and remembers who passed.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use super::Remote;
use super::stun::{self, Class, Message, Refusal, Transaction};

/// Without an authenticated packet for this long, the peer is gone (RFC 7675 section 5.1).
pub const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Remote addresses remembered per peer; the one silent for longest makes room.
const MAX_ADDRESSES: usize = 16;

/// Checks of one peer whose transactions are remembered: more than a minute of a browser's.
const CHECKS: usize = 32;

/// The ice-char alphabet (RFC 8839 section 5.4), by value of six bits.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// User fragment and password of one side (RFC 8445 section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

impl IceCredentials {
    /// Bytes of entropy that [`IceCredentials::from_random`] takes.
    pub const RANDOM_LEN: usize = 24;

    /// An eight-character ufrag (48 bits) and a password of 24 characters (144 bits), in the
    /// ice-char alphabet.
    pub fn from_random(random: &[u8; Self::RANDOM_LEN]) -> Self {
        let text: String = random
            .chunks_exact(3)
            .flat_map(|chunk| {
                let bits = u32::from_be_bytes([0, chunk[0], chunk[1], chunk[2]]);
                [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize] as char)
            })
            .collect();
        let (ufrag, pwd) = text.split_at(8);
        Self { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() }
    }

    /// As [`Self::from_random`]; the ufrag's first character names the shard, so that the first
    /// check on a new stream finds it. 42 random bits remain (RFC 8445 asks for 24).
    pub fn of_shard(shard: u8, random: &[u8; Self::RANDOM_LEN]) -> Self {
        let mut credentials = Self::from_random(random);
        let name = ALPHABET[usize::from(shard) % ALPHABET.len()] as char;
        credentials.ufrag.replace_range(..1, name.encode_utf8(&mut [0; 4]));
        credentials
    }

    /// The shard that made this ufrag, by [`Self::of_shard`].
    pub fn shard_of(ufrag: &str) -> Option<u8> {
        let first = *ufrag.as_bytes().first()?;
        ALPHABET.iter().position(|&name| name == first).map(|index| index as u8)
    }
}

impl fmt::Debug for IceCredentials {
    /// The password never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// One ICE session: from an offer with new credentials to the next such offer.
struct Session {
    local: IceCredentials,
    key: hmac::Key,
    /// Known from the offer on.
    remote: Option<IceCredentials>,
}

impl Session {
    fn new(local: IceCredentials, remote: Option<IceCredentials>) -> Self {
        Self { key: stun::integrity_key(&local.pwd), local, remote }
    }

    /// USERNAME is `ours:theirs` (RFC 8445 section 7.2.2).
    fn is_addressed(&self, username: &str) -> bool {
        let Some(remote) = &self.remote else { return false };
        username
            .split_once(':')
            .is_some_and(|(ours, theirs)| ours == self.local.ufrag && theirs == remote.ufrag)
    }
}

/// What a datagram led to.
pub(super) enum Checked {
    /// Answer it; the address is valid now. `nominated` if media should go there from now on.
    Valid {
        answer: Vec<u8>,
        nominated: bool,
    },
    Refused {
        answer: Vec<u8>,
    },
    Ignored,
}

pub(super) struct IceAgent {
    current: Session,
    /// The session before a restart: serves until the new one has a nominated pair.
    previous: Option<Session>,
    /// Addresses that passed a check, with the time of the last one.
    valid: Vec<(Remote, Instant)>,
    selected: Option<Remote>,
    last_authenticated: Instant,
    /// The latest checks and where each came from; see [`IceAgent::is_replayed`].
    checks: VecDeque<(Transaction, Remote)>,
}

impl IceAgent {
    pub(super) fn new(now: Instant, local: IceCredentials) -> Self {
        Self {
            current: Session::new(local, None),
            previous: None,
            valid: Vec::new(),
            selected: None,
            last_authenticated: now,
            checks: VecDeque::new(),
        }
    }

    pub(super) fn local(&self) -> &IceCredentials {
        &self.current.local
    }

    pub(super) fn remote(&self) -> Option<&IceCredentials> {
        self.current.remote.as_ref()
    }

    pub(super) fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .map(|session| session.local.ufrag.as_str())
    }

    pub(super) fn set_remote(&mut self, now: Instant, remote: IceCredentials) {
        self.current.remote = Some(remote);
        self.last_authenticated = now;
    }

    /// RFC 8445 section 9: the old pair goes on until the new session nominates one.
    pub(super) fn restart(&mut self, now: Instant, local: IceCredentials, remote: IceCredentials) {
        let old = std::mem::replace(&mut self.current, Session::new(local, Some(remote)));
        // A session that never got a pair has nothing to keep.
        if self.selected.is_some() && self.previous.is_none() {
            self.previous = Some(old);
        }
        self.last_authenticated = now;
    }

    /// Answers a binding request (RFC 8445 section 7.3).
    pub(super) fn handle(&mut self, now: Instant, src: Remote, datagram: &[u8]) -> Checked {
        // A wrong FINGERPRINT means that it is not STUN at all: silence. We send no requests, so
        // answers to any are not ours either.
        let Ok(message) = Message::parse(datagram) else { return Checked::Ignored };
        if message.class != Class::Request {
            return Checked::Ignored;
        }
        let refuse =
            |why, key| Checked::Refused { answer: stun::refusal(&message.transaction, why, key) };
        let Some(username) = message.username.filter(|_| message.has_integrity()) else {
            return refuse(Refusal::BadRequest, None);
        };
        let restarted = self.previous.is_some();
        let is_current = self.current.is_addressed(username);
        let session = match &self.previous {
            _ if is_current => &self.current,
            Some(previous) if previous.is_addressed(username) => previous,
            _ => return refuse(Refusal::Unauthenticated, None),
        };
        if !message.verify(&session.key) {
            return refuse(Refusal::Unauthenticated, None);
        }
        if let Some(kind) = message.unknown {
            return refuse(Refusal::UnknownAttribute(kind), Some(&session.key));
        }
        // A lite agent cannot control; the other side has to take that role.
        if message.controlled.is_some() {
            return refuse(Refusal::RoleConflict, Some(&session.key));
        }
        let answer = stun::success(&message.transaction, src.addr, &session.key);
        if self.is_replayed(message.transaction, src) {
            return Checked::Ignored;
        }
        self.last_authenticated = now;
        self.remember(now, src);
        let mut nominated = false;
        if message.use_candidate {
            nominated = self.selected != Some(src);
            self.selected = Some(src);
            if is_current && restarted {
                self.previous = None;
                self.valid.retain(|(address, at)| *address == src || *at == now);
            }
        }
        Checked::Valid { answer, nominated }
    }

    /// A check is retransmitted from where it was sent, with its transaction (RFC 8489 section
    /// 6.3.1); another pair has another transaction. The same one from elsewhere is somebody's who
    /// read it on its way and would draw the media to an address of theirs, or take the address
    /// from its owner.
    fn is_replayed(&mut self, transaction: Transaction, src: Remote) -> bool {
        if let Some((_, from)) = self.checks.iter().find(|(known, _)| *known == transaction) {
            return *from != src;
        }
        if self.checks.len() == CHECKS {
            self.checks.pop_front();
        }
        self.checks.push_back((transaction, src));
        false
    }

    fn remember(&mut self, now: Instant, src: Remote) {
        if let Some((_, at)) = self.valid.iter_mut().find(|(address, _)| *address == src) {
            *at = now;
            return;
        }
        if self.valid.len() == MAX_ADDRESSES {
            let selected = self.selected;
            let oldest = (0..self.valid.len())
                .filter(|i| Some(self.valid[*i].0) != selected)
                .min_by_key(|i| self.valid[*i].1);
            if let Some(oldest) = oldest {
                self.valid.swap_remove(oldest);
            }
        }
        self.valid.push((src, now));
    }

    /// An address that cannot be reached any more. If it was in use, the newest other valid one is
    /// (RFC 8445 section 12.1 allows any valid pair).
    pub(super) fn forget(&mut self, gone: Remote) {
        self.valid.retain(|(address, _)| *address != gone);
        if self.selected == Some(gone) {
            self.selected = self.valid.iter().max_by_key(|(_, at)| *at).map(|(a, _)| *a);
        }
    }

    pub(super) fn is_valid(&self, src: Remote) -> bool {
        self.valid.iter().any(|(address, _)| *address == src)
    }

    pub(super) fn selected(&self) -> Option<Remote> {
        self.selected
    }

    /// Where control goes: the nominated pair, or before that the newest valid one.
    pub(super) fn control_addr(&self) -> Option<Remote> {
        self.selected.or_else(|| self.valid.iter().max_by_key(|(_, at)| *at).map(|(a, _)| *a))
    }

    /// An authenticated packet of another protocol shows consent as well as a check does.
    #[inline]
    pub(super) fn note_authenticated(&mut self, now: Instant) {
        self.last_authenticated = now;
    }

    pub(super) fn consent_ends(&self) -> Instant {
        self.last_authenticated + CONSENT_TIMEOUT
    }
}
