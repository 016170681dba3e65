//! `attendance FILE`: the sheet, from an exported journal alone.

use std::path::PathBuf;

use clap::Args;

use super::journal::open;
use super::{Failure, session::local};
use crate::journal::attendance_of_file;

#[derive(Args)]
pub struct Attendance {
    /// 导出的会议日志
    file: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

pub fn run(verb: Attendance) -> Result<(), Failure> {
    let report = attendance_of_file(open(&verb.file)?, None)
        .map_err(|e| Failure::new(format!("不能由这份日志计算考勤：{e}")))?;
    if verb.json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|e| Failure::new(format!("无法输出：{e}")))?;
        println!("{text}");
        return Ok(());
    }
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
    Ok(())
}
