//! What the other shards of a room want of a track, as they said last.

use super::codecs::Codecs;
use super::layer::MAX_SPATIAL;
use super::publishing::Active;

/// What one shard wants of a track of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Layers that somebody there is shown.
    pub layers: Active,
    /// Codecs of those offered that somebody there lacks.
    pub lacked: Codecs,
}

/// The last word of each shard that the track goes to.
#[derive(Debug, Default)]
pub struct Elsewhere(Vec<(u8, Wish)>);

impl Elsewhere {
    /// Notes what a shard says. True when that is new.
    pub fn say(&mut self, shard: u8, wish: Wish) -> bool {
        match self.0.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, before)) => std::mem::replace(before, wish) != wish,
            None => {
                self.0.push((shard, wish));
                true
            }
        }
    }

    pub fn forget(&mut self, shard: u8) {
        self.0.retain(|(known, _)| *known != shard);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Layers that are wanted by the shards in `links`: all, while one of them has not said.
    pub fn layers(&self, links: u64) -> Active {
        let said = self.0.iter().fold(0, |bits, (shard, _)| bits | 1 << shard);
        if links & !said != 0 {
            return [true; MAX_SPATIAL];
        }
        let linked = self.0.iter().filter(|(shard, _)| links >> shard & 1 != 0);
        linked.fold([false; MAX_SPATIAL], |all, (_, wish)| {
            std::array::from_fn(|at| all[at] || wish.layers[at])
        })
    }

    pub fn lacked(&self) -> Codecs {
        self.0.iter().fold(Codecs::default(), |all, (_, wish)| all.union(wish.lacked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_said_yet_wants_all_and_who_has_gone_nothing() {
        let mut elsewhere = Elsewhere::default();
        let wish = |layers| Wish { layers, lacked: Codecs::default() };
        assert_eq!(elsewhere.layers(0), [false; 3]);
        assert!(elsewhere.say(1, wish([true, false, false])));
        assert_eq!(elsewhere.layers(0b10), [true, false, false]);
        assert_eq!(elsewhere.layers(0b110), [true; 3]);
        assert!(elsewhere.say(2, wish([false, true, false])));
        assert_eq!(elsewhere.layers(0b110), [true, true, false]);
        assert!(!elsewhere.say(2, wish([false, true, false])), "nothing new");
        assert!(elsewhere.say(2, wish([false; 3])));
        assert_eq!(elsewhere.layers(0b110), [true, false, false]);
        elsewhere.forget(1);
        assert_eq!(elsewhere.layers(0b100), [false; 3]);
    }
}
