//! Differences between two versions: which sections changed, and within them which words.

use serde::Serialize;

use super::Minutes;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = DiffOp)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Same,
    Removed,
    Added,
}

/// A stretch of text that stayed, went or came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = DiffRun)]
pub struct Run {
    pub op: Op,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = MinutesChange)]
pub struct Change {
    pub key: String,
    pub title: String,
    pub runs: Vec<Run>,
}

/// Cells of the comparison at most: about 2,000 changed characters against as many. Beyond that a
/// changed stretch is shown as removed and added as a whole.
const MAX_CELLS: usize = 4_000_000;

/// Sections of `new` that differ from `old`, in their order, then those that are gone.
pub fn changes(old: &Minutes, new: &Minutes) -> Vec<Change> {
    let mut out: Vec<Change> = Vec::new();
    for section in &new.sections {
        let before = old.section(&section.key).map_or("", |s| s.body.as_str());
        if before != section.body || old.section(&section.key).is_none() {
            let runs = runs(before, &section.body);
            out.push(Change { key: section.key.clone(), title: section.title.clone(), runs });
        }
    }
    for gone in old.sections.iter().filter(|s| new.section(&s.key).is_none()) {
        let runs = runs(&gone.body, "");
        out.push(Change { key: gone.key.clone(), title: gone.title.clone(), runs });
    }
    out
}

/// The shortest way from `old` to `new`, character by character.
pub fn runs(old: &str, new: &str) -> Vec<Run> {
    let (a, b): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y);
    let tail = tail.count();
    let (from_a, from_b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut out = Vec::new();
    push(&mut out, Op::Same, a[..head].iter().copied());
    if from_a.len().saturating_mul(from_b.len()) > MAX_CELLS {
        push(&mut out, Op::Removed, from_a.iter().copied());
        push(&mut out, Op::Added, from_b.iter().copied());
    } else {
        middle(from_a, from_b, &mut out);
    }
    push(&mut out, Op::Same, a[a.len() - tail..].iter().copied());
    out
}

/// Longest common subsequence by the usual table.
fn middle(a: &[char], b: &[char], out: &mut Vec<Run>) {
    let width = b.len() + 1;
    let mut longest = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1].saturating_add(1)
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            push(out, Op::Same, [a[i]]);
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]
        {
            push(out, Op::Removed, [a[i]]);
            i += 1;
        } else {
            push(out, Op::Added, [b[j]]);
            j += 1;
        }
    }
}

fn push(out: &mut Vec<Run>, op: Op, text: impl IntoIterator<Item = char>) {
    let mut text = text.into_iter().peekable();
    if text.peek().is_none() {
        return;
    }
    match out.last_mut() {
        Some(last) if last.op == op => last.text.extend(text),
        _ => out.push(Run { op, text: text.collect() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn side(runs: &[Run], without: Op) -> String {
        runs.iter().filter(|r| r.op != without).map(|r| r.text.as_str()).collect()
    }

    #[test]
    fn a_changed_word_is_shown_within_its_sentence() {
        let runs = runs("会议同意接收张三同志", "会议不同意接收张山同志");
        let shown: Vec<(Op, &str)> = runs.iter().map(|r| (r.op, r.text.as_str())).collect();
        assert_eq!(
            shown,
            [
                (Op::Same, "会议"),
                (Op::Added, "不"),
                (Op::Same, "同意接收张"),
                (Op::Removed, "三"),
                (Op::Added, "山"),
                (Op::Same, "同志"),
            ]
        );
    }

    #[test]
    fn very_long_changes_are_shown_as_a_whole() {
        let (old, new) = ("甲".repeat(3_000), "乙".repeat(3_000));
        let runs = runs(&old, &new);
        assert_eq!((runs.len(), runs[0].op, runs[1].op), (2, Op::Removed, Op::Added));
    }

    proptest! {
        #[test]
        fn both_sides_can_be_read_back(old in "[甲乙丙\n]{0,30}", new in "[甲乙丙\n]{0,30}") {
            let runs = runs(&old, &new);
            prop_assert_eq!(side(&runs, Op::Added), old.clone());
            prop_assert_eq!(side(&runs, Op::Removed), new.clone());
            prop_assert!(runs.windows(2).all(|w| w[0].op != w[1].op));
            prop_assert_eq!(old == new, runs.iter().all(|r| r.op == Op::Same));
        }
    }
}
