//! Names on tiles. libavfilter's drawtext would bring a filter graph for a few words; this draws
//! outlines with a font of the system, and leaves the tile plain when there is none.

use ab_glyph::{Font, FontVec, PxScale, ScaleFont};

/// Fonts with Chinese first, then any; the number is the face in a collection (Simplified Chinese
/// is the third of Noto's).
const FONTS: [(&str, u32); 6] = [
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
    ("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", 0),
    ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 0),
];

pub struct Writer {
    font: Option<FontVec>,
}

impl Writer {
    /// Takes the first font that is there.
    pub fn new() -> Writer {
        let font = FONTS.iter().find_map(|&(path, index)| {
            let bytes = std::fs::read(path).ok()?;
            FontVec::try_from_vec_and_index(bytes, index).ok()
        });
        Writer { font }
    }

    /// Coverage of a tile of `w`×`h` with `lines` centred in it, the first the largest; lines too
    /// long are set smaller.
    pub fn tile(&self, w: u32, h: u32, lines: &[&str]) -> Vec<u8> {
        let mut coverage = vec![0u8; (w * h) as usize];
        let Some(font) = &self.font else { return coverage };
        let sizes: Vec<f32> = lines
            .iter()
            .enumerate()
            .map(|(i, line)| {
                let wanted = h as f32 * if i == 0 { 0.16 } else { 0.09 };
                let wide = width(font, line, wanted);
                wanted * (w as f32 * 0.9 / wide.max(1.0)).min(1.0)
            })
            .collect();
        let total: f32 = sizes.iter().map(|size| size * 1.4).sum();
        let mut top = (h as f32 - total) / 2.0;
        for (line, &size) in lines.iter().zip(&sizes) {
            let left = (w as f32 - width(font, line, size)) / 2.0;
            let scaled = font.as_scaled(PxScale::from(size));
            let baseline = top + size * 0.2 + scaled.ascent() * size / scaled.height().max(1.0);
            draw(font, line, size, (left, baseline), (w, h), &mut coverage);
            top += size * 1.4;
        }
        coverage
    }
}

fn width(font: &FontVec, line: &str, size: f32) -> f32 {
    let scaled = font.as_scaled(PxScale::from(size));
    line.chars().map(|c| scaled.h_advance(font.glyph_id(c))).sum()
}

fn draw(
    font: &FontVec,
    line: &str,
    size: f32,
    (left, baseline): (f32, f32),
    (w, h): (u32, u32),
    coverage: &mut [u8],
) {
    let scale = PxScale::from(size);
    let mut x = left;
    for c in line.chars() {
        let id = font.glyph_id(c);
        let glyph = id.with_scale_and_position(scale, ab_glyph::point(x, baseline));
        x += font.as_scaled(scale).h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let bounds = outline.px_bounds();
        outline.draw(|dx, dy, cover| {
            let (px, py) =
                (bounds.min.x as i64 + i64::from(dx), bounds.min.y as i64 + i64::from(dy));
            if (0..i64::from(w)).contains(&px) && (0..i64::from(h)).contains(&py) {
                let at = (py * i64::from(w) + px) as usize;
                coverage[at] = coverage[at].max((cover * 255.0) as u8);
            }
        });
    }
}
