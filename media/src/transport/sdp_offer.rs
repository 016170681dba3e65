//! Reading an SDP offer.

use super::sdp::{Offer, SdpError};

/// Parses a client's offer.
pub fn parse_offer(_text: &str) -> Result<Offer, SdpError> {
    Err(SdpError::Unsupported("offers: being built"))
}
