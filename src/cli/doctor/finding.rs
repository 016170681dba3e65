//! One finding in two languages, and how findings are printed.

use serde_json::{Value, json};

use super::Language;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Good,
    /// It works, but could be better.
    Care,
    /// A meeting would not work.
    Bad,
}

impl Level {
    const fn word(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::Zh, Level::Good) => "正常",
            (Language::Zh, Level::Care) => "留意",
            (Language::Zh, Level::Bad) => "问题",
            (Language::En, Level::Good) => "fine",
            (Language::En, Level::Care) => "mind",
            (Language::En, Level::Bad) => "fails",
        }
    }

    const fn id(self) -> &'static str {
        self.word(Language::En)
    }
}

/// The same sentence twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Say {
    pub zh: String,
    pub en: String,
}

pub fn say(zh: impl Into<String>, en: impl Into<String>) -> Say {
    Say { zh: zh.into(), en: en.into() }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// For scripts; stable.
    pub key: &'static str,
    pub name: (&'static str, &'static str),
    pub level: Level,
    pub found: Say,
    /// What to do; always there when it is not good.
    pub advice: Option<Say>,
}

/// What is looked at: key and its name in both languages.
#[derive(Debug, Clone, Copy)]
pub struct Subject(pub &'static str, pub &'static str, pub &'static str);

impl Subject {
    pub fn good(self, found: Say) -> Finding {
        self.finding(Level::Good, found, None)
    }

    pub fn care(self, found: Say, advice: Say) -> Finding {
        self.finding(Level::Care, found, Some(advice))
    }

    pub fn bad(self, found: Say, advice: Say) -> Finding {
        self.finding(Level::Bad, found, Some(advice))
    }

    fn finding(self, level: Level, found: Say, advice: Option<Say>) -> Finding {
        Finding { key: self.0, name: (self.1, self.2), level, found, advice }
    }
}

/// One line a finding, its advice indented below.
pub fn text(findings: &[Finding], language: Language) -> String {
    let mut out = String::new();
    for one in findings {
        let pick = |say: &Say| match language {
            Language::Zh => say.zh.clone(),
            Language::En => say.en.clone(),
        };
        let (name, colon) = match language {
            Language::Zh => (one.name.0, "："),
            Language::En => (one.name.1, ": "),
        };
        out += &format!("{}  {name}{colon}{}\n", one.level.word(language), pick(&one.found));
        if let Some(advice) = &one.advice {
            out += &format!("      → {}\n", pick(advice));
        }
    }
    out
}

pub fn json(findings: &[Finding]) -> Value {
    let both = |say: &Say| json!({ "zh": say.zh, "en": say.en });
    let checks: Vec<_> = findings
        .iter()
        .map(|one| {
            json!({
                "key": one.key,
                "level": one.level.id(),
                "found": both(&one.found),
                "advice": one.advice.as_ref().map(both),
            })
        })
        .collect();
    let ok = findings.iter().all(|one| one.level != Level::Bad);
    json!({ "ok": ok, "checks": checks })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Subject = Subject("disk", "磁盘", "Disk");

    fn findings() -> Vec<Finding> {
        vec![
            DISK.good(say("够用", "enough")),
            DISK.care(say("偏少", "little"), say("请清理", "make room")),
            DISK.bad(say("满了", "full"), say("请扩容", "get more")),
        ]
    }

    #[test]
    fn each_finding_is_a_line_with_its_advice_below() {
        let zh = text(&findings(), Language::Zh);
        assert_eq!(
            zh.lines().collect::<Vec<_>>(),
            [
                "正常  磁盘：够用",
                "留意  磁盘：偏少",
                "      → 请清理",
                "问题  磁盘：满了",
                "      → 请扩容",
            ]
        );
        assert!(
            text(&findings(), Language::En).starts_with("fine  Disk: enough\nmind  Disk: little\n")
        );
    }

    #[test]
    fn scripts_get_the_same_and_a_verdict() {
        let value = json(&findings());
        assert_eq!(value["ok"], false);
        assert_eq!(value["checks"][2]["level"], "fails");
        assert_eq!(value["checks"][1]["advice"]["zh"], "请清理");
        assert_eq!(json(&findings()[..2])["ok"], true, "what is only to be minded does not fail");
    }
}
