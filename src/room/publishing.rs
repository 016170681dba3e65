//! What a person shows and says: offers, switches, and what the media shard reports.
//!
//! Publishing a source by an offer switches it on unless its owner said `media_state` off before.
//! The newest device of a person publishes; older ones are answered without their tracks.

use std::collections::BTreeSet;

use signaling::limits::MAX_SHOWN_TRACKS;
use signaling::view::Role;
use signaling::{Answer, Event, Offer, Publication, Reply, ShownTrack, Source, WireError};

use super::effect::{Effect, MediaCommand, MediaNotice, Now, Programme};
use super::refusal;
use super::state::RoomState;
use crate::domain::{EndpointId, PersonId};
use crate::journal::Event as JournalEvent;

/// One microphone, one camera, one screen and its sound.
const MAX_PUBLICATIONS: usize = 4;

impl RoomState {
    pub(super) fn offer(
        &mut self,
        endpoint: EndpointId,
        person: PersonId,
        id: u32,
        offer: Offer,
    ) -> Result<(), WireError> {
        let sources: BTreeSet<_> = offer.publications.iter().map(|p| p.source).collect();
        let mids: BTreeSet<_> = offer.publications.iter().map(|p| p.mid.as_str()).collect();
        let count = offer.publications.len();
        if count > MAX_PUBLICATIONS || sources.len() != count || mids.len() != count {
            return Err(refusal::bad_offer());
        }
        let observer = self.here.role(person) == Some(Role::Observer);
        if observer && count > 0 {
            return Err(refusal::observers_only_watch());
        }
        let consent = self.here.people.get(&person).is_some_and(|p| p.consent);
        let stream = self.here.endpoints.get(&endpoint).and_then(|e| e.stream);
        self.out.push(Effect::Offer {
            endpoint,
            person,
            id,
            sdp: offer.sdp,
            publications: offer.publications,
            may_publish: !observer && self.here.publisher(person) == Some(endpoint),
            may_capture: consent,
            stream,
        });
        if self.seat.presiding() == Some(person) {
            // Again with each offer: the shard may have begun anew.
            self.out.push(Effect::Media(MediaCommand::SetChair { chair: Some(person) }));
        }
        Ok(())
    }

    pub(super) fn answered(
        &mut self,
        endpoint: EndpointId,
        id: u32,
        publications: &[Publication],
        result: Result<Answer, WireError>,
        now: Now,
    ) {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return self.out.push(Effect::Refuse { endpoint, id, error }),
        };
        if let Some(person) = self.here.person_of(endpoint)
            && self.here.publisher(person) == Some(endpoint)
        {
            self.publishes(endpoint, person, publications.iter().map(|p| p.source).collect(), now);
        }
        self.out.push(Effect::Reply { endpoint, id, reply: Reply::Answer(answer) });
    }

    fn publishes(&mut self, id: EndpointId, person: PersonId, sources: BTreeSet<Source>, now: Now) {
        let Some(endpoint) = self.here.endpoints.get_mut(&id) else { return };
        let before = std::mem::replace(&mut endpoint.published, sources.clone());
        let mut switched = Vec::new();
        for source in sources.difference(&before) {
            // A source switched off before it was offered stays off.
            let on = *endpoint.stated.entry(*source).or_insert(true);
            switched.push((*source, on));
        }
        for source in before.difference(&sources) {
            if endpoint.stated.remove(source) == Some(true) {
                switched.push((*source, false));
            }
        }
        if switched.is_empty() {
            return;
        }
        for (source, on) in switched {
            if sources.contains(&source) && !on {
                let off = MediaCommand::SetEnabled { endpoint: id, source, on };
                self.out.push(Effect::Media(off));
            }
            let event = JournalEvent::MediaState { person, endpoint: id, source, on };
            self.journal(person.into(), event, now);
        }
        self.show(person);
    }

    pub(super) fn media_state(
        &mut self,
        id: EndpointId,
        source: Source,
        on: bool,
        now: Now,
    ) -> Result<(), WireError> {
        let person = self.here.person_of(id).ok_or_else(refusal::no_such_participant)?;
        if self.here.role(person) == Some(Role::Observer) {
            return Err(refusal::observers_only_watch());
        }
        if on && self.here.publisher(person) != Some(id) {
            return Err(refusal::other_device_publishes());
        }
        self.switch(id, person, source, on, now);
        Ok(())
    }

    fn switch(&mut self, id: EndpointId, person: PersonId, source: Source, on: bool, now: Now) {
        let Some(endpoint) = self.here.endpoints.get_mut(&id) else { return };
        if endpoint.stated.insert(source, on) == Some(on) {
            return;
        }
        if endpoint.published.contains(&source) {
            let command = MediaCommand::SetEnabled { endpoint: id, source, on };
            self.out.push(Effect::Media(command));
            let event = JournalEvent::MediaState { person, endpoint: id, source, on };
            self.journal(person.into(), event, now);
            self.show(person);
        }
    }

    /// Another device of the same person publishes from now on.
    pub(super) fn silence(&mut self, id: EndpointId, now: Now) {
        let Some(endpoint) = self.here.endpoints.get(&id) else { return };
        let person = endpoint.person;
        let on: Vec<_> = endpoint.stated.iter().filter(|(_, on)| **on).map(|(s, _)| *s).collect();
        for source in on {
            self.switch(id, person, source, false, now);
        }
    }

    pub(super) fn mute(
        &mut self,
        by: PersonId,
        participant: &str,
        source: Source,
        now: Now,
    ) -> Result<(), WireError> {
        self.must_preside(by)?;
        let person = self.named(participant)?;
        let id = self.here.publisher(person).ok_or_else(refusal::no_such_participant)?;
        if self.here.endpoints.get(&id).is_some_and(|endpoint| endpoint.shows(source)) {
            if let Some(endpoint) = self.here.endpoints.get_mut(&id) {
                endpoint.stated.insert(source, false);
            }
            let off = MediaCommand::SetEnabled { endpoint: id, source, on: false };
            self.out.push(Effect::Media(off));
            self.journal(by.into(), JournalEvent::Muted { person, source }, now);
            let event = Event::Muted { source, by: by.to_string() };
            self.out.push(Effect::Send { endpoint: id, event });
            self.show(person);
        }
        Ok(())
    }

    /// What a device shows. A track of somebody who has just left is left out: the page may not
    /// know it yet.
    pub(super) fn set_view(
        &mut self,
        endpoint: EndpointId,
        tracks: Vec<ShownTrack>,
    ) -> Result<(), WireError> {
        if tracks.len() > MAX_SHOWN_TRACKS {
            return Err(refusal::bad_view());
        }
        let tracks = tracks
            .into_iter()
            .filter_map(|track| Some((self.named(&track.participant).ok()?, track)))
            .collect();
        self.out.push(Effect::Media(MediaCommand::SetView { endpoint, tracks }));
        Ok(())
    }

    pub(super) fn media_notice(&mut self, notice: MediaNotice, now: Now) {
        match notice {
            MediaNotice::Gone { endpoint, silent_us } if self.is_stream(endpoint) => {
                self.end_stream(endpoint, now.mono_us - silent_us, now);
            }
            MediaNotice::Connected { endpoint } => self.media_connected(endpoint, true),
            MediaNotice::Gone { endpoint, .. } => {
                self.media_connected(endpoint, false);
                self.unpublish(endpoint, None);
            }
            MediaNotice::RoomFailed => {
                // The shard knows nothing any more.
                self.programme = Programme::default();
                let endpoints: Vec<_> = self.here.endpoints.keys().copied().collect();
                for endpoint in endpoints {
                    if self.is_stream(endpoint) {
                        self.end_stream(endpoint, now.mono_us, now);
                        continue;
                    }
                    self.media_connected(endpoint, false);
                    self.unpublish(endpoint, None);
                }
            }
            MediaNotice::TrackEnded { endpoint, source } => self.unpublish(endpoint, Some(source)),
            MediaNotice::Slots { endpoint, audio, video } => {
                if let Some(entry) = self.here.endpoints.get_mut(&endpoint) {
                    entry.slots = (audio, video);
                    let event = Event::Slots { audio, video };
                    self.out.push(Effect::Send { endpoint, event });
                }
            }
            MediaNotice::Assignments { endpoint, assignments } => {
                if self.here.endpoints.contains_key(&endpoint) {
                    let event = Event::Assignments { assignments };
                    self.out.push(Effect::Send { endpoint, event });
                }
            }
            MediaNotice::PublishLayers { endpoint, source, active } => {
                if self.here.endpoints.contains_key(&endpoint) {
                    let event = Event::PublishLayers { source, active };
                    self.out.push(Effect::Send { endpoint, event });
                }
            }
            MediaNotice::PublishCodec { endpoint, source, codec } => {
                if self.here.endpoints.contains_key(&endpoint) {
                    let event = Event::PublishCodec { source, codec };
                    self.out.push(Effect::Send { endpoint, event });
                }
            }
            MediaNotice::TrackPaused { endpoint, person, source, paused } => {
                if self.here.endpoints.contains_key(&endpoint) {
                    let participant = person.to_string();
                    let event = Event::TrackPaused { participant, source, paused };
                    self.out.push(Effect::Send { endpoint, event });
                }
            }
            MediaNotice::Speaker { endpoint } => {
                let speaker = endpoint.and_then(|id| self.here.person_of(id));
                if speaker != self.speaker {
                    self.speaker = speaker;
                    // Nobody who only watches is in the minutes as a speaker.
                    let heard = speaker.filter(|id| self.here.role(*id) != Some(Role::Observer));
                    self.voice_heard(heard, now);
                    let participant = speaker.map(|id| id.to_string());
                    self.out.push(Effect::Broadcast(Event::Speaker { participant }));
                }
            }
        }
    }

    fn media_connected(&mut self, endpoint: EndpointId, connected: bool) {
        if self.here.endpoints.contains_key(&endpoint) {
            let event = Event::MediaConnected { connected };
            self.out.push(Effect::Send { endpoint, event });
        }
    }

    /// The shard has no track of this source (or of any) any more.
    fn unpublish(&mut self, id: EndpointId, source: Option<Source>) {
        let Some(endpoint) = self.here.endpoints.get_mut(&id) else { return };
        let before = endpoint.published.len();
        match source {
            Some(source) => {
                endpoint.published.remove(&source);
            }
            None => endpoint.published.clear(),
        }
        if endpoint.published.len() != before {
            let person = endpoint.person;
            self.show(person);
        }
    }
}
