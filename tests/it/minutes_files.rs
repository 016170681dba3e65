//! Minutes as PDF and DOCX: what is in them, read by other programs, and that they do not change.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;
use yuntang::export::font::{FontError, Fonts};
use yuntang::export::minutes_doc::Block;
use yuntang::export::{docx, pdf};

use crate::http_support::TestApp;
use crate::minutes_support::Office;

/// What poppler reads in a file.
fn text_of(pdf: &[u8]) -> String {
    let mut child = Command::new("pdftotext")
        .args(["-enc", "UTF-8", "-layout", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pdftotext (apt-get install poppler-utils)");
    let mut input = child.stdin.take().unwrap();
    let bytes = pdf.to_vec();
    let writing = std::thread::spawn(move || input.write_all(&bytes));
    let out = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[tokio::test]
async fn a_sealed_pdf_can_be_searched_and_carries_the_last_hash() {
    let office = Office::after_meeting(TestApp::start().await, 0).await;
    let pdf = format!("/api/archive/{}/minutes.pdf", office.id);
    let docx = format!("/api/archive/{}/minutes.docx", office.id);
    let draft = office.member.get(&pdf).await;
    assert_eq!((draft.status, draft.header("content-type")), (200, "application/pdf"));
    assert!(squeezed(&text_of(&draft.body)).contains("草稿，未封存"));
    assert_eq!(
        office.save("resolution", "大会一致通过《支部工作计划》，𠮷田同志弃权。").await.status,
        200
    );
    office.submit().await;
    office.confirm().await;
    let sealed = office.seal().await.json();
    let file = office.member.get(&pdf).await;
    let text = squeezed(&text_of(&file.body));
    let hash = sealed["seal"]["hash"].as_str().unwrap();
    for wanted in [
        "会议记录",
        "大会一致通过《支部工作计划》，𠮷田同志弃权。",
        "应到、实到：应到",
        "第1页共",
        &format!("会议日志末端哈希（SHA-256）{hash}"),
        &format!("记录人签字：{}", office.app.account("recorder").name),
        &format!("主持人签字：{}", office.app.account("secretary").name),
    ] {
        assert!(text.contains(&squeezed(wanted)), "{wanted} is not in {text}");
    }
    assert!(!text.contains("未封存"));
    // A glyph subset, not the font.
    assert!(file.body.len() < 1_000_000, "{} bytes", file.body.len());
    assert!(file.body.windows(9).any(|w| w == b"FontFile3" || w == b"FontFile2"));
    // The same data, the same bytes.
    assert_eq!(office.chair.get(&pdf).await.body, file.body);
    let word = office.chair.get(&docx).await;
    assert_eq!(word.status, 200);
    assert_eq!(office.member.get(&docx).await.body, word.body);
    // A correction is printed with the text it corrects.
    let correction = json!({ "section": "resolution", "text": "大会通过", "reason": "原文有误" });
    office.recorder.post(&office.path("/corrections"), correction).await;
    let text = squeezed(&text_of(&office.member.get(&pdf).await.body));
    assert!(text.contains("更正为：大会通过") && text.contains("原文：大会一致通过"), "{text}");
    office.app.stop().await;
}

#[test]
fn long_texts_run_over_pages_and_nothing_is_lost() {
    let fonts = Fonts::find(None).unwrap();
    let paragraph = "支部党员大会一般每季度召开1次；".repeat(40);
    let mut blocks = vec![Block::Title("会议记录".into())];
    for n in 0..12 {
        blocks.push(Block::Heading(format!("议题{n}")));
        blocks.push(Block::Paragraph(format!("{paragraph}末{n}")));
    }
    blocks.push(Block::Paragraph("x".repeat(300)));
    let file = pdf::pdf("记录", &blocks, "脚注", &fonts).unwrap();
    let text = text_of(&file);
    let pages: Vec<&str> = text.split('\u{c}').filter(|p| !p.trim().is_empty()).collect();
    let squeezed = squeezed(&text);
    assert!(pages.len() > 5, "{} pages", pages.len());
    for n in 0..12 {
        assert!(squeezed.contains(&format!("末{n}")));
    }
    assert!(squeezed.contains(&format!("第{}页共{}页", pages.len(), pages.len())));
    assert_eq!(squeezed.matches('x').count(), 300);
    assert!(squeezed.matches("支部党员大会一般每季度").count() >= 12 * 20);
    // No line begins with a closing mark.
    for line in text.lines().map(str::trim_start) {
        assert!(!line.starts_with(['，', '。', '；', '）']), "{line}");
    }
    assert_eq!(pdf::pdf("记录", &blocks, "脚注", &fonts).unwrap(), file);
}

#[test]
fn a_missing_font_is_named_and_says_what_to_do() {
    let missing = Fonts::find(Some(std::path::Path::new("/nowhere/font.ttc")));
    assert!(matches!(missing, Err(FontError::Unreadable(_))));
    let latin = Fonts::find(Some(std::path::Path::new(file!())));
    assert!(matches!(latin, Err(FontError::NotChinese(_) | FontError::Unreadable(_))));
    assert!(FontError::NotFound.to_string().contains("fonts-noto-cjk"));
}

#[test]
fn hostile_text_stays_text() {
    let blocks = vec![
        Block::Field("主持人".into(), "<w:p>&\"'\u{202e}张三\u{0}\u{1}".into()),
        Block::Paragraph("=HYPERLINK(\"x\") 🎉 العربية".into()),
        Block::Field("空".into(), String::new()),
    ];
    let word = docx::docx(&blocks, "脚注 <&>").unwrap();
    assert_eq!(&word[..2], b"PK");
    let fonts = Fonts::find(None).unwrap();
    assert!(text_of(&pdf::pdf("标题", &blocks, "脚注", &fonts).unwrap()).contains("主持人"));
}
