//! 宣布开会, 散会, agenda, chat and hands.

use signaling::view::{ChatMessage, Role, SessionState};
use signaling::{Event, WireError};

use super::effect::{CaptureCommand, Effect, Now};
use super::refusal;
use super::state::{CHAT_SHOWN, RoomState};
use crate::domain::{ChatId, PersonId};
use crate::journal::{Actor, Event as JournalEvent};

type Outcome = Result<(), WireError>;

impl RoomState {
    pub(super) fn declare_open(&mut self, by: PersonId, now: Now) -> Outcome {
        self.must_preside(by)?;
        if self.state != SessionState::Opened {
            return Err(refusal::already_declared());
        }
        self.state = SessionState::DeclaredOpen;
        self.declared_open_us = Some(now.wall_us);
        self.declared_open_mono_us = Some(now.mono_us);
        self.journal(by.into(), JournalEvent::DeclaredOpen, now);
        self.announce_state(now);
        self.start_recording(now);
        Ok(())
    }

    pub(super) fn may_close(&self, by: PersonId) -> Outcome {
        self.must_preside(by)?;
        match self.state {
            SessionState::DeclaredOpen => Ok(()),
            _ => Err(refusal::not_declared()),
        }
    }

    /// 散会, by the chair or (nobody here for long) by the system. The room ends with it.
    pub(super) fn close(&mut self, by: Option<PersonId>, now: Now) {
        let actor = by.map_or(Actor::System, Actor::Person);
        self.withdraw_open_ballot(actor, now);
        self.stop_recording(actor, now);
        self.end_turns(now);
        self.journal(actor, JournalEvent::DeclaredClosed { auto: by.is_none() }, now);
        self.everybody_leaves(now);
        self.state = SessionState::DeclaredClosed;
        self.declared_closed_us = Some(now.wall_us);
        self.announce_state(now);
        let error = if by.is_some() { refusal::ended() } else { refusal::closed_empty() };
        let endpoints: Vec<_> = self.here.endpoints.keys().copied().collect();
        for endpoint in endpoints {
            self.out.push(Effect::Bye { endpoint, error: error.clone() });
        }
        self.out.push(Effect::Capture(CaptureCommand::Stop));
        self.out.push(Effect::Ended);
    }

    fn announce_state(&mut self, now: Now) {
        let (state, at_us) = (self.state, now.wall_us);
        self.out.push(Effect::StoreState { state, at_us });
        self.out.push(Effect::Broadcast(Event::SessionState { state, at_us }));
    }

    pub(super) fn agenda(&mut self, by: PersonId, index: u32, now: Now) -> Outcome {
        self.must_preside(by)?;
        if index as usize >= self.setup.agenda.len() {
            return Err(refusal::no_such_item());
        }
        if self.agenda_index != Some(index) {
            self.agenda_index = Some(index);
            self.journal(by.into(), JournalEvent::Agenda { index }, now);
            self.out.push(Effect::Broadcast(Event::Agenda { index }));
        }
        Ok(())
    }

    pub(super) fn chat(
        &mut self,
        by: PersonId,
        text: &str,
        fresh: uuid::Uuid,
        now: Now,
    ) -> Outcome {
        let text = text.trim();
        let fits = (1..=signaling::limits::MAX_CHAT_CHARS).contains(&text.chars().count());
        // Control characters have no place in minutes; a line break has.
        if !fits || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(refusal::bad_chat());
        }
        let person = self.here.people.get(&by).ok_or_else(refusal::no_such_participant)?;
        if person.role == Role::Observer {
            return Err(refusal::observers_only_watch());
        }
        if person.role == Role::Site {
            return Err(refusal::sites_do_not_speak());
        }
        let id = ChatId::from(fresh);
        let message = ChatMessage {
            id: id.to_string(),
            participant: by.to_string(),
            name: person.name.clone(),
            text: text.to_owned(),
            at_us: now.wall_us,
        };
        self.out.push(Effect::StoreChat(message.clone()));
        let digest = self.setup.hash_algorithm.of(text.as_bytes());
        self.journal(by.into(), JournalEvent::Chat { id, digest }, now);
        self.chat.push(message.clone());
        if self.chat.len() > CHAT_SHOWN {
            self.chat.remove(0);
        }
        self.out.push(Effect::Broadcast(Event::Chat { message }));
        Ok(())
    }

    pub(super) fn hand(
        &mut self,
        person: PersonId,
        raised: bool,
        by: PersonId,
        now: Now,
    ) -> Outcome {
        let entry = self.here.people.get_mut(&person).ok_or_else(refusal::no_such_participant)?;
        if entry.role == Role::Observer {
            return Err(refusal::observers_only_watch());
        }
        if entry.role == Role::Site {
            return Err(refusal::sites_do_not_speak());
        }
        if entry.hand != raised {
            entry.hand = raised;
            self.journal(by.into(), JournalEvent::Hand { person, raised }, now);
            self.show(person);
        }
        Ok(())
    }

    pub(super) fn lower_hand(&mut self, by: PersonId, participant: &str, now: Now) -> Outcome {
        self.must_preside(by)?;
        let person = self.named(participant)?;
        self.hand(person, false, by, now)
    }
}
