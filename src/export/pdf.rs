//! Pages of Chinese text: lines are broken and set here, `krilla` writes the file. The same data
//! gives the same bytes: no time and no random id is in the file.
//!
//! A4 in the layout of GB/T 9704 as far as free fonts allow (a serif in place of 仿宋): text area
//! of 156 mm × 225 mm, body of 16 pt on 28 pt, title of 22 pt.

use krilla::Document;
use krilla::geom::Point;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::text::{GlyphId, KrillaGlyph};
use thiserror::Error;

use super::font::{Face, FontError, Fonts, Measure};
use super::minutes_doc::Block;

const MM: f32 = 72.0 / 25.4;
const PAGE: (f32, f32) = (210.0 * MM, 297.0 * MM);
const TOP: f32 = 37.0 * MM;
const LEFT: f32 = 28.0 * MM;
const WIDTH: f32 = 156.0 * MM;
const HEIGHT: f32 = 225.0 * MM;
/// Of the footer's two lines below the text area.
const FOOTER: f32 = 12.0 * MM;
const BODY: f32 = 16.0;
const LEADING: f32 = 28.0;

#[derive(Debug, Error)]
pub enum PdfError {
    #[error(transparent)]
    Font(#[from] FontError),
    #[error("the PDF could not be written: {0}")]
    Krilla(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Body,
    Bold,
}

struct Line {
    text: String,
    weight: Weight,
    size: f32,
    leading: f32,
    /// From the left edge of the text area.
    x: f32,
    /// Stays on the page of the line after it.
    keep: bool,
}

/// The file. `footer` stands under every page, with its number.
///
/// # Errors
/// [`PdfError`]
pub fn pdf(
    title: &str,
    blocks: &[Block],
    footer: &str,
    fonts: &Fonts,
) -> Result<Vec<u8>, PdfError> {
    let damaged = || PdfError::Krilla("a font became unreadable".into());
    let setter = Setter {
        body: fonts.body.measure().ok_or_else(damaged)?,
        bold: fonts.bold.measure().ok_or_else(damaged)?,
    };
    let pages = paginate(blocks.iter().flat_map(|block| setter.lines(block)).collect());
    let mut document = Document::new();
    document.set_metadata(
        Metadata::new()
            .title(title.to_owned())
            .language("zh-CN".to_owned())
            .creator("Yuntang".to_owned()),
    );
    let count = pages.len();
    for (n, lines) in (1..).zip(pages) {
        let size = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(damaged)?;
        let mut page = document.start_page_with(size);
        let mut surface = page.surface();
        let mut y = TOP;
        for line in lines {
            y += line.leading;
            let (face, measure) = match line.weight {
                Weight::Body => (&fonts.body, &setter.body),
                Weight::Bold => (&fonts.bold, &setter.bold),
            };
            // The baseline: about a third of what is left above and below the glyphs.
            let baseline = y - (line.leading - line.size) / 2.0 - line.size * 0.12;
            draw(&mut surface, face, measure, &line.text, line.size, LEFT + line.x, baseline);
        }
        let number = format!("第{n}页　共{count}页");
        let mut y = TOP + HEIGHT + FOOTER;
        for (text, size) in [(number.as_str(), 12.0), (footer, 7.5)] {
            let width = setter.width(text, Weight::Body, size);
            let x = LEFT + (WIDTH - width) / 2.0;
            draw(&mut surface, &fonts.body, &setter.body, text, size, x, y);
            y += 16.0;
        }
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|e| PdfError::Krilla(format!("{e:?}")))
}

fn draw(
    surface: &mut krilla::surface::Surface<'_>,
    face: &Face,
    measure: &Measure<'_>,
    text: &str,
    size: f32,
    x: f32,
    y: f32,
) {
    let glyphs: Vec<KrillaGlyph> = text
        .char_indices()
        .map(|(at, c)| {
            let id = GlyphId::new(u32::from(measure.glyph(c)));
            let range = at..at + c.len_utf8();
            KrillaGlyph::new(id, measure.width(c), 0.0, 0.0, 0.0, range, None)
        })
        .collect();
    if !glyphs.is_empty() {
        surface.draw_glyphs(Point::from_xy(x, y), &glyphs, face.krilla(), text, size, false);
    }
}

/// Pages of lines; a heading goes with what follows it.
fn paginate(lines: Vec<Line>) -> Vec<Vec<Line>> {
    let mut pages: Vec<Vec<Line>> = vec![Vec::new()];
    let mut filled = 0.0;
    for line in lines {
        if filled + line.leading > HEIGHT {
            let mut next = Vec::new();
            if let Some(page) = pages.last_mut() {
                let kept = page.iter().rev().take_while(|l| l.keep).count();
                // A page of headings alone stays as it is: something must be on it.
                if kept < page.len() {
                    next = page.split_off(page.len() - kept);
                }
            }
            filled = next.iter().map(|l| l.leading).sum();
            pages.push(next);
        }
        filled += line.leading;
        if let Some(page) = pages.last_mut() {
            page.push(line);
        }
    }
    pages
}

struct Setter<'a> {
    body: Measure<'a>,
    bold: Measure<'a>,
}

impl Setter<'_> {
    fn lines(&self, block: &Block) -> Vec<Line> {
        let set = |text: &str, weight, size: f32, leading, indent: f32, keep| {
            let broken = self.broken(text, weight, size, WIDTH, indent);
            (0_usize..)
                .zip(broken)
                .map(|(n, text)| Line {
                    text,
                    weight,
                    size,
                    leading,
                    x: if n == 0 { indent } else { 0.0 },
                    keep,
                })
                .collect::<Vec<_>>()
        };
        match block {
            Block::Title(text) => self.centred(text, Weight::Bold, 22.0, 40.0),
            Block::Subtitle(text) => self.centred(text, Weight::Body, 14.0, LEADING),
            Block::Heading(text) => set(text, Weight::Bold, BODY, LEADING, 0.0, true),
            Block::Paragraph(text) => set(text, Weight::Body, BODY, LEADING, 2.0 * BODY, false),
            Block::Note(text) => {
                let mut lines = vec![blank(10.0)];
                lines.extend(set(text, Weight::Body, 9.0, 14.0, 0.0, false));
                lines
            }
            Block::Field(label, text) => {
                let mut out: Vec<Line> = Vec::new();
                for (n, part) in text.lines().enumerate() {
                    let whole = if n == 0 { format!("{label}：{part}") } else { part.to_owned() };
                    let indent = if n == 0 { 0.0 } else { 2.0 * BODY };
                    out.extend(set(&whole, Weight::Body, BODY, LEADING, indent, false));
                }
                out
            }
            Block::Signature(text) => {
                let width = self.width(text, Weight::Body, BODY);
                let x = (WIDTH - width).max(0.0);
                let mut lines = vec![blank(14.0)];
                lines.push(Line {
                    text: text.clone(),
                    weight: Weight::Body,
                    size: BODY,
                    leading: LEADING,
                    x,
                    keep: false,
                });
                lines
            }
        }
    }

    fn centred(&self, text: &str, weight: Weight, size: f32, leading: f32) -> Vec<Line> {
        self.broken(text, weight, size, WIDTH, 0.0)
            .into_iter()
            .map(|text| {
                let x = (WIDTH - self.width(&text, weight, size)) / 2.0;
                Line { text, weight, size, leading, x, keep: true }
            })
            .collect()
    }

    fn width(&self, text: &str, weight: Weight, size: f32) -> f32 {
        text.chars().map(|c| self.advance(c, weight)).sum::<f32>() * size
    }

    fn advance(&self, c: char, weight: Weight) -> f32 {
        match weight {
            Weight::Body => self.body.width(c),
            Weight::Bold => self.bold.width(c),
        }
    }

    /// Breaks one paragraph: between any two Chinese characters, not before closing and not after
    /// opening punctuation, and not inside a word or number that fits on a line.
    fn broken(
        &self,
        text: &str,
        weight: Weight,
        size: f32,
        width: f32,
        indent: f32,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        let mut used = indent;
        for piece in pieces(text) {
            let wide = self.width(piece, weight, size);
            if used + wide > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if wide <= width {
                line.push_str(piece);
                used += wide;
                continue;
            }
            for c in piece.chars() {
                let wide = self.advance(c, weight) * size;
                if used + wide > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(c);
                used += wide;
            }
        }
        lines.push(line);
        lines
    }
}

fn blank(leading: f32) -> Line {
    Line { text: String::new(), weight: Weight::Body, size: BODY, leading, x: 0.0, keep: false }
}

const CLOSING: &str = "，。；：、！？）》〉”’」』】…—%,.;:!?)]}";
const OPENING: &str = "（《〈“‘「『【";
const OPENING_LATIN: &str = "([{";

/// Pieces that a line is not broken within.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices().peekable();
        let (_, first) = chars.next()?;
        let word = |c: char| c.is_ascii_alphanumeric() || "-_/.:".contains(c);
        let mut last = first;
        let mut end = rest.len();
        for (at, c) in chars {
            let joined = OPENING.contains(last)
                || OPENING_LATIN.contains(last)
                || CLOSING.contains(c)
                || word(last) && word(c);
            if !joined {
                end = at;
                break;
            }
            last = c;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_words_stay_together() {
        let all: Vec<&str> = pieces("会议（第3次）通过，共12.5分。abc").collect();
        assert_eq!(
            all,
            ["会", "议", "（第", "3", "次）", "通", "过，", "共", "12.5", "分。", "abc"]
        );
        assert_eq!(pieces("").count(), 0);
        let long = "，".repeat(50);
        assert_eq!(pieces(&long).collect::<String>(), long);
    }
}
