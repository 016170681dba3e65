//! One open session, as a pure state machine: told the time, returns what to do.
//!
//! This file holds the state and the order of things; each subject has its own file beside it:
//! presence (who comes and goes), chair (who presides), meeting (opening, agenda, chat, hands,
//! closing), publishing (what is seen and heard), quality, recording, restore (from the journal).

use std::collections::BTreeSet;

use std::collections::BTreeMap;

use signaling::view::{
    ChatMessage, Counts, ParticipantView, Quorum, RecordingState, RecordingView, SessionSnapshot,
    SessionState,
};
use signaling::{Event, Request, Welcome};

use super::ballots::Ballots;
use super::chair::Seat;
use super::effect::{Effect, Input, Now, Programme};
use super::participants::Participants;
use super::refusal;
use super::roll::Roll;
use super::setup::RoomSetup;
use crate::domain::{EndpointId, PersonId, live_counts};
use crate::journal::{Actor, Event as JournalEvent, NewEvent};

/// Nobody but observers for so long, and the planned start as long past: the system closes the
/// session.
pub const EMPTY_CLOSE_US: i64 = 30 * 60 * 1_000_000;
/// Messages of the chat that a page gets when it comes in.
pub const CHAT_SHOWN: usize = 200;

/// Chair and recorder are told of changes of the attendance list at most this often.
const ROLL_TELL_US: i64 = 1_000_000;

#[derive(Debug, Clone)]
pub struct RoomState {
    pub(super) setup: RoomSetup,
    pub(super) state: SessionState,
    pub(super) declared_open_us: Option<i64>,
    pub(super) declared_closed_us: Option<i64>,
    pub(super) agenda_index: Option<u32>,
    pub(super) here: Participants,
    pub(super) seat: Seat,
    pub(super) recording: RecordingView,
    /// The database is away.
    pub(super) records_away: bool,
    /// Recording or pausing, when the capture writer failed.
    pub(super) failed_from: Option<RecordingState>,
    pub(super) recording_sent_mono_us: i64,
    pub(super) recording_unsent: bool,
    pub(super) speaker: Option<PersonId>,
    pub(super) turns: super::turns::Turns,
    pub(super) declared_open_mono_us: Option<i64>,
    pub(super) chat: Vec<ChatMessage>,
    /// Persons the chair sent out, and until when they stay out.
    pub(super) removed: Vec<(PersonId, i64)>,
    pub(super) ballots: Ballots,
    pub(super) roll: Roll,
    pub(super) counts: Counts,
    pub(super) next_checkpoint_us: i64,
    pub(super) empty_since_us: Option<i64>,
    /// Whose connection quality changed and was not told yet, and when it was told last.
    pub(super) quality_changed: BTreeSet<PersonId>,
    pub(super) quality_told_mono_us: i64,
    /// When a room that stays empty is closed, in session time.
    pub(super) empty_close_us: Option<i64>,
    /// Those who watch over WHEP, each with the endpoint that stands for them in the journal.
    pub(super) viewers: BTreeMap<PersonId, EndpointId>,
    /// What the shard was told last.
    pub(super) programme: Programme,
    pub(super) out: Vec<Effect>,
}

impl RoomState {
    /// The room of a session that was opened just now. Its `session_opened` and `roster_frozen`
    /// events were written by whoever opened it.
    pub fn open(setup: RoomSetup, now: Now) -> Self {
        let mut state = Self {
            seat: Seat::vacant(now),
            state: SessionState::Opened,
            declared_open_us: None,
            declared_closed_us: None,
            agenda_index: None,
            here: Participants::default(),
            recording: RecordingView { state: RecordingState::Off, safe_us: None, problem: None },
            records_away: false,
            failed_from: None,
            recording_sent_mono_us: i64::MIN / 2,
            recording_unsent: false,
            speaker: None,
            turns: Default::default(),
            declared_open_mono_us: None,
            chat: setup.chat.clone(),
            removed: Vec::new(),
            ballots: Ballots::default(),
            roll: Roll { told_mono_us: i64::MIN / 2, ..Roll::default() },
            counts: Counts::default(),
            next_checkpoint_us: now.mono_us + super::presence::CHECKPOINT_US,
            empty_since_us: Some(now.mono_us),
            quality_changed: BTreeSet::new(),
            quality_told_mono_us: i64::MIN / 2,
            empty_close_us: None,
            viewers: BTreeMap::new(),
            programme: Programme::default(),
            out: Vec::new(),
            setup,
        };
        state.counts = state.count();
        state
    }

    pub fn session_state(&self) -> SessionState {
        self.state
    }

    pub fn is_ended(&self) -> bool {
        self.state == SessionState::DeclaredClosed
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    pub fn glance(&self) -> super::actor::Glance {
        super::actor::Glance {
            counts: self.counts,
            recording: self.recording.state,
            presiding: self.seat.presiding(),
        }
    }

    /// The online secret ballot that is being cast.
    pub fn casting(&self) -> Option<super::ballots::Casting> {
        self.casting_now()
    }

    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Effect> {
        if self.is_ended() {
            self.handle_ended(input);
            return std::mem::take(&mut self.out);
        }
        match input {
            Input::Arrive(arrival) => self.arrive(*arrival, now),
            Input::LineLost { endpoint, last_frame_mono_us } => {
                self.line_lost(endpoint, last_frame_mono_us, now);
            }
            Input::Request { endpoint, id, request, fresh } => {
                // A line that is lost has left already; what it still asks comes too late.
                let up = self.here.endpoints.get(&endpoint).filter(|e| e.is_up());
                if let Some(person) = up.map(|e| e.person) {
                    self.request((endpoint, person, id), request, fresh, now);
                }
            }
            Input::Answered { endpoint, id, publications, result } => {
                self.answered(endpoint, id, &publications, result, now);
            }
            Input::SignedOut { endpoint } => self.signed_out(endpoint, now),
            Input::BallotKeyMade { endpoint, person, id, ballot, matter, public_key } => {
                let from = (endpoint, person, id);
                self.ballot_key_made(from, ballot, *matter, public_key, now);
            }
            Input::PapersCounted { endpoint, person, id, ballot, papers } => {
                self.papers_counted((endpoint, person, id), ballot, papers, now);
            }
            Input::PaperBoxed { ballot } => self.paper_boxed(ballot),
            Input::Act { ticket, by, act } => self.act(ticket, by, act, now),
            Input::Media(notice) => self.media_notice(notice, now),
            Input::Capture(report) => self.capture_report(report, now),
            Input::Records { away } => self.set_records_away(away),
            Input::Quality(grades) => self.quality(&grades),
            Input::Tick => {}
        }
        if !self.is_ended() {
            self.settle(now);
        }
        std::mem::take(&mut self.out)
    }

    /// After 散会 nothing changes any more; whoever asks is told so.
    fn handle_ended(&mut self, input: Input) {
        match input {
            Input::Arrive(arrival) => {
                self.out.push(Effect::Reject { ticket: arrival.ticket, error: refusal::ended() });
            }
            Input::Request { endpoint, id, .. }
            | Input::Answered { endpoint, id, .. }
            | Input::BallotKeyMade { endpoint, id, .. }
            | Input::PapersCounted { endpoint, id, .. } => {
                self.out.push(Effect::Refuse { endpoint, id, error: refusal::ended() });
            }
            Input::Act { ticket, .. } => {
                self.out.push(Effect::Acted { ticket, result: Err(refusal::ended()) });
            }
            Input::LineLost { .. }
            | Input::SignedOut { .. }
            | Input::PaperBoxed { .. }
            | Input::Media(_)
            | Input::Capture(_)
            | Input::Records { .. }
            | Input::Quality(_)
            | Input::Tick => {}
        }
    }

    fn request(
        &mut self,
        from: (EndpointId, PersonId, u32),
        request: Request,
        fresh: uuid::Uuid,
        now: Now,
    ) {
        let (endpoint, person, id) = from;
        if let Err(error) = self.may_be_recorded(&request) {
            return self.out.push(Effect::Refuse { endpoint, id, error });
        }
        let result = match request {
            Request::Offer(offer) => {
                // Answered when the media shard has answered.
                match self.offer(endpoint, person, id, offer) {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
            Request::MediaState { source, on } => self.media_state(endpoint, source, on, now),
            Request::View { tracks } => self.set_view(endpoint, tracks),
            Request::Chat { text } => self.chat(person, &text, fresh, now),
            Request::Hand { raised } => self.hand(person, raised, person, now),
            Request::DeclareOpen => self.declare_open(person, now),
            Request::DeclareClose => {
                let allowed = self.may_close(person);
                if allowed.is_ok() {
                    // The answer goes out before the room closes its lines.
                    self.reply_done(endpoint, id);
                    return self.close(Some(person), now);
                }
                allowed
            }
            Request::Pause { paused } => self.pause(person, paused, now),
            Request::RollcallOpen { window_s } => self.rollcall_open(person, window_s, now),
            Request::RollcallPlan { times, within_min, window_s } => {
                self.rollcall_plan(person, times, within_min, window_s, now)
            }
            Request::RollcallAnswer { rollcall } => self.rollcall_answer(person, rollcall, now),
            Request::RollcallMark { participant } => self.rollcall_mark(person, &participant, now),
            Request::CheckIn { participant, site, reason } => {
                self.check_in(person, &participant, &site, &reason, now)
            }
            Request::CheckInDecide { participant, accepted } => {
                self.decide_checkin(person, &participant, accepted, now)
            }
            Request::CheckOut { participant } => match self.listed_for(person, &participant) {
                Ok(other) => self.check_out(person, other, now),
                Err(error) => Err(error),
            },
            Request::Agenda { index } => self.agenda(person, index, now),
            Request::HandOver { participant } => self.hand_over(person, &participant, now),
            Request::TakeOver => self.take_over(person, now),
            Request::Mute { participant, source } => self.mute(person, &participant, source, now),
            Request::LowerHand { participant } => self.lower_hand(person, &participant, now),
            Request::Remove { participant } => self.remove(person, &participant, now),
            Request::RecordingPause { paused } => self.recording_pause(person, paused, now),
            Request::BallotOpen { matter } => {
                match self.ballot_open(from, matter, fresh, now) {
                    Ok(true) => Ok(()),
                    // Answered when its key is made.
                    Ok(false) => return,
                    Err(error) => Err(error),
                }
            }
            Request::BallotVote { ballot, choice } => {
                self.ballot_vote(person, &ballot, choice, now)
            }
            Request::BallotVoteFor { ballot, participant, choice } => {
                self.ballot_vote_for(person, &ballot, &participant, choice, now)
            }
            Request::BallotCount { ballot, count } => {
                self.ballot_count(person, &ballot, count, now)
            }
            Request::BallotPaper { ballot, paper } => {
                self.ballot_paper(person, &ballot, paper, now)
            }
            Request::BallotToken { ballot, blinded } => {
                match self.ballot_token(from, &ballot, blinded, now) {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
            Request::BallotStart { ballot } => self.ballot_start(person, &ballot, now),
            Request::BallotClose { ballot } => match self.ballot_close(from, &ballot, now) {
                Ok(true) => Ok(()),
                // Answered when the box is counted.
                Ok(false) => return,
                Err(error) => Err(error),
            },
            Request::BallotWithdraw { ballot, reason } => {
                self.ballot_withdraw(person, &ballot, &reason, now)
            }
            Request::BallotApproval { approval } => self.ballot_approval(person, approval, now),
            Request::BallotOpinion { opinion } => self.ballot_opinion(person, opinion, now),
            Request::Leave => {
                self.reply_done(endpoint, id);
                return self.leave(endpoint, now);
            }
            // The connection lets no second hello through.
            Request::Hello(_) => Err(refusal::bad_offer()),
        };
        match result {
            Ok(()) => self.reply_done(endpoint, id),
            Err(error) => self.out.push(Effect::Refuse { endpoint, id, error }),
        }
    }

    pub(super) fn reply_done(&mut self, endpoint: EndpointId, id: u32) {
        self.out.push(Effect::Reply { endpoint, id, reply: signaling::Reply::Done });
    }

    /// What follows from any change and from time itself.
    fn settle(&mut self, now: Now) {
        self.expire_lines(now);
        self.settle_chair(now);
        self.settle_rollcall(now);
        self.settle_counts();
        self.settle_sites(now);
        self.settle_roll(now);
        self.settle_programme();
        self.settle_recording(now);
        self.settle_quality(now);
        self.settle_box(now);
        self.settle_turns(now);
        self.checkpoint(now);
        self.settle_empty(now);
    }

    /// The latest moment at which [`Input::Tick`] is due, in microseconds since opening.
    pub fn next_timeout(&self) -> i64 {
        let mut next = self.next_checkpoint_us;
        let mut earlier = |candidate: Option<i64>| {
            if let Some(candidate) = candidate {
                next = next.min(candidate);
            }
        };
        earlier(self.next_line_expiry());
        earlier(self.seat.next_timeout());
        earlier(self.empty_close_us);
        earlier(self.recording_due());
        earlier(self.rollcall_due());
        earlier(self.next_slot(self.roll.slot_shown));
        earlier(self.roll_due());
        earlier(self.quality_due());
        earlier(self.box_due());
        next
    }

    /// Present for 实到 and for votes: on a device of one's own or checked in at a site.
    pub(super) fn counts_as_present(&self, person: PersonId) -> bool {
        self.is_present(person)
    }

    pub(super) fn count(&self) -> Counts {
        let mut counts = live_counts(
            &self.setup.roster,
            |person| self.counts_as_present(person),
            |person| self.roll.on_leave.contains_key(&person),
            |person| self.roll.exempt.contains(&person),
            self.here.observers_online(),
        );
        let kind = self.setup.kind;
        let quorum = self.setup.rules.quorum(kind, counts.due_voters, counts.present_voters);
        counts.quorum = quorum.map(|quorum| Quorum {
            count: quorum.count,
            base: quorum.base,
            needed: quorum.needed,
            met: quorum.met,
        });
        counts
    }

    fn settle_counts(&mut self) {
        let counts = self.count();
        if counts != self.counts {
            self.counts = counts;
            self.roll.changed = true;
            self.out.push(Effect::Broadcast(Event::Counts { counts }));
        }
    }

    /// Chair and recorder hear that the list has changed, once a second at most.
    fn settle_roll(&mut self, now: Now) {
        if self.roll_due().is_none_or(|due| now.mono_us < due) {
            return;
        }
        self.roll.changed = false;
        self.roll.told_mono_us = now.mono_us;
        for endpoint in self.those_who_record() {
            self.out.push(Effect::Send { endpoint, event: Event::AttendanceChanged });
        }
    }

    fn roll_due(&self) -> Option<i64> {
        self.roll.changed.then_some(self.roll.told_mono_us + ROLL_TELL_US)
    }

    fn settle_empty(&mut self, now: Now) {
        let anybody =
            self.here.people.iter().any(|(id, p)| {
                p.role != signaling::view::Role::Observer && self.here.is_online(*id)
            });
        if anybody {
            (self.empty_since_us, self.empty_close_us) = (None, None);
            return;
        }
        let since = *self.empty_since_us.get_or_insert(now.mono_us);
        // A room opened ahead of its time waits for it: closing it would end the meeting before
        // it began.
        let planned = self.setup.planned_start_us - now.wall_us + now.mono_us;
        let due = since.max(planned) + EMPTY_CLOSE_US;
        self.empty_close_us = Some(due);
        if now.mono_us >= due {
            self.close(None, now);
        }
    }

    pub(super) fn journal(&mut self, actor: Actor, event: JournalEvent, now: Now) {
        let new = NewEvent { at_us: now.wall_us, mono_us: now.mono_us, actor, event };
        match self.out.last_mut() {
            Some(Effect::Journal(events)) => events.push(new),
            _ => self.out.push(Effect::Journal(vec![new])),
        }
    }

    pub(super) fn view(&self, person: PersonId) -> Option<ParticipantView> {
        self.here.view(person, self.seat.presiding())
    }

    /// Tells everybody how a person stands now.
    pub(super) fn show(&mut self, person: PersonId) {
        if let Some(participant) = self.view(person) {
            self.out.push(Effect::Broadcast(Event::ParticipantChanged { participant }));
        }
    }

    /// A participant named by a client.
    pub(super) fn named(&self, text: &str) -> Result<PersonId, signaling::WireError> {
        let person: PersonId = text.parse().map_err(|_| refusal::no_such_participant())?;
        match self.here.people.contains_key(&person) {
            true => Ok(person),
            false => Err(refusal::no_such_participant()),
        }
    }

    pub fn snapshot(&self) -> SessionSnapshot {
        self.snapshot_for(None)
    }

    fn snapshot_for(&self, person: Option<PersonId>) -> SessionSnapshot {
        SessionSnapshot {
            id: self.setup.session.to_string(),
            kind: self.setup.kind.id().to_owned(),
            title: self.setup.title.clone(),
            org_name: self.setup.org_name.clone(),
            state: self.state,
            planned_start_us: self.setup.planned_start_us,
            declared_open_us: self.declared_open_us,
            declared_closed_us: self.declared_closed_us,
            paused_us: self.roll.paused_us,
            agenda: self.setup.agenda.clone(),
            agenda_index: self.agenda_index,
            participants: self.here.people.keys().filter_map(|id| self.view(*id)).collect(),
            counts: self.count(),
            recording: self.recording.clone(),
            records_away: self.records_away,
            chair: self.seat.presiding().map(|id| id.to_string()),
            speaker: self.speaker.map(|id| id.to_string()),
            ballots: self.ballots_view(person),
            chat: self.chat.clone(),
        }
    }

    pub(super) fn welcome_of(&self, endpoint: EndpointId, now: Now) -> Option<Box<Welcome>> {
        let line = self.here.endpoints.get(&endpoint)?;
        Some(Box::new(Welcome {
            participant: line.person.to_string(),
            endpoint: endpoint.to_string(),
            resume_token: line.resume_token.clone(),
            // The connection knows what it can replay and fills these in.
            resumed: false,
            seq: 0,
            session: self.snapshot_for(Some(line.person)),
            server_time_us: now.wall_us,
            slots_audio: line.slots.0,
            slots_video: line.slots.1,
        }))
    }
}
