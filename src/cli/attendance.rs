//! `attendance FILE`: the sheet, from an exported journal alone.

use std::path::PathBuf;

use clap::Args;

use super::journal::open;
use super::{Failure, session::local};
use crate::domain::{AttendanceReport, Policy};
use crate::journal::{attendance_of_file, report_text};

#[derive(Args)]
pub struct Attendance {
    /// 导出的会议日志
    file: PathBuf,
    /// 换一套考勤规则重算，例如 min_ratio_permille=600,late_after_s=300（未写的照会议冻结的）
    #[arg(long, value_name = "规则", value_parser = policy_changes)]
    policy: Option<PolicyChanges>,
    /// 输出文字而不是 JSON
    #[arg(long)]
    text: bool,
}

/// What `--policy` names.
#[derive(Debug, Clone, Copy, Default)]
struct PolicyChanges {
    late_after_s: Option<u32>,
    early_before_s: Option<u32>,
    min_ratio_permille: Option<u32>,
    bridge_s: Option<u32>,
}

impl PolicyChanges {
    fn over(self, frozen: Policy) -> Policy {
        Policy {
            late_after_s: self.late_after_s.unwrap_or(frozen.late_after_s),
            early_before_s: self.early_before_s.unwrap_or(frozen.early_before_s),
            min_ratio_permille: self.min_ratio_permille.unwrap_or(frozen.min_ratio_permille),
            bridge_s: self.bridge_s.unwrap_or(frozen.bridge_s),
        }
    }
}

fn policy_changes(text: &str) -> Result<PolicyChanges, String> {
    let mut changes = PolicyChanges::default();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let wrong = || format!("“{part}”不是 名称=整数");
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let value = value.trim().parse::<u32>().map_err(|_| wrong())?;
        let (place, most) = match name.trim() {
            "late_after_s" => (&mut changes.late_after_s, 86_400),
            "early_before_s" => (&mut changes.early_before_s, 86_400),
            "min_ratio_permille" => (&mut changes.min_ratio_permille, 1_000),
            "bridge_s" => (&mut changes.bridge_s, 86_400),
            other => {
                return Err(format!(
                    "没有“{other}”这一项，只有 late_after_s、early_before_s、min_ratio_permille、bridge_s"
                ));
            }
        };
        if value > most {
            return Err(format!("{}最大为{most}", name.trim()));
        }
        *place = Some(value);
    }
    Ok(changes)
}

pub fn run(verb: Attendance) -> Result<(), Failure> {
    let changes = verb.policy.unwrap_or_default();
    let report = attendance_of_file(open(&verb.file)?, None, |frozen| changes.over(frozen))
        .map_err(|e| Failure::new(format!("不能由这份日志计算考勤：{e}")))?;
    if verb.text {
        print_words(&report);
        return Ok(());
    }
    let text = report_text(&report).map_err(|e| Failure::new(format!("无法输出：{e}")))?;
    print!("{text}");
    Ok(())
}

fn print_words(report: &AttendanceReport) {
    let totals = report.totals;
    println!(
        "应到{}人  实到{}人  到会率{}.{}%  列席{}人",
        totals.due,
        totals.present,
        totals.rate_permille / 10,
        totals.rate_permille % 10,
        totals.observers
    );
    for row in &report.people {
        let arrived = row.first_join_us.map_or_else(|| "—".to_owned(), local);
        let minutes = row.effective_s / 60;
        println!("{}  {}  首次入会 {arrived}  有效{minutes}分钟", row.name, row.status.word());
    }
}
