//! The FFmpeg libraries are linked into this program; what they can do depends on the build.

use super::finding::{Finding, Subject, say};

const WORKER: Subject = Subject("ffmpeg", "录像合成", "Rendering");

pub fn examine() -> Finding {
    judge(&media_worker::health::version(), &media_worker::health::missing_codecs())
}

fn judge(version: &str, missing: &[&str]) -> Finding {
    if missing.is_empty() {
        return WORKER.good(say(
            format!("FFmpeg libavcodec {version}，所需编解码器齐全"),
            format!("FFmpeg libavcodec {version} with all codecs that are needed"),
        ));
    }
    let list = missing.join(" ");
    WORKER.bad(
        say(format!("FFmpeg {version} 缺少 {list}"), format!("FFmpeg {version} lacks {list}")),
        say(
            "会议照常录制，但不能生成录像；请安装带 x264 的 FFmpeg 库后重新检查",
            "meetings are captured but not rendered; install FFmpeg libraries with x264",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(judge("62.1.0", &[]).level, Level::Good);
        let finding = judge("62.1.0", &["libx264", "AV1"]);
        assert_eq!(finding.level, Level::Bad);
        assert!(finding.found.zh.ends_with("libx264 AV1"));
    }
}
