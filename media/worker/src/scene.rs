//! Who is where in the picture. Pure: told who is alive and who speaks.

/// In pixels of the canvas; even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub w: u32,
    pub h: u32,
}

impl Rect {
    /// Cut to even numbers, as planes of half size need.
    fn even(x: u32, y: u32, w: u32, h: u32) -> Rect {
        Rect { x: x & !1, y: y & !1, w: (w & !1).max(2), h: (h & !1).max(2) }
    }

    /// The largest rectangle of the picture's shape, centred in this one.
    pub fn fit(&self, w: u32, h: u32) -> Rect {
        let (w, h) = (u64::from(w.max(1)), u64::from(h.max(1)));
        let (rw, rh) = (u64::from(self.w), u64::from(self.h));
        let (fw, fh) = if rw * h <= rh * w { (rw, rw * h / w) } else { (rh * w / h, rh) };
        let (fw, fh) = (((fw as u32) & !1).max(2), ((fh as u32) & !1).max(2));
        Rect::even(self.x + (self.w - fw) / 2, self.y + (self.h - fh) / 2, fw, fh)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A video track, by index.
    Video(usize),
    /// The name of a person without picture.
    Name(u128),
    /// Nobody is there: the session's title.
    Title,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    pub rect: Rect,
    pub content: Content,
}

/// A person with something alive at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub owner: u128,
    /// Their camera's track.
    pub camera: Option<usize>,
}

/// Keeps people in their places while they can stay there.
#[derive(Debug, Default)]
pub struct Director {
    main: Option<u128>,
    beside: Vec<u128>,
}

const BESIDE: usize = 3;

impl Director {
    /// The tiles now. `live` in order of preference; `screen` is the shared screen's track and its
    /// owner; `speaker` is who speaks or spoke last.
    pub fn scene(
        &mut self,
        size: (u32, u32),
        live: &[Live],
        screen: Option<(usize, u128)>,
        speaker: Option<u128>,
    ) -> Vec<Tile> {
        let (w, h) = size;
        let full = Rect::even(0, 0, w, h);
        let is_live = |owner: u128| live.iter().any(|l| l.owner == owner);
        let speaker = speaker.filter(|&s| is_live(s));
        if let Some((track, sharer)) = screen {
            let big = Rect::even(0, 0, w * 3 / 4, h);
            let mut tiles = vec![Tile { rect: big, content: Content::Video(track) }];
            if let Some(person) = speaker.or(Some(sharer).filter(|&s| is_live(s))) {
                let rect = Rect::even(w * 3 / 4, 0, w / 4, h / 4);
                tiles.push(Tile { rect, content: content(live, person) });
            }
            return tiles;
        }
        let Some(main) = speaker
            .or(self.main.filter(|&m| is_live(m)))
            .or(live.iter().find(|l| l.camera.is_some()).map(|l| l.owner))
            .or(live.first().map(|l| l.owner))
        else {
            self.main = None;
            self.beside.clear();
            return vec![Tile { rect: full, content: Content::Title }];
        };
        self.place(live, main);
        if self.beside.is_empty() {
            return vec![Tile { rect: full, content: content(live, main) }];
        }
        // Large and small tiles have the canvas's own shape; three small ones are as high as the
        // large one.
        let mut tiles = vec![Tile {
            rect: Rect::even(0, h / 8, w * 3 / 4, h * 3 / 4),
            content: content(live, main),
        }];
        for (i, &owner) in self.beside.iter().enumerate() {
            let rect = Rect::even(w * 3 / 4, h / 8 + h / 4 * i as u32, w / 4, h / 4);
            tiles.push(Tile { rect, content: content(live, owner) });
        }
        tiles
    }

    fn place(&mut self, live: &[Live], main: u128) {
        let is_live = |owner: u128| live.iter().any(|l| l.owner == owner);
        // Who was large takes the place of who becomes large.
        if let Some(old) = self.main.filter(|&old| old != main && is_live(old)) {
            match self.beside.iter().position(|&o| o == main) {
                Some(place) => self.beside[place] = old,
                None if self.beside.len() < BESIDE => self.beside.push(old),
                None => {
                    if let Some(last) = self.beside.last_mut() {
                        *last = old;
                    }
                }
            }
        }
        self.main = Some(main);
        self.beside.retain(|&o| o != main && is_live(o));
        let has_camera = |owner: u128| live.iter().any(|l| l.owner == owner && l.camera.is_some());
        // Pictures first: they fill free places, then take those of people without one.
        for person in live.iter().filter(|l| l.camera.is_some() && l.owner != main) {
            if self.beside.contains(&person.owner) {
                continue;
            }
            if self.beside.len() < BESIDE {
                self.beside.push(person.owner);
            } else if let Some(place) = self.beside.iter().position(|&o| !has_camera(o)) {
                self.beside[place] = person.owner;
            }
        }
        for person in live.iter().filter(|l| l.owner != main) {
            if self.beside.len() < BESIDE && !self.beside.contains(&person.owner) {
                self.beside.push(person.owner);
            }
        }
    }
}

fn content(live: &[Live], owner: u128) -> Content {
    match live.iter().find(|l| l.owner == owner).and_then(|l| l.camera) {
        Some(track) => Content::Video(track),
        None => Content::Name(owner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(owners: &[(u128, bool)]) -> Vec<Live> {
        let live = |&(owner, camera): &(u128, bool)| Live {
            owner,
            camera: camera.then_some(owner as usize),
        };
        owners.iter().map(live).collect()
    }

    fn contents(tiles: &[Tile]) -> Vec<Content> {
        tiles.iter().map(|t| t.content).collect()
    }

    #[test]
    fn the_speaker_is_large_and_three_are_beside_in_steady_places() {
        use Content::Video;
        let mut director = Director::default();
        let live = people(&[(1, true), (2, true), (3, true), (4, true), (5, true)]);
        let size = (1280, 720);
        let a = director.scene(size, &live, None, Some(1));
        assert_eq!(contents(&a), [Video(1), Video(2), Video(3), Video(4)]);
        assert_eq!(a[0].rect, Rect { x: 0, y: 90, w: 960, h: 540 });
        assert_eq!(a[3].rect, Rect { x: 960, y: 450, w: 320, h: 180 });
        let b = director.scene(size, &live, None, Some(3));
        assert_eq!(contents(&b), [Video(3), Video(2), Video(1), Video(4)]);
        let c = director.scene(size, &live, None, Some(5));
        assert_eq!(contents(&c), [Video(5), Video(2), Video(1), Video(3)]);
    }

    #[test]
    fn who_left_is_not_shown_and_pictures_come_before_names() {
        use Content::{Name, Title, Video};
        let mut director = Director::default();
        let size = (640, 360);
        let live = people(&[(1, false), (2, false), (3, false), (4, false)]);
        let scene = director.scene(size, &live, None, Some(1));
        assert_eq!(contents(&scene), [Name(1), Name(2), Name(3), Name(4)]);
        let live = people(&[(1, false), (3, false), (4, false), (5, true)]);
        let scene = director.scene(size, &live, None, Some(2));
        assert_eq!(contents(&scene), [Name(1), Name(3), Name(4), Video(5)]);
        assert_eq!(contents(&director.scene(size, &[], None, Some(1))), [Title]);
        let alone = director.scene(size, &people(&[(4, true)]), None, None);
        assert_eq!(alone[0].rect, Rect { x: 0, y: 0, w: 640, h: 360 });
    }

    #[test]
    fn a_shared_screen_has_the_speaker_beside() {
        use Content::{Name, Video};
        let mut director = Director::default();
        let live = people(&[(1, true), (2, false)]);
        let scene = director.scene((1280, 720), &live, Some((9, 1)), Some(2));
        assert_eq!(contents(&scene), [Video(9), Name(2)]);
        let scene = director.scene((1280, 720), &live, Some((9, 1)), None);
        assert_eq!(contents(&scene), [Video(9), Video(1)]);
        assert_eq!(scene[0].rect.fit(1920, 1080), Rect { x: 0, y: 90, w: 960, h: 540 });
        assert_eq!(scene[0].rect.fit(1024, 768), Rect { x: 0, y: 0, w: 960, h: 720 });
    }
}
