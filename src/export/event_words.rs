//! Events of the journal in words a recorder uses.

use signaling::{LeaveReason, Source};

use crate::journal::{ChairReason, Change, CheckinMethod, Event, SignPurpose, StopReason};

/// What happened and the particulars; `name` tells a person's name by id.
pub(super) fn words(
    event: &Event,
    name: impl Fn(crate::domain::PersonId) -> String,
) -> (&'static str, String) {
    let none = String::new;
    match event {
        Event::SessionOpened => ("会场开放", none()),
        Event::RosterFrozen { due, voters } => {
            ("名册冻结", format!("应到{due}人，有表决权{voters}人"))
        }
        Event::Join { person, device, .. } => {
            ("入会", format!("{}（{}）", name(*person), device_word(device)))
        }
        Event::Rejoin { person, device, .. } => {
            ("重新入会", format!("{}（{}）", name(*person), device_word(device)))
        }
        Event::Leave { person, reason, .. } => {
            ("离会", format!("{}（{}）", name(*person), reason_word(*reason)))
        }
        Event::ObserverEnter { person, org_name, .. } => {
            ("列席进入", format!("{}（{org_name}）", name(*person)))
        }
        Event::ObserverExit { person, reason, .. } => {
            ("列席离开", format!("{}（{}）", name(*person), reason_word(*reason)))
        }
        Event::Checkpoint { present } => ("在线核对", format!("{}个终端在线", present.len())),
        Event::DeclaredOpen => ("宣布开会", none()),
        Event::DeclaredClosed { auto } => {
            ("散会", if *auto { "长时间无人，系统自动结束".into() } else { none() })
        }
        Event::Paused => ("休会", none()),
        Event::Resumed => ("继续开会", none()),
        Event::MediaState { person, source, on, .. } => {
            let switch = if *on { "开" } else { "关" };
            ("音视频", format!("{}：{}{switch}", name(*person), source_word(*source)))
        }
        Event::Hand { person, raised } => (if *raised { "举手" } else { "放下手" }, name(*person)),
        Event::Chat { digest, .. } => ("聊天", format!("摘要 {digest}")),
        Event::Chair { person, reason } => {
            let who = person.map_or_else(none, name);
            let how = match reason {
                ChairReason::Opened => "开始主持",
                ChairReason::HandOver => "移交",
                ChairReason::TakeOver => "接替",
                ChairReason::Lost => "主持人离线",
                ChairReason::Returned => "主持人返回",
            };
            ("主持人", if who.is_empty() { how.into() } else { format!("{who}（{how}）") })
        }
        Event::Agenda { index } => ("议题", format!("第{}项", u64::from(*index) + 1)),
        Event::RecordingStart => ("录制开始", none()),
        Event::RecordingPause => ("录制暂停", none()),
        Event::RecordingResume => ("录制继续", none()),
        Event::RecordingStop { reason } => (
            "录制结束",
            match reason {
                StopReason::Closed => none(),
                StopReason::Failed => "写入失败".into(),
            },
        ),
        Event::Consent { person, accepted } => {
            let answer = if *accepted { "同意录制" } else { "不同意录制" };
            ("录制告知", format!("{}：{answer}", name(*person)))
        }
        Event::Muted { person, source } => {
            ("主持人关闭", format!("{}：{}", name(*person), source_word(*source)))
        }
        Event::Kick { person } => ("请出会场", name(*person)),
        Event::SiteEnter { name, expected, .. } => {
            let expected = expected.map_or_else(none, |n| format!("（预计{n}人）"));
            ("会场接入", format!("{name}{expected}"))
        }
        Event::SiteExit { reason, .. } => ("会场断开", reason_word(*reason).into()),
        Event::RoomCheckin { person, method, reason, confirmed, .. } => {
            let how = match method {
                CheckinMethod::Qr => "扫码",
                CheckinMethod::List => "列表",
                CheckinMethod::Card => "刷卡",
            };
            let why = reason.as_ref().map_or_else(none, |reason| format!("，事由：{reason}"));
            let waits = if *confirmed { "" } else { "，待主持人确认" };
            ("会场签到", format!("{}（{how}{why}{waits}）", name(*person)))
        }
        Event::RoomCheckout { person, .. } => ("会场签退", name(*person)),
        Event::CheckinDecided { person, accepted, .. } => {
            (if *accepted { "签到确认" } else { "签到不予确认" }, name(*person))
        }
        Event::RollcallPlanned { times, within_s, window_s } => {
            ("点名安排", format!("{}分钟内随机{times}次，每次{window_s}秒", within_s / 60))
        }
        Event::RollcallOpened { rollcall, auto, window_s, asked } => {
            let how = if *auto { "随机" } else { "人工" };
            ("点名", format!("第{rollcall}次（{how}），{}人，{window_s}秒", asked.len()))
        }
        Event::RollcallAnswered { rollcall, person } => {
            ("点名应答", format!("第{rollcall}次：{}", name(*person)))
        }
        Event::RollcallExpired { rollcall, unanswered } => {
            ("点名结束", format!("第{rollcall}次，{}人未应答", unanswered.len()))
        }
        Event::LeaveRequested { person, kind, reason } => {
            ("请假申请", format!("{}：{kind} {reason}", name(*person)))
        }
        Event::LeaveApproved { person, kind, reason, late, .. } => {
            let late = if *late { "（事后补假）" } else { "" };
            ("准假", format!("{}：{kind} {reason}{late}", name(*person)))
        }
        Event::LeaveDenied { person, reason } => {
            ("不予准假", format!("{}：{reason}", name(*person)))
        }
        Event::Knock { person, org_name, .. } => {
            ("请求入会", format!("{}（{org_name}）", name(*person)))
        }
        Event::KnockAnswered { person, admitted } => {
            (if *admitted { "准予入会" } else { "未准入会" }, name(*person))
        }
        Event::RulesFrozen { version, digest, .. } => {
            ("规则冻结", format!("第{version}版，摘要 {digest}"))
        }
        Event::BallotApproval { .. }
        | Event::BallotOpinion { .. }
        | Event::BallotRefused(_)
        | Event::BallotSnapshot(_)
        | Event::BallotToken { .. }
        | Event::BallotStarted { .. }
        | Event::BallotCast { .. }
        | Event::BallotCounted { .. }
        | Event::BallotPaper { .. }
        | Event::BallotClosed(_)
        | Event::BallotWithdrawn { .. } => super::ballot_words::words(event, name),
        Event::Correction { target_seq, change, reason } => {
            let target = target_seq.map_or_else(none, |seq| format!("（更正第{seq}条）"));
            ("更正", format!("{}，事由：{reason}{target}", change_words(change, name)))
        }
        Event::ServerRestart { new_boot } => {
            ("服务恢复", if *new_boot { "服务器重新启动".into() } else { none() })
        }
        Event::Export { format } => ("导出", format.clone()),
        Event::Sealed => ("封存", none()),
        Event::Spoke { person, .. } => ("发言", name(*person)),
        Event::MinutesSaved { digest, .. } => ("会议记录保存", format!("摘要 {digest}")),
        Event::MinutesSubmitted { name, .. } => ("会议记录提交", format!("{name}签名")),
        Event::MinutesReturned { reason, superior } => {
            ("会议记录退回", format!("{}事由：{reason}", if *superior { "上级退回，" } else { "" }))
        }
        Event::MinutesConfirmed { name, .. } => ("会议记录确认", format!("{name}签名")),
        Event::MinutesObjection { text, .. } => ("会议记录异议", text.clone()),
        Event::MinutesAnswer { text, .. } => ("异议答复", text.clone()),
        Event::MinutesSealed { digest } => ("会议记录封存", format!("摘要 {digest}")),
        Event::MinutesCorrected { section, reason, .. } => {
            ("会议记录更正", format!("{section}，事由：{reason}"))
        }
        Event::HeadSigned { purpose, .. } => (
            "日志签名",
            match purpose {
                SignPurpose::Closed => "散会".into(),
                SignPurpose::Sealed => "封存".into(),
                SignPurpose::Export => "导出".into(),
            },
        ),
        Event::Unknown => ("其他", "由更新的版本写入".into()),
    }
}

pub(super) fn change_words(
    change: &Change,
    name: impl Fn(crate::domain::PersonId) -> String,
) -> String {
    match change {
        Change::RosterAdd { entry } => format!("补入名册：{}", entry.name),
        Change::RosterRemove { person } => format!("移出名册：{}", name(*person)),
        Change::Exempt { person } => format!("不计入：{}", name(*person)),
        Change::Include { person } => format!("恢复计入：{}", name(*person)),
        Change::WasPresent { person, from_mono_us, to_mono_us, .. } => {
            format!("补记在场：{}{}", name(*person), minutes(*from_mono_us, *to_mono_us))
        }
        Change::WasAbsent { person, from_mono_us, to_mono_us } => {
            format!("更正为不在场：{}{}", name(*person), minutes(*from_mono_us, *to_mono_us))
        }
        Change::OnLeave { person, kind, reason } => {
            format!("补假：{}（{kind} {reason}）", name(*person))
        }
        Change::NotOnLeave { person } => format!("撤销请假：{}", name(*person)),
        Change::Unknown => "由更新的版本写入".into(),
    }
}

/// In session time, as the events' own column has it.
fn minutes(from_mono_us: i64, to_mono_us: i64) -> String {
    let s = |us: i64| us / 1_000_000;
    format!("（会场计时{}至{}秒）", s(from_mono_us), s(to_mono_us))
}

fn device_word(device: &str) -> &str {
    match device {
        "phone" => "手机",
        "desktop" => "电脑",
        "site" => "会议室",
        "whip" => "推流设备",
        "whep" => "播放端",
        other => other,
    }
}

const fn reason_word(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::User => "主动离开",
        LeaveReason::Drop => "掉线",
        LeaveReason::Kick => "被请出",
        LeaveReason::Server => "会场关闭",
    }
}

const fn source_word(source: Source) -> &'static str {
    match source {
        Source::Microphone => "麦克风",
        Source::Camera => "摄像头",
        Source::Screen => "共享屏幕",
        Source::ScreenAudio => "共享声音",
    }
}
