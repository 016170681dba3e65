use super::super::facts::{Absentee, Attendee, ItemFacts, Tally};
use super::*;
use crate::domain::AttendanceTotals;

/// 2026-11-21 19:00 in Beijing.
const START: i64 = 1_795_258_800_000_000;
const MINUTE: i64 = 60_000_000;

fn facts(kind: MeetingKind) -> Facts {
    let person = |name: &str, mode, note| Attendee { name: name.into(), mode, voter: true, note };
    Facts {
        session: uuid::Uuid::from_u128(7).into(),
        kind,
        title: "第四季度支部党员大会".into(),
        org_name: "第一党支部".into(),
        official: Some((START, START + 90 * MINUTE)),
        official_s: 80 * 60,
        auto_closed: false,
        sites: vec!["甲会议室".into()],
        chairs: vec![("张三".into(), START), ("李四".into(), START + 30 * MINUTE)],
        recorder: Some("王五".into()),
        totals: AttendanceTotals {
            due: 6,
            present: 4,
            voters_due: 5,
            voters_present: 4,
            leave: 1,
            absent: 1,
            observers: 1,
            rate_permille: 666,
            ..AttendanceTotals::default()
        },
        present: vec![
            person("张三", Mode::OnSite, ""),
            person("李四", Mode::Online, ""),
            person("王五", Mode::Online, "迟到"),
            person("赵六", Mode::OnSite, ""),
        ],
        absent: vec![
            Absentee { name: "钱七".into(), reason: Some("请假（因公：出差）".into()) },
            Absentee { name: "孙八".into(), reason: None },
        ],
        exempt: vec![],
        observers: vec![("督导员".into(), "区委组织部".into(), Mode::Online)],
        agenda: vec![
            ItemFacts {
                title: "学习党章".into(),
                spans: vec![(START, START + 30 * MINUTE)],
                speeches: vec![Speech { name: "张三".into(), seconds: 600 }],
            },
            ItemFacts { title: "讨论".into(), ..ItemFacts::default() },
        ],
        outside: vec![],
        shown: vec![("李四".into(), START + MINUTE, START + 20 * MINUTE)],
        resolutions: vec![],
        recording: vec![(START, Some(START + 90 * MINUTE))],
        unrecorded: vec!["赵六".into()],
        signed: Some((42, "ab".repeat(32))),
    }
}

fn body<'a>(minutes: &'a Minutes, key: &str) -> &'a str {
    &minutes.section(key).unwrap_or_else(|| panic!("no section {key}")).body
}

#[test]
fn a_draft_tells_what_the_journal_knows() {
    let draft = draft(&facts(MeetingKind::BranchAssembly));
    let expected = [
        ("name", "第一党支部第四季度支部党员大会"),
        ("kind", "支部党员大会"),
        ("time", "2026年11月21日19:00至20:30（其中休会10分钟）"),
        ("place", "甲会议室；线上（会议编号00000000-0000-0000-0000-000000000007）"),
        ("chair", "张三（19:00起），李四（19:30起）"),
        ("recorder", "王五"),
        (
            "counts",
            "应到6人，实到4人，到会率66.6%；有表决权的应到5人，实到4人；请假1人，缺席1人；列席1人",
        ),
        ("present", "现场2人：张三、赵六\n线上2人：李四、王五（迟到）"),
        ("absent", "钱七：请假（因公：出差）\n孙八：未请假，原因待补充"),
        ("observers", "督导员（区委组织部，线上）"),
        ("agenda", "1. 学习党章\n2. 讨论"),
        ("item.1", "时间：19:00—19:30\n发言：张三（10分钟）\n发言要点："),
        ("item.2", "发言要点："),
        ("documents", "李四共享屏幕：19:01—19:20"),
        ("resolution", ""),
        ("recording", "全程录音录像：19:00—20:30。赵六不同意录制，其音视频未录入"),
    ];
    for (key, text) in expected {
        assert_eq!(body(&draft, key), text, "{key}");
    }
    assert!(body(&draft, "integrity").starts_with("散会时日志共42条"));
    assert_eq!(draft.missing(), ["决议及表决结果"]);
}

#[test]
fn every_kind_has_its_own_sections_and_says_what_belongs_there() {
    for kind in MeetingKind::ALL {
        let draft = draft(&facts(*kind));
        let keys: Vec<&str> = draft.sections.iter().map(|s| s.key.as_str()).collect();
        let mut unique = keys.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), keys.len(), "{kind:?}: a key stands twice");
        for (key, _, hint_of) in own(*kind) {
            assert_eq!(body(&draft, key), "");
            assert_eq!(hint(*kind, key), Some(*hint_of));
        }
        assert_eq!(draft.sections.iter().filter(|s| s.locked).count(), 5, "{kind:?}");
    }
}

#[test]
fn a_resolution_of_admission_has_all_its_parts() {
    let mut facts = facts(MeetingKind::AdmitProbationary);
    let blank = draft(&facts);
    for part in [
        "关于接收＿＿＿同志为预备党员的决议",
        "第一党支部于2026年11月21日召开",
        "（总体评价）",
        "支部共有党员6名，其中有表决权的5名；到会有表决权的4名",
        "赞成＿＿票",
        "支部书记：＿＿＿",
    ] {
        assert!(body(&blank, "resolution").contains(part), "{part}");
    }
    let tally =
        Tally { due_voters: 5, present_voters: 4, votes_for: 4, written: 1, ..Tally::default() };
    facts.resolutions = vec![Resolution {
        title: "接收周九为预备党员".into(),
        method: "无记名投票".into(),
        person: Some("周九".into()),
        tally: Some(tally),
        lines: vec![],
        passed: Some(true),
    }];
    let filled = draft(&facts);
    for part in [
        "关于接收周九同志为预备党员的决议",
        "赞成4票，反对0票，弃权0票（其中书面意见1份）",
        "大会决定，同意接收周九同志为中共预备党员。",
        "结论：通过",
    ] {
        assert!(body(&filled, "resolution").contains(part), "{part}");
    }
    facts.kind = MeetingKind::ConvertProbationary;
    facts.resolutions[0].passed = Some(false);
    let text = body(&draft(&facts), "resolution").to_owned();
    assert!(text.contains("关于周九同志按期转为正式党员的决议"), "{text}");
    assert!(text.contains("大会未通过周九同志按期转为中共正式党员"), "{text}");
}

#[test]
fn a_meeting_that_was_never_declared_open_says_so() {
    let mut facts = facts(MeetingKind::GroupMeeting);
    (facts.official, facts.chairs, facts.agenda) = (None, vec![], vec![]);
    (facts.recording, facts.signed, facts.sites) = (vec![], None, vec![]);
    let draft = draft(&facts);
    assert_eq!(body(&draft, "time"), "未宣布开会");
    assert_eq!(body(&draft, "recording"), "未录制");
    assert!(body(&draft, "place").starts_with("线上"));
}
