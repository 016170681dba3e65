//! 请假: what is asked and what was decided (`domain.md` §3.5).

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($kind:ident = $id:literal, $word:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $(#[doc = $word] $kind,)* }

        impl $name {
            /// The stable id in the database and in answers.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$kind => $id,)* }
            }

            /// The Chinese word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            pub fn from_id(id: &str) -> Option<Self> {
                match id { $($id => Some(Self::$kind),)* _ => None }
            }
        }
    };
}

words! {
    LeaveKind {
        Official = "official", "因公";
        Illness = "illness", "因病";
        Other = "other", "其他";
    }
}

words! {
    LeaveState {
        Asked = "asked", "待批准";
        Granted = "granted", "已准假";
        Denied = "denied", "未准假";
        Withdrawn = "withdrawn", "已撤回";
    }
}

words! {
    /// How somebody stands who is not on the frozen roster, or not any more.
    Standing {
        Member = "member", "补入名册";
        Observer = "observer", "列席";
        Out = "out", "移出名册";
    }
}
