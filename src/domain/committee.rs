//! 支部委员会: seats and terms, and whether a branch has a committee at all.

use serde::{Deserialize, Serialize};

macro_rules! posts {
    ($($post:ident = $id:literal, $word:literal;)*) => {
        /// A post in a committee (支委会, or the leading body of a higher organisation).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Post { $(#[doc = $word] $post,)* }

        impl Post {
            pub const ALL: &'static [Self] = &[$(Self::$post,)*];

            /// The stable id in the database and in answers.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$post => $id,)* }
            }

            pub const fn word(self) -> &'static str {
                match self { $(Self::$post => $word,)* }
            }

            pub fn from_id(id: &str) -> Option<Self> {
                match id { $($id => Some(Self::$post),)* _ => None }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$post),)* _ => None }
            }
        }
    };
}

posts! {
    Secretary = "secretary", "书记";
    DeputySecretary = "deputy_secretary", "副书记";
    Organisation = "organisation", "组织委员";
    Publicity = "publicity", "宣传委员";
    Discipline = "discipline", "纪检委员";
    UnitedFront = "united_front", "统战委员";
    Youth = "youth", "青年委员";
    Masses = "masses", "群工委员";
    Welfare = "welfare", "生活委员";
    Confidentiality = "confidentiality", "保密委员";
    Member = "member", "委员";
}

/// A post with its term; days are `2026-11-22`, local and inclusive, `None` is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Seat {
    pub post: Post,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_on: Option<String>,
}

impl Seat {
    /// Whether the term runs on that day. Days in this form compare as text.
    pub fn is_held_on(&self, day: &str) -> bool {
        self.from_on.as_deref().is_none_or(|from| from <= day)
            && self.until_on.as_deref().is_none_or(|until| day <= until)
    }
}

/// `2026-11-22`, and a day that exists.
pub fn is_day(text: &str) -> bool {
    let parts: Option<Vec<u16>> = text.split('-').map(|p| p.parse().ok()).collect();
    let Some([year, month, day]) = parts.as_deref() else { return false };
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u16::from(leap),
        1..=12 => 31,
        _ => 0,
    };
    text.len() == 10 && digits == 8 && (1900..2200).contains(year) && (1..=length).contains(day)
}

/// From so many full members on a branch elects a committee (`domain.md` §2.1).
pub const COMMITTEE_FROM: u32 = 7;

/// Whether a branch has a 支委会, by its full members and the seats that are held: one that stands
/// in the books, or one that there has to be. Without one the duty of committee meetings is not
/// applicable (V22).
pub const fn has_committee(full_members: u32, seats: u32) -> bool {
    // A branch that elected one and lost members keeps it until the term ends. A 书记 and a 副书记
    // alone are no committee.
    seats >= 3 || full_members >= COMMITTEE_FROM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v22_a_branch_of_six_without_a_committee_owes_no_committee_meetings() {
        assert!(!has_committee(6, 0));
        assert!(!has_committee(6, 2), "书记 and 副书记 are no committee");
        assert!(has_committee(6, 3), "elected when it was larger");
        assert!(has_committee(7, 0), "it has to elect one");
        assert!(!has_committee(0, 0));
    }

    #[test]
    fn a_term_holds_from_its_first_day_to_its_last() {
        let seat = Seat {
            post: Post::Secretary,
            from_on: Some("2024-01-01".into()),
            until_on: Some("2026-12-31".into()),
        };
        for (day, held) in [
            ("2023-12-31", false),
            ("2024-01-01", true),
            ("2026-12-31", true),
            ("2027-01-01", false),
        ] {
            assert_eq!(seat.is_held_on(day), held, "{day}");
        }
        let open = Seat { from_on: None, until_on: None, ..seat };
        assert!(open.is_held_on("1999-01-01"));
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        for day in ["2026-11-22", "2024-02-29", "2000-02-29"] {
            assert!(is_day(day), "{day}");
        }
        for no in ["2026-02-29", "1900-02-29", "2026-13-01", "2026-1-1", "2026-04-31", "x", ""] {
            assert!(!is_day(no), "{no}");
        }
    }

    #[test]
    fn words_and_ids_of_posts_come_back() {
        for post in Post::ALL {
            assert_eq!(Post::from_id(post.id()), Some(*post));
            assert_eq!(Post::from_word(post.word()), Some(*post));
            assert_eq!(serde_json::to_value(post).unwrap(), post.id());
        }
    }
}
