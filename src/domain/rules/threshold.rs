//! Shares as the regulations state them, compared in whole numbers.

use serde::{Deserialize, Serialize};

/// What a share is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// 应到会有表决权的人数
    DueVoters,
    /// 实到会有表决权的人数
    PresentVoters,
    /// 全体党员
    AllMembers,
}

/// 以上 and 不少于 include the number itself (`ge`), 超过 does not (`gt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Ge,
    Gt,
}

/// How sure it is that a regulation says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    #[default]
    Regulation,
    /// Local practice or our recommendation.
    Local,
}

/// At least (or more than) `num`/`den` of a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    pub of: Base,
    pub op: Op,
    pub num: u32,
    pub den: u32,
    /// Opinions handed in in writing before the meeting count.
    #[serde(default)]
    pub written_opinions: bool,
    #[serde(default)]
    pub certainty: Certainty,
}

impl Threshold {
    /// Whether `count` of `base` people are enough; never a fraction of a person.
    pub fn is_met(&self, count: u32, base: u32) -> bool {
        let (have, want) = self.scaled(count, base);
        match self.op {
            Op::Ge => have >= want,
            Op::Gt => have > want,
        }
    }

    /// The smallest count that is enough.
    pub fn needed(&self, base: u32) -> u32 {
        let share = u64::from(self.num) * u64::from(base);
        let den = u64::from(self.den.max(1));
        let needed = match self.op {
            Op::Ge => share.div_ceil(den),
            Op::Gt => share / den + 1,
        };
        u32::try_from(needed).unwrap_or(u32::MAX)
    }

    fn scaled(&self, count: u32, base: u32) -> (u64, u64) {
        (u64::from(self.den) * u64::from(count), u64::from(self.num) * u64::from(base))
    }

    /// In words: 超过二分之一, 五分之四以上.
    pub fn words(&self) -> String {
        let share = match (self.num, self.den) {
            (1, 2) => "半数".to_owned(),
            (num, den) => format!("{}分之{}", digits(den), digits(num)),
        };
        match self.op {
            Op::Ge => format!("{share}以上"),
            Op::Gt => format!("超过{share}"),
        }
    }
}

fn digits(number: u32) -> String {
    const WORDS: [&str; 11] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];
    WORDS.get(number as usize).map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(op: Op, num: u32, den: u32) -> Threshold {
        Threshold {
            of: Base::DueVoters,
            op,
            num,
            den,
            written_opinions: false,
            certainty: Certainty::Regulation,
        }
    }

    #[test]
    fn words_are_those_of_the_regulations() {
        assert_eq!(share(Op::Gt, 1, 2).words(), "超过半数");
        assert_eq!(share(Op::Ge, 1, 2).words(), "半数以上");
        assert_eq!(share(Op::Ge, 4, 5).words(), "五分之四以上");
        assert_eq!(share(Op::Ge, 2, 3).words(), "三分之二以上");
    }

    proptest! {
        /// Exactly the count that is needed is the first that is enough.
        #[test]
        fn needed_is_the_least_that_is_enough(
            gt: bool, num in 1u32..6, more in 0u32..6, base in 1u32..5_000, count in 0u32..6_000,
        ) {
            let threshold = share(if gt { Op::Gt } else { Op::Ge }, num, num + more);
            prop_assert_eq!(threshold.is_met(count, base), count >= threshold.needed(base));
        }
    }
}
