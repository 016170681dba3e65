//! Who is here: persons, and the endpoints (devices) through which they are.

use std::collections::{BTreeMap, BTreeSet};

use signaling::Source;
use signaling::view::{Grade, MemberClass, ParticipantView, Role};

use super::effect::Stream;
use crate::domain::{EndpointId, PersonId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Up,
    /// Resumable until [`super::presence::RESUME_US`] after this.
    Lost {
        last_frame_mono_us: i64,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub person: PersonId,
    pub device: String,
    pub resume_token: String,
    pub line: Line,
    /// What its owner said of each source: on or off.
    pub stated: BTreeMap<Source, bool>,
    /// Sources in its last answered offer.
    pub published: BTreeSet<Source>,
    pub slots: (u32, u32),
    pub stream: Option<Stream>,
}

impl Endpoint {
    pub fn watches(&self) -> bool {
        matches!(self.stream, Some(Stream::Watch(_)))
    }

    pub fn is_up(&self) -> bool {
        self.line == Line::Up
    }

    pub fn shows(&self, source: Source) -> bool {
        self.published.contains(&source) && self.stated.get(&source).copied().unwrap_or(false)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Person {
    pub name: String,
    /// As the join token says; the presiding person is shown as chair whatever this is.
    pub role: Role,
    pub org_name: String,
    pub class: Option<MemberClass>,
    pub consent: bool,
    pub hand: bool,
    /// Of the device that publishes; unknown until it was measured.
    pub quality: Option<Grade>,
    pub since: super::effect::Now,
    /// In the order of arrival: the last one publishes.
    pub endpoints: Vec<EndpointId>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Participants {
    pub people: BTreeMap<PersonId, Person>,
    pub endpoints: BTreeMap<EndpointId, Endpoint>,
}

impl Participants {
    /// Receive slots (audio, video) that a new device of `person` wants: one for each track of
    /// the others. At least one of audio, so that who publishes nothing offers too: only then
    /// does the shard know the device and can tell it of later tracks.
    pub fn slots_for(&self, person: PersonId) -> (u32, u32) {
        let others = self.endpoints.values().filter(|endpoint| endpoint.person != person);
        let (mut microphones, mut sounds, mut video) = (0, 0, 0);
        for source in others.flat_map(|endpoint| &endpoint.published) {
            match source {
                Source::Microphone => microphones += 1,
                Source::ScreenAudio => sounds += 1,
                Source::Camera | Source::Screen => video += 1,
            }
        }
        // A large room is heard through a few slots, whoever speaks.
        let audio = media::api::audio_slots(microphones, sounds) as u32;
        (audio.max(1), video)
    }

    pub fn person_of(&self, endpoint: EndpointId) -> Option<PersonId> {
        self.endpoints.get(&endpoint).map(|e| e.person)
    }

    pub fn role(&self, person: PersonId) -> Option<Role> {
        self.people.get(&person).map(|p| p.role)
    }

    pub fn is_online(&self, person: PersonId) -> bool {
        self.people.get(&person).is_some_and(|p| self.up(p).count() > 0)
    }

    fn up<'a>(&'a self, person: &'a Person) -> impl Iterator<Item = &'a Endpoint> {
        person.endpoints.iter().filter_map(|id| self.endpoints.get(id)).filter(|e| e.is_up())
    }

    /// The endpoint that publishes for a person: the newest.
    pub fn publisher(&self, person: PersonId) -> Option<EndpointId> {
        self.people.get(&person)?.endpoints.last().copied()
    }

    pub fn observers_online(&self) -> usize {
        let observers = self.people.iter().filter(|(_, p)| p.role == Role::Observer);
        observers.filter(|(id, _)| self.is_online(**id)).count()
    }

    /// Endpoints with a live line, in the order of their ids.
    pub fn present(&self) -> Vec<EndpointId> {
        self.endpoints.iter().filter(|(_, e)| e.is_up()).map(|(id, _)| *id).collect()
    }

    /// Takes an endpoint away, and its person with the last one.
    pub fn remove(&mut self, endpoint: EndpointId) -> Option<(Endpoint, bool)> {
        let gone = self.endpoints.remove(&endpoint)?;
        let mut last = false;
        if let Some(person) = self.people.get_mut(&gone.person) {
            person.endpoints.retain(|id| *id != endpoint);
            last = person.endpoints.is_empty();
        }
        if last {
            self.people.remove(&gone.person);
        }
        Some((gone, last))
    }

    pub fn view(&self, id: PersonId, chair: Option<PersonId>) -> Option<ParticipantView> {
        let person = self.people.get(&id)?;
        let publisher = self.publisher(id).and_then(|e| self.endpoints.get(&e));
        let shows = |source| publisher.is_some_and(|e| e.shows(source));
        let role = match person.role {
            _ if chair == Some(id) => Role::Chair,
            // Designated, but another presides.
            Role::Chair => Role::Member,
            role => role,
        };
        Some(ParticipantView {
            id: id.to_string(),
            name: person.name.clone(),
            role,
            org_name: person.org_name.clone(),
            class: person.class,
            online: self.is_online(id),
            devices: u32::try_from(self.up(person).count()).unwrap_or(u32::MAX),
            mic: shows(Source::Microphone),
            cam: shows(Source::Camera),
            screen: shows(Source::Screen),
            hand: person.hand,
            consent: person.consent,
            quality: person.quality.filter(|_| self.is_online(id)),
            since_us: person.since.wall_us,
        })
    }
}
