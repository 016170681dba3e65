//! The CJK font of PDF documents: the one that was set, or Debian's `fonts-noto-cjk` (SIL Open
//! Font License 1.1), looked for where the distributions put it. No font is shipped; a document
//! carries the glyphs it uses.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ab_glyph::{Font as _, FontRef};
use thiserror::Error;

/// Body, then bold; the face of simplified Chinese inside the collection.
const PLACES: &[(&str, &str, u32)] = &[
    (
        "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
        "/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc",
        2,
    ),
    (
        "/usr/share/fonts/noto-cjk/NotoSerifCJK-Regular.ttc",
        "/usr/share/fonts/noto-cjk/NotoSerifCJK-Bold.ttc",
        2,
    ),
    (
        "/usr/share/fonts/google-noto-serif-cjk-fonts/NotoSerifCJK-Regular.ttc",
        "/usr/share/fonts/google-noto-serif-cjk-fonts/NotoSerifCJK-Bold.ttc",
        2,
    ),
    (
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
        2,
    ),
];

/// Characters that the font must have to be of use here.
const NEEDED: &str = "会议记录，。（）0";

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FontError {
    #[error(
        "服务器上没有中文字体，不能生成 PDF；请安装 fonts-noto-cjk，或用 --cjk-font 指定字体文件"
    )]
    NotFound,
    #[error("字体文件 {0} 无法读取，不能生成 PDF；请检查 --cjk-font 的设置")]
    Unreadable(PathBuf),
    #[error("字体文件 {0} 不含所需的中文字，不能生成 PDF；请换一个字体文件")]
    NotChinese(PathBuf),
}

/// One face: its glyphs' widths here, their outlines in the document.
#[derive(Clone)]
pub struct Face {
    bytes: Arc<Vec<u8>>,
    index: u32,
    krilla: krilla::text::Font,
}

impl Face {
    fn read(path: &Path, index: u32) -> Result<Self, FontError> {
        let bytes = std::fs::read(path).map_err(|_| FontError::Unreadable(path.to_owned()))?;
        Self::of(Arc::new(bytes), index).ok_or_else(|| FontError::NotChinese(path.to_owned()))
    }

    fn of(bytes: Arc<Vec<u8>>, index: u32) -> Option<Self> {
        let krilla = krilla::text::Font::new(bytes.clone().into(), index)?;
        let face = Self { bytes, index, krilla };
        let measure = face.measure()?;
        NEEDED.chars().all(|c| measure.glyph(c) != 0).then_some(face)
    }

    pub fn krilla(&self) -> krilla::text::Font {
        self.krilla.clone()
    }

    /// `None` for a damaged font.
    pub fn measure(&self) -> Option<Measure<'_>> {
        let font = FontRef::try_from_slice_and_index(&self.bytes, self.index).ok()?;
        let em = font.units_per_em()?;
        Some(Measure { font, em })
    }
}

/// Widths of a face.
pub struct Measure<'a> {
    font: FontRef<'a>,
    em: f32,
}

impl Measure<'_> {
    /// 0: the font lacks it.
    pub fn glyph(&self, c: char) -> u16 {
        self.font.glyph_id(c).0
    }

    /// In parts of the font size.
    pub fn width(&self, c: char) -> f32 {
        self.font.h_advance_unscaled(self.font.glyph_id(c)) / self.em
    }
}

/// The two faces of a document.
#[derive(Clone)]
pub struct Fonts {
    pub body: Face,
    pub bold: Face,
}

impl Fonts {
    /// `chosen`: the operator's setting, for both faces. Of a collection the face of simplified
    /// Chinese as Noto orders them, or the first.
    ///
    /// # Errors
    /// [`FontError`], which says what to do.
    pub fn find(chosen: Option<&Path>) -> Result<Self, FontError> {
        if let Some(path) = chosen {
            let read = Face::read(path, 2).or_else(|_| Face::read(path, 0))?;
            return Ok(Self { body: read.clone(), bold: read });
        }
        for (body, bold, index) in PLACES {
            if let Ok(body) = Face::read(Path::new(body), *index) {
                let bold = Face::read(Path::new(bold), *index).unwrap_or_else(|_| body.clone());
                return Ok(Self { body, bold });
            }
        }
        Err(FontError::NotFound)
    }
}

/// Reads the fonts once, some 50 MB, when the first document asks.
pub struct FontShelf {
    chosen: Option<PathBuf>,
    found: OnceLock<Fonts>,
}

impl FontShelf {
    pub fn new(chosen: Option<PathBuf>) -> Self {
        Self { chosen, found: OnceLock::new() }
    }

    /// Reads files the first time: not on a thread that others wait for.
    ///
    /// # Errors
    /// [`FontError`]; the next call looks again.
    pub fn fonts(&self) -> Result<Fonts, FontError> {
        if let Some(found) = self.found.get() {
            return Ok(found.clone());
        }
        let fonts = Fonts::find(self.chosen.as_deref())?;
        Ok(self.found.get_or_init(|| fonts).clone())
    }
}
