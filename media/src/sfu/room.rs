//! A room: who is in it, what they publish, who speaks.

use slotmap::new_key_type;

use super::loudest::Selection;
use super::peer::PeerKey;
use super::speaker::Speaker;
use super::track::TrackKey;
use crate::api::{OwnerId, PeerId, Programme, RoomId};

new_key_type! { pub struct RoomKey; }

pub struct Room {
    pub id: RoomId,
    /// In join order.
    pub peers: Vec<PeerKey>,
    pub tracks: Vec<TrackKey>,
    pub capture: bool,
    /// By the voices that are heard.
    pub speaker: Speaker<PeerId>,
    pub programme: Programme,
    pub speaker_track: Option<TrackKey>,
    /// Who presides: heard before others.
    pub chair: Option<OwnerId>,
    /// More microphones than everybody is sent: only the chosen are forwarded.
    pub large: bool,
    pub selection: Selection<TrackKey>,
}

impl Room {
    /// `voices`: how many are heard when it is large.
    pub fn new(id: RoomId, voices: usize) -> Room {
        Room {
            id,
            peers: Vec::new(),
            tracks: Vec::new(),
            capture: false,
            speaker: Speaker::default(),
            programme: Programme::default(),
            speaker_track: None,
            chair: None,
            large: false,
            selection: Selection::new(voices),
        }
    }
}
