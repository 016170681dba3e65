//! Minutes as a document: what is printed, in order, whatever the file's form.

use crate::domain::minutes::{Minutes, State, time};

/// Everything that a document of minutes shows. Names are given, since people change theirs.
#[derive(Debug, Clone)]
pub struct MinutesDocument {
    pub org_name: String,
    pub title: String,
    pub state: State,
    pub minutes: Minutes,
    /// Hash of the minutes, and the name of the hash.
    pub digest: String,
    pub hash_word: &'static str,
    /// Typed name and time.
    pub recorder: Option<(String, i64)>,
    pub chair: Option<(String, i64)>,
    pub objections: Vec<PrintedObjection>,
    pub corrections: Vec<PrintedCorrection>,
    /// When, and the session's last hash.
    pub seal: Option<(i64, String)>,
}

#[derive(Debug, Clone)]
pub struct PrintedObjection {
    pub name: String,
    pub at_us: i64,
    pub text: String,
    pub answer: Option<(String, i64, String)>,
}

#[derive(Debug, Clone)]
pub struct PrintedCorrection {
    pub section: String,
    pub old: String,
    pub new: String,
    pub reason: String,
    pub name: String,
    pub at_us: i64,
}

/// One piece of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    Title(String),
    /// Centred under the title.
    Subtitle(String),
    /// Label and text on one line or more.
    Field(String, String),
    Heading(String),
    Paragraph(String),
    /// Set apart from the text above, flush right.
    Signature(String),
    /// Small print.
    Note(String),
}

/// Sections printed as a label with its text; the others have a heading.
const FIELDS: &[&str] = &[
    "name",
    "kind",
    "time",
    "place",
    "chair",
    "recorder",
    "counts",
    "present",
    "absent",
    "observers",
    "agenda",
];

impl MinutesDocument {
    /// In the order in which it is printed. Sections without text are left out.
    pub fn blocks(&self) -> Vec<Block> {
        let mut out = vec![Block::Title("会议记录".into())];
        if self.state != State::Sealed {
            out.push(Block::Subtitle(format!("（{}，未封存）", self.state.word())));
        }
        for section in self.minutes.sections.iter().filter(|s| !s.body.is_empty()) {
            if FIELDS.contains(&section.key.as_str()) {
                out.push(Block::Field(section.title.clone(), section.body.clone()));
            } else {
                out.push(Block::Heading(section.title.clone()));
                out.extend(section.body.lines().map(|line| Block::Paragraph(line.to_owned())));
            }
        }
        out.push(Block::Signature(signature("主持人签字", self.chair.as_ref())));
        out.push(Block::Signature(signature("记录人签字", self.recorder.as_ref())));
        if !self.objections.is_empty() {
            out.push(Block::Heading("异议与答复".into()));
        }
        for objection in &self.objections {
            let at = time::moment(objection.at_us);
            out.push(Block::Paragraph(format!("{}（{at}）：{}", objection.name, objection.text)));
            if let Some((name, at_us, text)) = &objection.answer {
                let at = time::moment(*at_us);
                out.push(Block::Paragraph(format!("答复（{name}，{at}）：{text}")));
            }
        }
        if !self.corrections.is_empty() {
            out.push(Block::Heading("更正（封存后）".into()));
        }
        for (n, c) in (1..).zip(&self.corrections) {
            let at = time::moment(c.at_us);
            out.push(Block::Paragraph(format!("{n}. “{}”：{}更正，{at}", c.section, c.name)));
            out.push(Block::Paragraph(format!("原文：{}", or_none(&c.old))));
            out.push(Block::Paragraph(format!("更正为：{}", or_none(&c.new))));
            out.push(Block::Paragraph(format!("事由：{}", c.reason)));
        }
        let digest = format!("会议记录摘要（{}）：{}", self.hash_word, self.digest);
        out.push(Block::Note(digest));
        out
    }

    /// The last line of every page.
    pub fn footer(&self) -> String {
        match &self.seal {
            Some((at_us, hash)) => {
                format!(
                    "{}封存　会议日志末端哈希（{}）{hash}",
                    time::moment(*at_us),
                    self.hash_word
                )
            }
            None => format!("{}，未封存", self.state.word()),
        }
    }

    /// What the file says it is about.
    pub fn subject(&self) -> String {
        format!("{}{}会议记录", self.org_name, self.title)
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "（无）" } else { text }
}

fn signature(label: &str, signed: Option<&(String, i64)>) -> String {
    match signed {
        Some((name, at_us)) => format!("{label}：{name}　{}", time::moment(*at_us)),
        None => format!("{label}：＿＿＿＿＿＿　＿＿＿＿年＿＿月＿＿日"),
    }
}
