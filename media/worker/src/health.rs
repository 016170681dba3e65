//! What the linked FFmpeg can do, for `yuntang doctor`.

use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::Id;

/// The linked libavcodec's version, e.g. `62.11.100`.
pub fn version() -> String {
    let version = ffmpeg::codec::version();
    format!("{}.{}.{}", version >> 16, version >> 8 & 0xff, version & 0xff)
}

/// Encoders and decoders that rendering needs and the linked FFmpeg does not have.
pub fn missing_codecs() -> Vec<&'static str> {
    let encoders = [
        ("libx264", ffmpeg::encoder::find_by_name("libx264").is_some()),
        ("AAC", ffmpeg::encoder::find(Id::AAC).is_some()),
        ("MJPEG", ffmpeg::encoder::find(Id::MJPEG).is_some()),
    ];
    let decoders = [
        ("Opus", Id::OPUS),
        ("VP8", Id::VP8),
        ("VP9", Id::VP9),
        ("H.264", Id::H264),
        ("AV1", Id::AV1),
    ]
    .map(|(name, id)| (name, ffmpeg::decoder::find(id).is_some()));
    encoders.into_iter().chain(decoders).filter(|(_, there)| !there).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_build_has_all_that_rendering_needs() {
        assert_eq!(super::missing_codecs(), Vec::<&str>::new());
        assert_eq!(super::version().split('.').count(), 3);
    }
}
