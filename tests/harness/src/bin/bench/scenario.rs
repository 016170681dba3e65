//! What can be measured: who publishes, who receives how much of it.

/// One load on the server.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub publishers: usize,
    /// In a meeting these are the publishers' own second connections: a person never receives
    /// their own tracks, on any device.
    pub subscribers: usize,
    /// Receive m-lines of each subscriber.
    pub audio_slots: usize,
    pub video_slots: usize,
    /// Of the server, and peers on one from which on a room is on several.
    pub shards: usize,
    pub span: usize,
    /// Spinning threads on the server's core: it is left one part in so many and one.
    pub rivals: usize,
    /// Pictures in three temporal layers.
    pub layered: bool,
    /// STUN requests a second of nobody's, at the server's port.
    pub flood: u32,
}

/// Never span.
const WHOLE: usize = usize::MAX;

impl Scenario {
    const NOBODY: Self = Self {
        publishers: 0,
        subscribers: 0,
        audio_slots: 0,
        video_slots: 0,
        shards: 1,
        span: WHOLE,
        rivals: 0,
        layered: false,
        flood: 0,
    };

    pub fn lecture(subscribers: usize) -> Self {
        Self { publishers: 1, subscribers, audio_slots: 1, video_slots: 1, ..Self::NOBODY }
    }

    /// Everybody publishes; each receives at most so many pictures and voices.
    pub fn meeting(people: usize, tiles: usize, voices: usize) -> Self {
        Self {
            publishers: people,
            subscribers: people,
            audio_slots: voices.min(people - 1),
            video_slots: tiles.min(people - 1),
            ..Self::NOBODY
        }
    }

    pub fn on_shards(self, shards: usize, span: usize) -> Self {
        Self { shards, span, ..self }
    }

    pub fn beside(self, rivals: usize) -> Self {
        Self { rivals, ..self }
    }

    pub fn layered(self) -> Self {
        Self { layered: true, ..self }
    }

    pub fn flooded(self, flood: u32) -> Self {
        Self { flood, ..self }
    }

    pub fn is_meeting(&self) -> bool {
        self.publishers > 1
    }

    /// Subscribers that receive each publisher; none when they choose.
    pub fn audience(&self) -> Option<usize> {
        if !self.is_meeting() {
            return Some(self.subscribers);
        }
        let all = self.subscribers - 1;
        (self.video_slots >= all && self.audio_slots >= all).then_some(all)
    }

    pub fn name(&self) -> String {
        let mut shards =
            if self.shards > 1 { format!(", {} shards", self.shards) } else { String::new() };
        if self.rivals > 0 {
            shards += &format!(", 1/{} core", self.rivals + 1);
        }
        if self.flood > 0 {
            shards += ", flooded";
        }
        match self.audience() {
            _ if !self.is_meeting() => format!("1 -> {}{shards}", self.subscribers),
            Some(_) => format!("meeting of {}", self.publishers),
            None => format!("{}, {} tiles", self.publishers, self.video_slots),
        }
    }
}
