//! The worker's job, made of the journal: pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use media_worker::{Chapter, Gap, JOB_VERSION, Job, Mp4, Participant, Span};
use signaling::view::Role;
use thiserror::Error;

use crate::domain::{AgendaItem, PersonId, SessionId};
use crate::journal::{Envelope, Event};

/// The journal does not say what to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NothingToRender {
    #[error("the session was never declared open")]
    NeverOpened,
    #[error("the session has not ended")]
    NotEnded,
}

/// Where a session's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    pub capture: PathBuf,
    pub tracks: PathBuf,
    pub archive: PathBuf,
}

impl Folders {
    pub fn of(data: &crate::config::DataDir, session: SessionId) -> Self {
        let in_folder = |folder: PathBuf| folder.join(session.to_string());
        Self {
            capture: in_folder(data.capture()),
            tracks: in_folder(data.tracks()),
            archive: in_folder(data.archive()),
        }
    }
}

/// The job for one session's recording.
///
/// # Errors
/// [`NothingToRender`]
pub fn job(
    session: SessionId,
    title: &str,
    agenda: &[AgendaItem],
    folders: &Folders,
    journal: &[Envelope],
) -> Result<Job, NothingToRender> {
    let mut opened = None;
    let mut closed = None;
    let mut paused_since = None;
    let mut gaps = Vec::new();
    let mut chapters = Vec::new();
    let mut presiding = None;
    let mut people: BTreeMap<PersonId, (String, Role)> = BTreeMap::new();
    for envelope in journal {
        let at_us = u64::try_from(envelope.mono_us).unwrap_or(0);
        match &envelope.event {
            Event::DeclaredOpen => opened = opened.or(Some((at_us, envelope.at_us))),
            Event::DeclaredClosed { .. } => closed = closed.or(Some(at_us)),
            Event::RecordingPause => paused_since = paused_since.or(Some(at_us)),
            Event::RecordingResume => {
                gaps.extend(paused_since.take().map(|from_us| Gap { from_us, to_us: at_us }));
            }
            Event::Agenda { index } => {
                if let Some(item) = agenda.get(*index as usize) {
                    chapters.push(Chapter { at_us, title: item.title.clone() });
                }
            }
            Event::Join { person, name, role, .. } => named(&mut people, *person, name, *role),
            Event::ObserverEnter { person, name, .. } => {
                named(&mut people, *person, name, Role::Observer);
            }
            // In its tracks a site is the participant it was in the room.
            Event::SiteEnter { site, name, .. } => {
                named(&mut people, PersonId::from(*site.as_uuid()), name, Role::Site);
            }
            Event::Chair { person: Some(person), .. } if opened.is_none() => {
                presiding = Some(*person);
            }
            _ => {}
        }
    }
    let (start_us, opened_wall_us) = opened.ok_or(NothingToRender::NeverOpened)?;
    let end_us = closed.ok_or(NothingToRender::NotEnded)?;
    gaps.extend(paused_since.map(|from_us| Gap { from_us, to_us: end_us }));
    gaps.retain(|gap| gap.from_us < gap.to_us);
    // An item taken up before the opening is the first chapter.
    if let Some(before) = chapters.iter().rposition(|chapter| chapter.at_us < start_us) {
        chapters[before].at_us = start_us;
    }
    chapters.retain(|chapter| (start_us..end_us).contains(&chapter.at_us));
    Ok(Job {
        version: JOB_VERSION,
        session: session.to_string(),
        capture_dir: folders.capture.clone(),
        tracks_dir: folders.tracks.clone(),
        out_dir: folders.archive.clone(),
        title: title.to_owned(),
        official: Span { start_us, end_us },
        gaps,
        participants: people
            .into_iter()
            .map(|(id, (name, role))| Participant {
                id: id.to_string(),
                name,
                role: role_word(presiding.map_or(role == Role::Chair, |p| p == id), role)
                    .to_owned(),
            })
            .collect(),
        chapters,
        mp4: Mp4::default(),
        created: jiff::Timestamp::from_microsecond(opened_wall_us).ok().map(|t| t.to_string()),
    })
}

fn named(people: &mut BTreeMap<PersonId, (String, Role)>, id: PersonId, name: &str, role: Role) {
    people.entry(id).or_insert_with(|| (name.to_owned(), role));
}

/// What stands below a name in the picture; the chair is who presided when the meeting began.
fn role_word(presides: bool, role: Role) -> &'static str {
    match role {
        _ if presides => "主持人",
        Role::Recorder => "记录人",
        Role::Observer => "列席",
        Role::Site => "会场",
        Role::Chair | Role::Member => "",
    }
}
