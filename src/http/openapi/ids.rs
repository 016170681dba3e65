//! Schemas of ids and of words that pure code owns.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::operation::{uuid, words};
use crate::domain::{
    AccountId, LeaveKind, MeetingKind, OrgId, OrgKind, OrgRole, PersonId, Post, SessionId, SiteId,
};

macro_rules! ids {
    ($($id:ident),* $(,)?) => {$(
        impl PartialSchema for $id {
            fn schema() -> RefOr<Schema> {
                uuid()
            }
        }

        impl ToSchema for $id {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($id))
            }
        }
    )*};
}

ids!(AccountId, OrgId, PersonId, SessionId, SiteId);

impl PartialSchema for MeetingKind {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.iter().map(|kind| kind.id()))
    }
}

impl ToSchema for MeetingKind {}

impl PartialSchema for LeaveKind {
    fn schema() -> RefOr<Schema> {
        words(["official", "illness", "other"])
    }
}

impl ToSchema for LeaveKind {}

impl PartialSchema for OrgRole {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.iter().map(|role| role.id()))
    }
}

impl ToSchema for OrgRole {}

impl PartialSchema for OrgKind {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.iter().map(|kind| kind.id()))
    }
}

impl ToSchema for OrgKind {}

impl PartialSchema for Post {
    fn schema() -> RefOr<Schema> {
        words(Self::ALL.iter().map(|post| post.id()))
    }
}

impl ToSchema for Post {}
