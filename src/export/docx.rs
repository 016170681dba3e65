//! The same document as DOCX, for those who go on writing. The fonts are named, not embedded:
//! 仿宋 and 黑体 where the reader has them.

use std::io::Cursor;

use docx_rs::{
    AlignmentType, Docx, Footer, LineSpacing, LineSpacingType, NumPages, PageMargin, PageNum,
    Paragraph, Run, RunFonts, SpecialIndentType,
};
use thiserror::Error;

use super::minutes_doc::Block;

#[derive(Debug, Error)]
#[error("the DOCX could not be written: {0}")]
pub struct DocxError(String);

/// Twentieths of a point.
const fn mm(mm: i32) -> i32 {
    mm * 14_400 / 254
}

/// The file; the same data gives the same bytes.
///
/// # Errors
/// [`DocxError`]
pub fn docx(blocks: &[Block], footer: &str) -> Result<Vec<u8>, DocxError> {
    let margin = PageMargin {
        top: mm(37),
        left: mm(28),
        right: mm(26),
        bottom: mm(35),
        header: mm(15),
        footer: mm(20),
        gutter: 0,
    };
    let fonts = RunFonts::new().ascii("Times New Roman").hi_ansi("Times New Roman");
    let mut file = Docx::new()
        .page_size(mm(210).unsigned_abs(), mm(297).unsigned_abs())
        .page_margin(margin)
        .default_fonts(fonts.east_asia("仿宋"))
        .default_size(32)
        .created_at("1970-01-01T00:00:00Z")
        .updated_at("1970-01-01T00:00:00Z")
        .footer(foot(footer));
    for block in blocks {
        for paragraph in paragraphs(block) {
            file = file.add_paragraph(paragraph);
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    file.build().pack(&mut bytes).map_err(|e| DocxError(e.to_string()))?;
    Ok(bytes.into_inner())
}

fn foot(text: &str) -> Footer {
    let small = |text: &str| Run::new().add_text(printable(text)).size(24);
    let number = Paragraph::new()
        .align(AlignmentType::Center)
        .add_run(small("第"))
        .add_page_num(PageNum::new())
        .add_run(small("页　共"))
        .add_num_pages(NumPages::new())
        .add_run(small("页"));
    let hash = Run::new().add_text(printable(text)).size(15);
    let hash = Paragraph::new().align(AlignmentType::Center).add_run(hash);
    Footer::new().add_paragraph(number).add_paragraph(hash)
}

/// 28 pt between lines, as official documents have it.
fn set(paragraph: Paragraph) -> Paragraph {
    let spacing = LineSpacing::new().line_rule(LineSpacingType::Exact).line(560);
    paragraph.line_spacing(spacing)
}

fn bold(text: &str) -> Run {
    let fonts = RunFonts::new().ascii("Times New Roman").hi_ansi("Times New Roman");
    Run::new().add_text(printable(text)).bold().fonts(fonts.east_asia("黑体"))
}

fn paragraphs(block: &Block) -> Vec<Paragraph> {
    let plain = |text: &str| Run::new().add_text(printable(text));
    let indented =
        |p: Paragraph| p.indent(None, Some(SpecialIndentType::FirstLine(640)), None, None);
    match block {
        Block::Title(text) => {
            let run = Run::new().add_text(printable(text)).size(44).bold();
            let run = run.fonts(RunFonts::new().east_asia("宋体"));
            let spacing = LineSpacing::new().after(240);
            vec![Paragraph::new().align(AlignmentType::Center).line_spacing(spacing).add_run(run)]
        }
        Block::Subtitle(text) => {
            vec![set(Paragraph::new()).align(AlignmentType::Center).add_run(plain(text).size(28))]
        }
        Block::Field(label, text) => text
            .lines()
            .enumerate()
            .map(|(n, line)| match n {
                0 => {
                    set(Paragraph::new()).add_run(bold(&format!("{label}："))).add_run(plain(line))
                }
                _ => indented(set(Paragraph::new()).add_run(plain(line))),
            })
            .collect(),
        Block::Heading(text) => vec![set(Paragraph::new()).keep_next(true).add_run(bold(text))],
        Block::Paragraph(text) => vec![indented(set(Paragraph::new()).add_run(plain(text)))],
        Block::Signature(text) => {
            vec![set(Paragraph::new()).align(AlignmentType::Right).add_run(plain(text))]
        }
        Block::Note(text) => vec![Paragraph::new().add_run(plain(text).size(18))],
    }
}

/// What XML 1.0 can hold.
fn printable(text: &str) -> String {
    let fits =
        |c: &char| matches!(*c, '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(fits).collect()
}
