//! Events of the journal in words a recorder uses.

use signaling::{LeaveReason, Source};

use crate::journal::{ChairReason, Change, Event, SignPurpose, StopReason};

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
        Event::LeaveApproved { person, kind, reason } => {
            ("准假", format!("{}：{kind} {reason}", name(*person)))
        }
        Event::Correction { target_seq, change, reason } => {
            let target = target_seq.map_or_else(none, |seq| format!("（更正第{seq}条）"));
            ("更正", format!("{}，事由：{reason}{target}", change_words(change, name)))
        }
        Event::ServerRestart { new_boot } => {
            ("服务恢复", if *new_boot { "服务器重新启动".into() } else { none() })
        }
        Event::Export { format } => ("导出", format.clone()),
        Event::Sealed => ("封存", none()),
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
    }
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
