//! From facts to a draft: the sections that minutes of each kind have, and their first words.
//!
//! Every kind has the head (name, time, place, chair, recorder, counts, lists), the agenda with
//! one section an item, the documents and, at the end, recording and integrity. Between them stand
//! the sections that the kind needs ([`own`]): data, in the order of the proceedings of that kind
//! (支部工作条例 art. 14–18, 发展党员工作细则, 选举工作条例). People fill them in; an empty one is named
//! when the minutes are signed, and not printed.

use std::fmt::Write as _;

use super::facts::{Facts, Resolution, Speech};
use super::{FORMAT, Minutes, Section, time};
use crate::domain::MeetingKind;
use crate::domain::report::AttendanceMode as Mode;

/// Key, title and what the recorder is told to write there.
type Own = (&'static str, &'static str, &'static str);

/// Sections of one kind beside those that all have.
pub const fn own(kind: MeetingKind) -> &'static [Own] {
    match kind {
        MeetingKind::BranchAssembly => &[],
        MeetingKind::BranchCommittee => {
            &[("decisions", "研究事项及决定", "逐项写明研究的事项、各委员意见和决定")]
        }
        MeetingKind::GroupMeeting => {
            &[("discussion", "讨论情况", "写明每名党员的发言要点和小组的意见")]
        }
        MeetingKind::PartyLecture => &[
            ("lecturer", "授课人", "姓名、单位和职务"),
            ("topic", "授课题目及提纲", "题目和主要内容"),
            ("discussion", "学习讨论情况", "提问、讨论和答疑的要点"),
        ],
        MeetingKind::ThemeDay => &[
            ("theme", "活动主题", "本次主题党日的主题"),
            ("activity", "活动内容及过程", "交纳党费、集体学习、过组织生活、民主议事、志愿服务等"),
        ],
        MeetingKind::OrgLife => &[
            ("preparation", "会前准备情况", "学习、谈心谈话、征求意见的情况"),
            (
                "criticism",
                "批评与自我批评情况",
                "逐人记录自我批评和相互批评的要点，写原话，不作概括",
            ),
            ("rectification", "整改措施", "问题、措施、责任人和期限"),
        ],
        MeetingKind::MemberReview => &[
            ("self", "个人自评", "每名党员的自评要点"),
            ("peers", "党员互评", "相互评议的要点"),
            ("grades", "民主测评结果", "发出、收回的测评表数和各等次票数"),
            ("committee", "组织评定意见", "支委会或党员大会评定的意见"),
        ],
        MeetingKind::AdmitProbationary => &[
            ("applicant", "申请人汇报情况", "对党的认识、入党动机、本人履历、需要说明的问题"),
            ("sponsors", "入党介绍人意见", "介绍人姓名和意见"),
            ("committee", "支部委员会审查意见", "审查情况的报告"),
            ("discussion", "与会党员讨论情况", "逐人记录意见，不同意见如实写明"),
        ],
        MeetingKind::ConvertProbationary => &[
            ("applicant", "预备党员汇报情况", "预备期内的表现和转正申请"),
            ("committee", "党小组和支部委员会意见", "审查情况和是否同意按期转正的意见"),
            ("discussion", "与会党员讨论情况", "逐人记录意见，不同意见如实写明"),
        ],
        MeetingKind::DisciplineVote => &[
            ("case", "事实和依据", "调查核实的事实和所依据的条款"),
            (
                "defence",
                "本人申辩和他人作证、辩护情况",
                "本人到会的，写明其申辩；没有到会的，写明原因",
            ),
            ("discussion", "与会党员讨论情况", "逐人记录意见"),
        ],
        MeetingKind::Election => &[
            ("method", "选举办法通过情况", "选举办法和表决结果"),
            ("tellers", "监票人、计票人", "姓名和推选、通过的情况"),
            ("candidates", "候选人", "应选名额和候选人名单（按姓氏笔画为序）"),
            ("ballots", "发票、收票情况", "发出、收回、有效、无效选票数"),
        ],
        MeetingKind::LeadersLife => &[
            ("preparation", "会前准备情况", "学习、征求意见、谈心谈话、撰写发言提纲"),
            ("report", "领导班子对照检查", "检查的要点"),
            ("criticism", "批评与自我批评情况", "逐人记录，写原话"),
            ("superior", "上级党组织点评", "列席的上级的意见"),
            ("rectification", "整改措施", "问题、措施、责任人和期限"),
        ],
    }
}

/// What the editor tells the recorder to write in a section.
pub fn hint(kind: MeetingKind, key: &str) -> Option<&'static str> {
    if key.starts_with("item.") {
        return Some("发言要点：逐人记录，不同意见如实写明，不写“大家一致认为”");
    }
    let general = match key {
        "place" => Some("会议室名称；线上参加的写明会议编号"),
        "absent" => Some("逐人写明原因：请假、因公、因病、无故"),
        "documents" => Some("传达、学习的文件名称和文号"),
        "resolution" => Some("决议全文、表决方式和结果"),
        _ => None,
    };
    general.or_else(|| own(kind).iter().find(|s| s.0 == key).map(|s| s.2))
}

/// The first version, made by nobody but the journal.
pub fn draft(facts: &Facts) -> Minutes {
    let kind = facts.kind;
    let mut out = Builder(Vec::new());
    out.put("name", "会议名称", format!("{}{}", facts.org_name, facts.title));
    out.lock("kind", "会议类型", kind.word().to_owned());
    out.lock("time", "起止时间", times(facts));
    out.put("place", "地点", place(facts));
    out.put("chair", "主持人", chairs(facts));
    out.put("recorder", "记录人", facts.recorder.clone().unwrap_or_default());
    out.lock("counts", "应到、实到", counts(facts));
    out.put("present", "出席人员", present(facts));
    out.put("absent", "缺席人员及原因", absent(facts));
    out.put("observers", "列席人员", observers(facts));
    out.put("agenda", "议题", agenda(facts));
    for (n, item) in (1..).zip(&facts.agenda) {
        let mut body = String::new();
        let spans: Vec<String> = item.spans.iter().map(|s| range(*s)).collect();
        if !spans.is_empty() {
            let _ = writeln!(body, "时间：{}", spans.join("、"));
        }
        if !item.speeches.is_empty() {
            let _ = writeln!(body, "发言：{}", speeches(&item.speeches));
        }
        body += "发言要点：";
        out.put(&format!("item.{n}"), &format!("议题{n}：{}", item.title), body);
    }
    if !facts.outside.is_empty() {
        out.put("speeches", "其他发言", speeches(&facts.outside));
    }
    out.put("documents", "传达、学习的文件", shown(facts));
    for (key, title, _) in own(kind) {
        out.put(key, title, String::new());
    }
    out.put("resolution", "决议及表决结果", resolution(facts));
    out.lock("recording", "录音录像", recording(facts));
    out.lock("integrity", "会议日志", integrity(facts));
    Minutes { format: FORMAT, kind, sections: out.0 }
}

struct Builder(Vec<Section>);

impl Builder {
    fn put(&mut self, key: &str, title: &str, body: String) {
        self.0.push(Section { key: key.into(), title: title.into(), body, locked: false });
    }

    fn lock(&mut self, key: &str, title: &str, body: String) {
        self.0.push(Section { key: key.into(), title: title.into(), body, locked: true });
    }
}

fn range((from, to): (i64, i64)) -> String {
    format!("{}—{}", time::clock(from), time::clock(to))
}

fn times(facts: &Facts) -> String {
    let Some((from, to)) = facts.official else {
        return "未宣布开会".into();
    };
    let mut out = time::span(from, to);
    let paused = (to - from) / 1_000_000 - facts.official_s;
    if paused >= 60 {
        let _ = write!(out, "（其中休会{}）", time::length(paused));
    }
    if facts.auto_closed {
        out += "（会场长时间无人，由系统结束）";
    }
    out
}

fn place(facts: &Facts) -> String {
    let online = facts.present.iter().any(|p| p.mode != Mode::OnSite) || facts.sites.is_empty();
    let mut parts = facts.sites.clone();
    if online {
        parts.push(format!("线上（会议编号{}）", facts.session));
    }
    parts.join("；")
}

fn chairs(facts: &Facts) -> String {
    match facts.chairs.as_slice() {
        [] => String::new(),
        [(only, _)] => only.clone(),
        several => several
            .iter()
            .map(|(name, from)| format!("{name}（{}起）", time::clock(*from)))
            .collect::<Vec<_>>()
            .join("，"),
    }
}

fn counts(facts: &Facts) -> String {
    let t = &facts.totals;
    let mut out = format!(
        "应到{}人，实到{}人，到会率{}；有表决权的应到{}人，实到{}人",
        t.due,
        t.present,
        permille(t.rate_permille),
        t.voters_due,
        t.voters_present
    );
    if t.leave > 0 || t.absent > 0 {
        let _ = write!(out, "；请假{}人，缺席{}人", t.leave, t.absent);
    }
    if t.observers > 0 {
        let _ = write!(out, "；列席{}人", t.observers);
    }
    out
}

fn permille(n: u32) -> String {
    match n % 10 {
        0 => format!("{}%", n / 10),
        tenth => format!("{}.{tenth}%", n / 10),
    }
}

fn present(facts: &Facts) -> String {
    let mut lines = Vec::new();
    for mode in [Mode::OnSite, Mode::Online, Mode::Mixed] {
        let names: Vec<String> = facts
            .present
            .iter()
            .filter(|p| p.mode == mode)
            .map(|p| {
                if p.note.is_empty() {
                    p.name.clone()
                } else {
                    format!("{}（{}）", p.name, p.note)
                }
            })
            .collect();
        if !names.is_empty() {
            lines.push(format!("{}{}人：{}", mode.word(), names.len(), names.join("、")));
        }
    }
    lines.join("\n")
}

fn absent(facts: &Facts) -> String {
    let mut lines: Vec<String> = facts
        .absent
        .iter()
        .map(|p| match &p.reason {
            Some(reason) => format!("{}：{reason}", p.name),
            None => format!("{}：未请假，原因待补充", p.name),
        })
        .collect();
    if !facts.exempt.is_empty() {
        lines.push(format!("按规定不计入应到：{}", facts.exempt.join("、")));
    }
    if lines.is_empty() { "无".into() } else { lines.join("\n") }
}

fn observers(facts: &Facts) -> String {
    let one = |(name, org, mode): &(String, String, Mode)| {
        if org.is_empty() {
            format!("{name}（{}）", mode.word())
        } else {
            format!("{name}（{org}，{}）", mode.word())
        }
    };
    let all: Vec<String> = facts.observers.iter().map(one).collect();
    if all.is_empty() { "无".into() } else { all.join("、") }
}

fn agenda(facts: &Facts) -> String {
    let one = |(n, item): (usize, &super::facts::ItemFacts)| format!("{n}. {}", item.title);
    (1..).zip(&facts.agenda).map(one).collect::<Vec<_>>().join("\n")
}

fn speeches(all: &[Speech]) -> String {
    all.iter()
        .map(|s| format!("{}（{}）", s.name, time::length(s.seconds)))
        .collect::<Vec<_>>()
        .join("、")
}

fn shown(facts: &Facts) -> String {
    let one =
        |(name, from, to): &(String, i64, i64)| format!("{name}共享屏幕：{}", range((*from, *to)));
    facts.shown.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn resolution(facts: &Facts) -> String {
    let mut parts: Vec<String> = facts.resolutions.iter().map(decided).collect();
    match facts.kind {
        MeetingKind::AdmitProbationary | MeetingKind::ConvertProbationary => {
            let about: Vec<&Resolution> = facts.resolutions.iter().collect();
            if about.is_empty() {
                parts.push(membership_resolution(facts, None));
            }
            parts.extend(about.into_iter().map(|r| membership_resolution(facts, Some(r))));
        }
        _ => {}
    }
    parts.join("\n\n")
}

fn decided(r: &Resolution) -> String {
    let mut out = r.title.clone();
    if !r.method.is_empty() {
        let _ = write!(out, "\n表决方式：{}", r.method);
    }
    if let Some(tally) = &r.tally {
        let _ = write!(out, "\n表决结果：{}", tally.words());
    }
    for line in &r.lines {
        let _ = write!(out, "\n{line}");
    }
    match r.passed {
        Some(true) => out += "\n结论：通过",
        Some(false) => out += "\n结论：未通过",
        None => {}
    }
    out
}

/// The text of a resolution on admission or conversion (`domain.md` §2.6): branch, date, person,
/// assessment, conclusion, members, voters, voters present, form of the ballot and its counts,
/// secretary. What the journal does not know is left as a line to fill in.
fn membership_resolution(facts: &Facts, ballot: Option<&Resolution>) -> String {
    let admit = facts.kind == MeetingKind::AdmitProbationary;
    let person = ballot.and_then(|b| b.person.as_deref()).unwrap_or("＿＿＿");
    let (subject, deed) = if admit {
        (format!("关于接收{person}同志为预备党员的决议"), format!("接收{person}同志为中共预备党员"))
    } else {
        (
            format!("关于{person}同志按期转为正式党员的决议"),
            format!("{person}同志按期转为中共正式党员"),
        )
    };
    let date = facts.official.map_or_else(|| "＿＿＿＿年＿＿月＿＿日".into(), |o| time::date(o.0));
    let t = &facts.totals;
    let method =
        ballot.map(|b| b.method.as_str()).filter(|m| !m.is_empty()).unwrap_or("无记名投票");
    let tally = ballot
        .and_then(|b| b.tally)
        .map_or_else(|| "赞成＿＿票，反对＿＿票，弃权＿＿票".into(), |tally| tally.words());
    let verdict = match ballot.and_then(|b| b.passed) {
        Some(true) => format!("大会决定，同意{deed}。"),
        Some(false) => format!("赞成票未超过应到会有表决权的正式党员的半数，大会未通过{deed}。"),
        None => format!("大会决定，（同意／不同意）{deed}。"),
    };
    format!(
        "{subject}\n{}于{date}召开支部党员大会，讨论{person}同志的{}问题。\n大会认为：（总体评价）＿＿＿\n\
         支部共有党员{}名，其中有表决权的{}名；到会有表决权的{}名。会议采取{method}的方式进行表决，{tally}。\n\
         {verdict}\n支部书记：＿＿＿　　日期：＿＿＿",
        facts.org_name,
        if admit { "入党" } else { "转正" },
        t.due,
        t.voters_due,
        t.voters_present,
    )
}

fn recording(facts: &Facts) -> String {
    if facts.recording.is_empty() {
        return "未录制".into();
    }
    let one = |(from, to): &(i64, Option<i64>)| match to {
        Some(to) => range((*from, *to)),
        None => format!("{}起", time::clock(*from)),
    };
    let spans: Vec<String> = facts.recording.iter().map(one).collect();
    let mut out = format!("全程录音录像：{}", spans.join("、"));
    if facts.recording.len() > 1 {
        out = format!("录音录像（有中断）：{}", spans.join("、"));
    }
    if !facts.unrecorded.is_empty() {
        let _ = write!(out, "。{}不同意录制，其音视频未录入", facts.unrecorded.join("、"));
    }
    out
}

fn integrity(facts: &Facts) -> String {
    match &facts.signed {
        Some((seq, hash)) => format!("散会时日志共{seq}条，末端哈希{hash}，已由本机密钥签名"),
        None => "散会签名尚未生成".into(),
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
