//! Part of SRTP.
