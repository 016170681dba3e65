//! From the text of one frame to a [`ClientMessage`], refusing early what could cost much.
//!
//! Size and depth are checked on the raw text, before anything is allocated for it. A request
//! whose envelope is sound but whose content is not is refused *with its id*, so that the client
//! can show the error where it belongs; anything less is a broken client and ends the line.

use serde_json::Value;

use crate::error::{ErrorCode, WireError};
use crate::limits::{MAX_DEPTH, MAX_FRAME_BYTES};
use crate::message::{ClientMessage, Request};

/// Why a frame was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// The envelope is broken: there is no id to answer to.
    Unanswerable(WireError),
    /// The request with this id is refused.
    Request { id: u32, error: WireError },
}

const METHODS: &[&str] = &[
    "hello",
    "offer",
    "media_state",
    "view",
    "chat",
    "hand",
    "declare_open",
    "declare_close",
    "agenda",
    "hand_over",
    "take_over",
    "mute",
    "lower_hand",
    "remove",
    "recording_pause",
    "ballot_open",
    "ballot_vote",
    "ballot_vote_for",
    "ballot_count",
    "ballot_paper",
    "ballot_token",
    "ballot_start",
    "ballot_close",
    "ballot_withdraw",
    "ballot_approval",
    "ballot_opinion",
    "pause",
    "rollcall_open",
    "rollcall_plan",
    "rollcall_answer",
    "rollcall_mark",
    "check_in",
    "check_in_decide",
    "check_out",
    "leave",
];

/// Reads one text frame.
///
/// # Errors
/// [`FrameError`]; it never panics, whatever the text.
pub fn decode(text: &str) -> Result<ClientMessage, FrameError> {
    if text.len() > MAX_FRAME_BYTES {
        return Err(unanswerable(ErrorCode::TooLarge, "消息过大，连接已关闭，请刷新页面"));
    }
    if depth_exceeds(text.as_bytes(), MAX_DEPTH) {
        return Err(unanswerable(ErrorCode::TooDeep, "消息结构过深，连接已关闭，请刷新页面"));
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|_| unanswerable(ErrorCode::BadRequest, "消息无法识别，请刷新页面"))?;
    match value.get("type").and_then(Value::as_str) {
        Some("request") => {}
        Some("pong") => {
            return serde_json::from_value(value)
                .map_err(|_| unanswerable(ErrorCode::BadRequest, "消息无法识别，请刷新页面"));
        }
        _ => return Err(unanswerable(ErrorCode::BadRequest, "消息无法识别，请刷新页面")),
    }
    let id = value
        .get("id")
        .and_then(Value::as_u64)
        .and_then(|id| u32::try_from(id).ok())
        .ok_or_else(|| unanswerable(ErrorCode::BadRequest, "消息缺少编号，请刷新页面"))?;
    let refused = |message: &str| FrameError::Request {
        id,
        error: WireError::new(ErrorCode::BadRequest, message),
    };
    let Value::Object(mut envelope) = value else {
        return Err(unanswerable(ErrorCode::BadRequest, "消息无法识别，请刷新页面"));
    };
    let request = envelope.remove("request").unwrap_or(Value::Null);
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    if !METHODS.contains(&method) {
        return Err(refused("服务器不认识这项操作，请刷新页面后再试"));
    }
    let request: Request = serde_json::from_value(request)
        .map_err(|_| refused("这项操作的内容不完整，请刷新页面后再试"))?;
    Ok(ClientMessage::Request { id, request })
}

/// One outgoing frame. Our own message types hold only strings, integers, lists and structs with
/// string keys, all of which serde_json can always write.
pub(crate) fn encode<T: serde::Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect("wire types are plain data")
}

fn unanswerable(code: ErrorCode, message: &str) -> FrameError {
    FrameError::Unanswerable(WireError::new(code, message))
}

/// True when brackets outside of strings nest deeper than `limit`. Works on bytes: in UTF-8 no
/// part of a longer character equals an ASCII quote, backslash or bracket.
fn depth_exceeds(text: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(error: FrameError) -> (Option<u32>, ErrorCode) {
        match error {
            FrameError::Unanswerable(error) => (None, error.code),
            FrameError::Request { id, error } => (Some(id), error.code),
        }
    }

    #[test]
    fn unknown_method_is_refused_with_the_id_of_the_request() {
        let frame = r#"{"type":"request","id":9,"request":{"method":"dance"}}"#;
        assert_eq!(code(decode(frame).unwrap_err()), (Some(9), ErrorCode::BadRequest));
    }

    #[test]
    fn missing_field_is_refused_with_the_id_of_the_request() {
        let frame = r#"{"type":"request","id":9,"request":{"method":"chat"}}"#;
        assert_eq!(code(decode(frame).unwrap_err()), (Some(9), ErrorCode::BadRequest));
    }

    #[test]
    fn every_listed_method_is_known_to_the_types() {
        let samples = [
            r#"{"method":"hello","version":1,"token":"t","consent":true,"device":"phone"}"#,
            r#"{"method":"offer","sdp":"v=0","publications":[{"mid":"0","source":"camera"}]}"#,
            r#"{"method":"media_state","source":"microphone","on":true}"#,
            r#"{"method":"view","tracks":[{"participant":"p","source":"camera","width":640,"height":360,"visible":true,"priority":1}]}"#,
            r#"{"method":"chat","text":"好"}"#,
            r#"{"method":"hand","raised":true}"#,
            r#"{"method":"declare_open"}"#,
            r#"{"method":"declare_close"}"#,
            r#"{"method":"agenda","index":2}"#,
            r#"{"method":"hand_over","participant":"p"}"#,
            r#"{"method":"take_over"}"#,
            r#"{"method":"mute","participant":"p","source":"screen_audio"}"#,
            r#"{"method":"lower_hand","participant":"p"}"#,
            r#"{"method":"remove","participant":"p"}"#,
            r#"{"method":"recording_pause","paused":true}"#,
            r#"{"method":"ballot_open","matter":{"kind":"branch_assembly","text":"决议","method":"hand"}}"#,
            r#"{"method":"ballot_vote","ballot":"b","choice":"for"}"#,
            r#"{"method":"ballot_vote_for","ballot":"b","participant":"p","choice":"against"}"#,
            r#"{"method":"ballot_count","ballot":"b","count":{"for":3,"against":0,"abstain":1}}"#,
            r#"{"method":"ballot_paper","ballot":"b","paper":{"issued":3,"returned":3,"invalid":0}}"#,
            r#"{"method":"ballot_token","ballot":"b","blinded":"AA=="}"#,
            r#"{"method":"ballot_start","ballot":"b"}"#,
            r#"{"method":"ballot_close","ballot":"b"}"#,
            r#"{"method":"ballot_withdraw","ballot":"b","reason":"写错"}"#,
            r#"{"method":"ballot_approval","approval":{"organisation":"党委","approver":"书记","document":"1号","approved_on":"2026-11-20"}}"#,
            r#"{"method":"ballot_opinion","opinion":{"participant":"p","kind":"admit_probationary","applicant":"张三","choice":"for","received_on":"2026-11-20"}}"#,
            r#"{"method":"pause","paused":true}"#,
            r#"{"method":"rollcall_open","window_s":60}"#,
            r#"{"method":"rollcall_plan","times":2,"within_min":60,"window_s":90}"#,
            r#"{"method":"rollcall_answer","rollcall":1}"#,
            r#"{"method":"rollcall_mark","participant":"p"}"#,
            r#"{"method":"check_in","participant":"p","site":"s","reason":"无手机"}"#,
            r#"{"method":"check_in_decide","participant":"p","accepted":true}"#,
            r#"{"method":"check_out","participant":"p"}"#,
            r#"{"method":"leave"}"#,
        ];
        assert_eq!(samples.len(), METHODS.len());
        for (sample, method) in samples.iter().zip(METHODS) {
            let frame = format!(r#"{{"type":"request","id":1,"request":{sample}}}"#);
            let ClientMessage::Request { request, .. } = decode(&frame).expect(method) else {
                panic!("{method} is a request");
            };
            let written = serde_json::to_value(&request).expect("plain data");
            assert_eq!(written["method"], *method);
        }
    }

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        let nested = |n: usize| {
            format!(
                r#"{{"type":"request","id":1,"request":{{"method":"leave","x":{}{}}}}}"#,
                "[".repeat(n),
                "]".repeat(n)
            )
        };
        assert!(decode(&nested(MAX_DEPTH - 2)).is_ok());
        assert_eq!(code(decode(&nested(MAX_DEPTH - 1)).unwrap_err()), (None, ErrorCode::TooDeep));
        let brackets = format!(
            r#"{{"type":"request","id":1,"request":{{"method":"chat","text":"\"{}"}}}}"#,
            "[".repeat(500)
        );
        assert!(decode(&brackets).is_ok());
    }

    #[test]
    fn frame_over_the_size_limit_is_refused_unread() {
        let frame = " ".repeat(MAX_FRAME_BYTES + 1);
        assert_eq!(code(decode(&frame).unwrap_err()), (None, ErrorCode::TooLarge));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let _ = decode(&text);
        }

        #[test]
        fn no_mutilated_request_makes_the_reader_panic(
            at in 0usize..120, byte in any::<u8>(), cut in 0usize..140,
        ) {
            let sample = r#"{"type":"request","id":3,"request":{"method":"media_state","source":"camera","on":false,"x":[1,{"y":null}]}}"#;
            let mut bytes = sample.as_bytes().to_vec();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            bytes.truncate(cut);
            let _ = decode(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn requests_survive_the_round_trip(id in any::<u32>(), text in any::<String>(), index in any::<u32>(), raised in any::<bool>()) {
            for request in [
                Request::Chat { text: text.clone() },
                Request::Agenda { index },
                Request::Hand { raised },
                Request::Remove { participant: text.clone() },
            ] {
                let message = ClientMessage::Request { id, request };
                let written = encode(&message);
                if written.len() <= MAX_FRAME_BYTES {
                    prop_assert_eq!(decode(&written), Ok(message));
                }
            }
        }
    }
}
