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
