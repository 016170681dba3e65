//! A room: who is in it, what they publish, who speaks.

use slotmap::new_key_type;

use super::peer::PeerKey;
use super::speaker::Speaker;
use super::track::TrackKey;
use crate::api::{PeerId, Programme, RoomId};

new_key_type! { pub struct RoomKey; }

pub struct Room {
    pub id: RoomId,
    /// In join order.
    pub peers: Vec<PeerKey>,
    pub tracks: Vec<TrackKey>,
    pub capture: bool,
    pub speaker: Speaker<PeerId>,
    pub programme: Programme,
}

impl Room {
    pub fn new(id: RoomId) -> Room {
        Room {
            id,
            peers: Vec::new(),
            tracks: Vec::new(),
            capture: false,
            speaker: Speaker::default(),
            programme: Programme::default(),
        }
    }
}
