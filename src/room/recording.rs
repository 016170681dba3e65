//! Recording spans exactly 宣布开会 … 散会; a pause is a marked gap, a failure is said at once.

use signaling::view::{RecordingState, Role};
use signaling::{Event, WireError};

use super::effect::{CaptureCommand, CaptureReport, CaptureTrouble, Effect, Now};
use super::refusal;
use super::state::RoomState;
use crate::domain::PersonId;
use crate::journal::{Actor, Event as JournalEvent, StopReason};

/// The safe second is told to everybody at most this often.
const TELL_US: i64 = 1_000_000;

impl RoomState {
    pub(super) fn start_recording(&mut self, now: Now) {
        self.recording.state = RecordingState::On;
        self.journal(Actor::System, JournalEvent::RecordingStart, now);
        self.out.push(Effect::Capture(CaptureCommand::Start));
        self.tell_recording(now);
    }

    pub(super) fn stop_recording(&mut self, actor: Actor, now: Now) {
        if matches!(self.recording.state, RecordingState::On | RecordingState::Paused) {
            let event = JournalEvent::RecordingStop { reason: StopReason::Closed };
            self.journal(actor, event, now);
        }
        self.recording.state = RecordingState::Off;
        self.failed_from = None;
    }

    pub(super) fn recording_pause(
        &mut self,
        by: PersonId,
        paused: bool,
        now: Now,
    ) -> Result<(), WireError> {
        let recorder = self.here.role(by) == Some(Role::Recorder);
        if !recorder && self.seat.presiding() != Some(by) {
            return Err(refusal::not_chair_or_recorder());
        }
        let (event, command, state) = match (self.recording.state, paused) {
            (RecordingState::On, true) => {
                (JournalEvent::RecordingPause, CaptureCommand::Pause, RecordingState::Paused)
            }
            (RecordingState::Paused, false) => {
                (JournalEvent::RecordingResume, CaptureCommand::Resume, RecordingState::On)
            }
            (RecordingState::Paused, true) | (RecordingState::On, false) => return Ok(()),
            (RecordingState::Off | RecordingState::Failed, _) => {
                return Err(refusal::not_recording());
            }
        };
        self.recording.state = state;
        self.journal(by.into(), event, now);
        self.out.push(Effect::Capture(command));
        self.tell_recording(now);
        Ok(())
    }

    pub(super) fn capture_report(&mut self, report: CaptureReport, now: Now) {
        let stopped =
            matches!(report.trouble, Some(CaptureTrouble::DiskFull | CaptureTrouble::Failed));
        match (self.recording.state, self.failed_from) {
            (RecordingState::On | RecordingState::Paused, _) if stopped => {
                self.failed_from = Some(self.recording.state);
                self.recording.state = RecordingState::Failed;
                let event = JournalEvent::RecordingStop { reason: StopReason::Failed };
                self.journal(Actor::System, event, now);
                self.recording_unsent = true;
            }
            // The writer tries again by itself; what was lost meanwhile is a gap.
            (RecordingState::Failed, Some(before)) if !stopped => {
                self.failed_from = None;
                self.recording.state = before;
                self.journal(Actor::System, JournalEvent::RecordingStart, now);
                if before == RecordingState::Paused {
                    self.journal(Actor::System, JournalEvent::RecordingPause, now);
                }
                self.recording_unsent = true;
            }
            _ => {}
        }
        let problem = report.trouble.map(|trouble| in_words(trouble).to_owned());
        if problem != self.recording.problem {
            self.recording.problem = problem;
            self.recording_unsent = true;
        }
        let safe_us = report.safe_mono_us.map(|safe| now.wall_us - (now.mono_us - safe));
        if safe_us.is_some() && safe_us > self.recording.safe_us {
            self.recording.safe_us = safe_us;
            self.recording_unsent = true;
        }
    }

    fn tell_recording(&mut self, now: Now) {
        self.recording_unsent = false;
        self.recording_sent_mono_us = now.mono_us;
        let recording = self.recording.clone();
        self.out.push(Effect::Broadcast(Event::Recording { recording }));
    }

    pub(super) fn recording_due(&self) -> Option<i64> {
        self.recording_unsent.then_some(self.recording_sent_mono_us + TELL_US)
    }

    pub(super) fn settle_recording(&mut self, now: Now) {
        if self.recording_due().is_some_and(|due| now.mono_us >= due) {
            self.tell_recording(now);
        }
    }
}

fn in_words(trouble: CaptureTrouble) -> &'static str {
    match trouble {
        CaptureTrouble::DiskFull => "服务器磁盘已满，现在没有录制，请联系管理员；会议可以继续",
        CaptureTrouble::Failed => "录制中断，正在重试，请联系管理员；会议可以继续",
        CaptureTrouble::TooSlow => "服务器磁盘太慢，录制可能缺失片段",
    }
}
