//! RTP and RTCP as bytes: views that copy nothing and never panic on what a peer sends.
//!
//! Nothing here keeps state; what is remembered between packets lives in `sfu` and `bwe`.

pub mod av1;
pub mod dd;
pub mod ext;
pub mod h264;
pub mod keyframe;
pub mod packet;
pub mod red;
pub mod rtcp;
pub mod rtcp_write;
pub mod seq;
pub mod vp8;
pub mod vp9;
