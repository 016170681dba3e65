//! Who may do what: keys, join tokens, passwords, sign-ins and the one policy function.
//!
//! Nothing here decides twice: every HTTP route and the websocket's join ask [`policy::allow`].

pub mod checkin;
pub mod join_token;
pub mod keys;
pub mod password;
pub mod policy;
pub mod role;
pub mod sign_in;
pub mod signer;
pub mod stream_token;
pub mod throttle;
pub mod turn;

pub use checkin::CheckinKey;
pub use join_token::{JoinClaims, JoinTokens, SiteClaims};
pub use keys::{InstallationKey, KeyError};
pub use role::Grant;
pub use sign_in::{SignInError, SignIns, SignedIn};
pub use signer::TokenError;
pub use stream_token::{StreamClaims, StreamKind, StreamTokens};
pub use turn::{Relays, TurnKey};
