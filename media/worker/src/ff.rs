//! The few places where ffmpeg-next has no safe call: fields of C structures.

use ffmpeg_next::{Error, codec, ffi, format, media};

/// What a container must know of a stream that is copied into it.
pub struct StreamShape<'a> {
    pub id: codec::Id,
    /// Of video.
    pub size: (u32, u32),
    /// Of audio; 48 kHz.
    pub channels: i32,
    pub extradata: &'a [u8],
}

/// Parameters for a stream without encoder.
pub fn parameters(shape: &StreamShape<'_>) -> codec::Parameters {
    let mut parameters = codec::Parameters::new();
    let audio = shape.channels > 0;
    parameters.set_medium(if audio { media::Type::Audio } else { media::Type::Video });
    parameters.set_id(shape.id);
    // SAFETY: `parameters` owns a live AVCodecParameters; extradata is allocated by av_mallocz
    // with the padding that libavcodec reads beyond its end, and freed with the parameters.
    unsafe {
        let raw = &mut *parameters.as_mut_ptr();
        if audio {
            raw.sample_rate = 48_000;
            raw.frame_size = 960;
            ffi::av_channel_layout_default(&mut raw.ch_layout, shape.channels);
        } else {
            raw.width = shape.size.0 as i32;
            raw.height = shape.size.1 as i32;
        }
        if !shape.extradata.is_empty() {
            let room = shape.extradata.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
            let copy = ffi::av_mallocz(room).cast::<u8>();
            if !copy.is_null() {
                std::ptr::copy_nonoverlapping(
                    shape.extradata.as_ptr(),
                    copy,
                    shape.extradata.len(),
                );
                raw.extradata = copy;
                raw.extradata_size = shape.extradata.len() as i32;
            }
        }
    }
    parameters
}

/// Lets the muxer choose its own tag for the codec of stream `index`.
pub fn clear_codec_tag(output: &mut format::context::Output, index: usize) {
    if let Some(mut stream) = output.stream_mut(index) {
        // SAFETY: the stream belongs to the live output; codecpar is never null in it.
        unsafe {
            (*(*stream.as_mut_ptr()).codecpar).codec_tag = 0;
        }
    }
}

/// Flushes and asks whether any write failed: the destructor would not say.
pub fn flush(output: &mut format::context::Output) -> Result<(), Error> {
    // SAFETY: pb is null or the open AVIOContext of this live output.
    unsafe {
        let pb = (*output.as_mut_ptr()).pb;
        if pb.is_null() {
            return Ok(());
        }
        ffi::avio_flush(pb);
        match (*pb).error {
            error if error < 0 => Err(Error::from(error)),
            _ => Ok(()),
        }
    }
}

/// WebRTC video is BT.601 of limited range; said so, players do not guess BT.709 from the size.
pub fn tag_bt601(encoder: &mut codec::Context) {
    // SAFETY: plain fields of a live context that is not open yet.
    unsafe {
        let raw = &mut *encoder.as_mut_ptr();
        raw.colorspace = ffi::AVColorSpace::AVCOL_SPC_SMPTE170M;
        raw.color_primaries = ffi::AVColorPrimaries::AVCOL_PRI_SMPTE170M;
        raw.color_trc = ffi::AVColorTransferCharacteristic::AVCOL_TRC_SMPTE170M;
        raw.color_range = ffi::AVColorRange::AVCOL_RANGE_MPEG;
    }
}
