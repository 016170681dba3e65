//! What is wrong with a file, in the words of who has to put it right.

use serde::Serialize;

/// The file cannot be read at all, or not further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    #[error("文件是空的，请选择有内容的表格")]
    Empty,
    #[error("不能识别这个文件，请用 .xlsx 或 .csv 表格")]
    NotASheet,
    #[error("这是旧版 .xls 或加密的表格，请另存为不加密的 .xlsx 或 .csv 再上传")]
    OldOrEncrypted,
    #[error("文件超过{0}兆字节，请拆成几个文件，或另存为 .csv 再上传")]
    TooLarge(u64),
    #[error("表格解压后过大（疑似压缩炸弹），已停止读取；请在表格软件中另存为新文件再上传")]
    Bomb,
    #[error("表格已损坏或不完整（{0}），请在表格软件中打开并另存再上传")]
    Broken(String),
    #[error("超过{0}行，请拆成几个文件上传")]
    TooManyRows(u64),
    #[error("第{row}行超过{max}列，请删去多余的列再上传")]
    TooManyColumns { row: u64, max: usize },
    #[error(
        "第{row}行第{column}列的内容过长（超过3万字节），已停止读取；可能缺少右引号，请核对该单元格"
    )]
    CellTooLong { row: u64, column: usize },
    #[error("第{row}行附近的文字不是 UTF-8 也不是 GB18030 编码，请另存为 UTF-8 的 .csv 再上传")]
    Encoding { row: u64 },
    #[error("第1行缺少这些列：{0}；请使用导出的表格作模板")]
    MissingColumns(String),
    #[error("第1行有两列都叫“{0}”，请删去一列")]
    TwiceColumn(String),
    #[error("服务器暂时不能读写文件，请稍后再试")]
    Disk,
}

/// One bad cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// As the spreadsheet numbers it; the headline is row 1.
    pub row: u64,
    pub column: &'static str,
    /// The start of what stands there; empty for phone numbers.
    pub value: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Problem {
    pub fn new(row: u64, column: &'static str, value: &str, message: impl Into<String>) -> Self {
        let mut shown: String = value.chars().filter(|c| !c.is_control()).take(30).collect();
        if value.chars().count() > 30 {
            shown.push('…');
        }
        Self { row, column, value: shown, message: message.into() }
    }
}
