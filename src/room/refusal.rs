//! Refusals in the words a member understands.

use signaling::{ErrorCode, WireError};

fn refuse(code: ErrorCode, message: &str) -> WireError {
    WireError::new(code, message)
}

pub(super) fn not_chair() -> WireError {
    refuse(ErrorCode::NotChair, "只有主持人可以进行这项操作")
}

pub(super) fn not_chair_or_recorder() -> WireError {
    refuse(ErrorCode::NotChair, "只有主持人或记录人可以进行这项操作")
}

pub(super) fn observers_only_watch() -> WireError {
    refuse(ErrorCode::Forbidden, "列席人员不发言、不共享画面，只旁听会议")
}

pub(super) fn other_device_publishes() -> WireError {
    refuse(ErrorCode::Conflict, "您已在另一台设备上发言，请在那台设备上操作")
}

pub(super) fn no_such_participant() -> WireError {
    refuse(ErrorCode::NotFound, "此人已不在会场")
}

pub(super) fn cannot_preside() -> WireError {
    refuse(ErrorCode::Validation, "只能交给在会场的正式党员主持")
}

pub(super) fn cannot_take_over() -> WireError {
    refuse(ErrorCode::Forbidden, "现在不能接任主持：主持人在场，或应由他人接任")
}

pub(super) fn removed() -> WireError {
    refuse(ErrorCode::Forbidden, "主持人已请您离开会场，五分钟后可重新进入，或请联系主持人")
}

pub(super) fn cannot_remove() -> WireError {
    refuse(ErrorCode::Forbidden, "不能请主持人本人或列席的上级离开会场")
}

pub(super) fn sites_do_not_speak() -> WireError {
    refuse(ErrorCode::Forbidden, "会场设备不代表个人发言、举手，请由会场内的同志用自己的手机操作")
}

/// A17
pub(super) fn code_invalid() -> WireError {
    refuse(ErrorCode::Conflict, "二维码已失效，请扫描会场屏幕上的新二维码")
}

pub(super) fn code_used() -> WireError {
    refuse(ErrorCode::Conflict, "二维码已失效：您已用它签到过。如需再次签到，请扫描新的二维码")
}

pub(super) fn not_on_roster() -> WireError {
    refuse(ErrorCode::Forbidden, "您不在本次会议的名册内，不能签到，请联系记录人")
}

pub(super) fn too_many_sites() -> WireError {
    refuse(ErrorCode::Overloaded, "本次会议的会场已达上限，请联系主持人")
}

pub(super) fn no_such_site() -> WireError {
    refuse(ErrorCode::NotFound, "没有这个会场，请刷新页面")
}

pub(super) fn no_such_member() -> WireError {
    refuse(ErrorCode::NotFound, "此人不在本次会议的名册内")
}

pub(super) fn reason_wanted() -> WireError {
    refuse(ErrorCode::Validation, "请写明事由（200字以内），例如：无手机")
}

pub(super) fn checked_in_already() -> WireError {
    refuse(ErrorCode::Conflict, "此人已在这个会场签到")
}

pub(super) fn not_checked_in() -> WireError {
    refuse(ErrorCode::Conflict, "此人没有需要处理的会场签到")
}

pub(super) fn bad_window() -> WireError {
    refuse(ErrorCode::Validation, "点名应答时间须为60至120秒；随机点名最多10次、8小时以内")
}

pub(super) fn is_paused() -> WireError {
    refuse(ErrorCode::Conflict, "正在休会，请继续开会后再操作")
}

pub(super) fn rollcall_runs() -> WireError {
    refuse(ErrorCode::Conflict, "上一次点名尚未结束")
}

pub(super) fn rollcall_over() -> WireError {
    refuse(ErrorCode::Conflict, "这次点名已经结束")
}

pub(super) fn not_asked() -> WireError {
    refuse(ErrorCode::Conflict, "这次点名开始时此人不在会场，不必应答")
}

pub(super) fn on_roster_already() -> WireError {
    refuse(ErrorCode::Conflict, "此人已在本次会议的名册内")
}

pub(super) fn not_admitted() -> WireError {
    refuse(ErrorCode::Forbidden, "主持人没有同意您进入，请联系主持人")
}

pub(super) fn door_is_full() -> WireError {
    refuse(ErrorCode::Overloaded, "等候进入的人太多，请联系主持人")
}

pub(super) fn nobody_waits() -> WireError {
    refuse(ErrorCode::Conflict, "此人没有在等候，可能已经处理")
}

pub(super) fn already_declared() -> WireError {
    refuse(ErrorCode::Conflict, "已经宣布开会")
}

pub(super) fn not_declared() -> WireError {
    refuse(ErrorCode::Conflict, "尚未宣布开会")
}

pub(super) fn no_such_item() -> WireError {
    refuse(ErrorCode::Validation, "没有这项议题")
}

pub(super) fn bad_chat() -> WireError {
    refuse(ErrorCode::Validation, "消息不能为空，也不能超过2000字")
}

pub(super) fn bad_offer() -> WireError {
    refuse(ErrorCode::BadRequest, "音视频请求的内容不正确，请刷新页面")
}

pub(super) fn bad_view() -> WireError {
    refuse(ErrorCode::BadRequest, "画面请求的内容不正确，请刷新页面")
}

pub(super) fn not_recording() -> WireError {
    refuse(ErrorCode::Conflict, "现在没有在录制")
}

pub(super) fn database_away() -> WireError {
    let message = "数据库暂不可用，暂停表决，请稍后再试";
    WireError { retry_after_ms: Some(5_000), ..refuse(ErrorCode::StorageUnavailable, message) }
}

pub(super) fn ended() -> WireError {
    refuse(ErrorCode::SessionEnded, "会议已经散会，可在回放页查看")
}

pub(super) fn closed_empty() -> WireError {
    refuse(ErrorCode::SessionEnded, "会场超过30分钟无人，系统已结束会议")
}
