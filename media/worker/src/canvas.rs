//! The picture being composed: planes in BT.601 limited range, 4:2:0, and drawing on them.

use crate::scene::Rect;

/// A colour as (Y, U, V).
pub type Yuv = [u8; 3];

pub const BLACK: Yuv = [16, 128, 128];
/// Behind the tiles.
pub const BACKGROUND: Yuv = [24, 130, 127];
/// A tile without picture: a calm dark blue.
pub const TILE: Yuv = [44, 140, 122];

/// Planes Y, U, V without padding.
#[derive(Clone)]
pub struct Canvas {
    pub width: u32,
    pub height: u32,
    planes: [Vec<u8>; 3],
}

impl Canvas {
    /// Width and height must be even.
    pub fn new(width: u32, height: u32) -> Canvas {
        let (luma, chroma) = ((width * height) as usize, (width / 2 * (height / 2)) as usize);
        let planes = [vec![BLACK[0]; luma], vec![BLACK[1]; chroma], vec![BLACK[2]; chroma]];
        Canvas { width, height, planes }
    }

    pub fn plane(&self, index: usize) -> (&[u8], usize) {
        let stride = if index == 0 { self.width } else { self.width / 2 };
        (&self.planes[index], stride as usize)
    }

    pub fn full(&self) -> Rect {
        Rect { x: 0, y: 0, w: self.width, h: self.height }
    }

    pub fn fill(&mut self, rect: Rect, colour: Yuv) {
        for (index, &value) in colour.iter().enumerate() {
            self.rows(index, rect, |_, row| row.fill(value));
        }
    }

    /// Copies a picture of exactly the rectangle's size; `source` gives (bytes, stride) by plane.
    pub fn blit<'a>(&mut self, rect: Rect, source: impl Fn(usize) -> (&'a [u8], usize)) {
        for index in 0..3 {
            let (bytes, stride) = source(index);
            self.rows(index, rect, |n, row| {
                if let Some(line) = bytes.get(n * stride..n * stride + row.len()) {
                    row.copy_from_slice(line);
                }
            });
        }
    }

    /// Blends white over the brightness, by `coverage` (0 none, 255 full) of the rectangle's size.
    pub fn lighten(&mut self, rect: Rect, coverage: &[u8]) {
        self.rows(0, rect, |n, row| {
            let line = &coverage[n * row.len()..(n + 1) * row.len()];
            for (pixel, &cover) in row.iter_mut().zip(line) {
                let white = 225 - u32::from(*pixel).min(225);
                *pixel += (white * u32::from(cover) / 255) as u8;
            }
        });
    }

    fn rows(&mut self, plane: usize, rect: Rect, mut each: impl FnMut(usize, &mut [u8])) {
        let half = u32::from(plane > 0);
        let (width, height) = (self.width >> half, self.height >> half);
        let (x, y) = ((rect.x >> half).min(width), (rect.y >> half).min(height));
        let (w, h) = ((rect.w >> half).min(width - x), (rect.h >> half).min(height - y));
        for n in 0..h {
            let start = ((y + n) * width + x) as usize;
            each(n as usize, &mut self.planes[plane][start..start + w as usize]);
        }
    }
}
