//! What may stand in the fields of organisations and members, the same for pages and imports.
//!
//! Text is kept as text: nothing here makes it safe for a page or a sheet, which escape for
//! themselves. Refused is what no name holds and what makes a list say something else than it
//! shows: invisible characters, reversed reading order, control characters.

/// Longest name of a person, in characters.
pub const MAX_PERSON_NAME: usize = 50;
/// Longest name of an organisation, in characters.
pub const MAX_ORG_NAME: usize = 100;
/// Longest code, in characters.
pub const MAX_CODE: usize = 32;

/// What is wrong with a value; the text says it and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FieldError {
    #[error("不能为空，请填写")]
    Empty,
    #[error("超过{0}字，请缩短")]
    TooLong(usize),
    #[error("含有控制字符或换行，请删去")]
    Control,
    #[error("含有看不见的字符或改变文字方向的字符，请重新输入")]
    Invisible,
    #[error("含有不能用于名称的符号“{0}”，请删去")]
    Symbol(char),
    #[error("只能用字母、数字、点、横线和下划线，并以字母或数字开头")]
    Code,
    #[error("不是电话号码，只能是5至20位数字，可带国际区号")]
    Phone,
    #[error("不是日期，请写成 2026-11-22")]
    Day,
}

type Checked = Result<String, FieldError>;

/// Characters that are not seen: zero width, byte order mark, direction marks and overrides
/// (Unicode TR 36 §2), tags.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn plain(text: &str, longest: usize) -> Checked {
    let text = text.trim();
    if text.is_empty() {
        return Err(FieldError::Empty);
    }
    if text.chars().count() > longest {
        return Err(FieldError::TooLong(longest));
    }
    if text.chars().any(char::is_control) {
        return Err(FieldError::Control);
    }
    if text.chars().any(is_invisible) {
        return Err(FieldError::Invisible);
    }
    Ok(text.to_owned())
}

/// 姓名: letters of any script; `·` and what Western names hold.
///
/// # Errors
/// [`FieldError`]
pub fn person_name(text: &str) -> Checked {
    let text = plain(text, MAX_PERSON_NAME)?;
    let odd = |c: &char| c.is_ascii_punctuation() && !".-'()".contains(*c);
    match text.chars().find(odd).or_else(|| leading_sign(&text)) {
        Some(symbol) => Err(FieldError::Symbol(symbol)),
        None => Ok(text),
    }
}

/// # Errors
/// [`FieldError`]
pub fn org_name(text: &str) -> Checked {
    let text = plain(text, MAX_ORG_NAME)?;
    let odd = |c: &char| matches!(c, '<' | '>' | '"' | '\\' | '`');
    match text.chars().find(odd).or_else(|| leading_sign(&text)) {
        Some(symbol) => Err(FieldError::Symbol(symbol)),
        None => Ok(text),
    }
}

/// What a spreadsheet takes for a formula.
fn leading_sign(text: &str) -> Option<char> {
    text.chars().next().filter(|c| "=+-@＝＋－＠".contains(*c))
}

/// 编号: what imports know an organisation or a member by.
///
/// # Errors
/// [`FieldError`]
pub fn code(text: &str) -> Checked {
    let text = plain(text, MAX_CODE)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && text.chars().all(fits) { Ok(text) } else { Err(FieldError::Code) }
}

/// Digits, with `+` in front for another country; blanks and dashes are left out.
///
/// # Errors
/// [`FieldError`]
pub fn phone(text: &str) -> Checked {
    let text = plain(text, 40)?;
    let text: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let digits = text.strip_prefix('+').unwrap_or(&text);
    let fits = (5..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(text) } else { Err(FieldError::Phone) }
}

/// A day of the calendar, `2026-11-22`; `2026/11/22`, `2026.11.22` and `2026年11月22日` are read.
///
/// # Errors
/// [`FieldError`]
pub fn day(text: &str) -> Checked {
    let text = plain(text, 20)?;
    let parts: Vec<&str> =
        text.split(['-', '/', '.', '年', '月', '日']).filter(|part| !part.is_empty()).collect();
    let numbers: Option<Vec<u32>> = parts.iter().map(|part| part.parse().ok()).collect();
    let Some([year, month, day]) = numbers.as_deref() else { return Err(FieldError::Day) };
    let day = format!("{year:04}-{month:02}-{day:02}");
    if super::committee::is_day(&day) { Ok(day) } else { Err(FieldError::Day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_are_names() {
        for name in
            ["王建国", "阿卜杜拉·买买提", "𠮷田一郎", "عبد الله", "O'Neil-Smith", "李明（大）"]
        {
            assert_eq!(person_name(name).as_deref(), Ok(name));
        }
        assert_eq!(person_name("  王建国　"), Ok("王建国".into()));
    }

    #[test]
    fn what_only_looks_like_a_name_is_refused_by_what_is_wrong() {
        for (name, wrong) in [
            ("", FieldError::Empty),
            (" \u{3000}", FieldError::Empty),
            ("<script>alert(1)</script>", FieldError::Symbol('<')),
            ("=HYPERLINK(1)", FieldError::Symbol('=')),
            ("-王", FieldError::Symbol('-')),
            ("＝王", FieldError::Symbol('＝')),
            ("王\u{202e}建国", FieldError::Invisible),
            ("王\u{200b}建国", FieldError::Invisible),
            ("王\n建国", FieldError::Control),
            ("王\u{0}建国", FieldError::Control),
        ] {
            assert_eq!(person_name(name), Err(wrong), "{name:?}");
        }
        assert_eq!(person_name(&"王".repeat(51)), Err(FieldError::TooLong(50)));
        assert_eq!(org_name("<b>第一支部</b>"), Err(FieldError::Symbol('<')));
        assert_eq!(
            org_name("中共某公司（筹）第1支部/技术部"),
            Ok("中共某公司（筹）第1支部/技术部".into())
        );
    }

    #[test]
    fn codes_phones_and_days() {
        assert_eq!(code(" D-0102.3 "), Ok("D-0102.3".into()));
        for bad in ["-1", "第1", "a b", "='1'"] {
            assert_eq!(code(bad), Err(FieldError::Code), "{bad}");
        }
        assert_eq!(code(&"1".repeat(33)), Err(FieldError::TooLong(32)));
        assert_eq!(phone("+86 139-0000-0000"), Ok("+8613900000000".into()));
        assert_eq!(phone("123"), Err(FieldError::Phone));
        assert_eq!(phone("1390000000x"), Err(FieldError::Phone));
        for text in ["2026-1-2", "2026/01/02", "2026.1.2", "2026年1月2日"] {
            assert_eq!(day(text), Ok("2026-01-02".into()), "{text}");
        }
        assert_eq!(day("2026-02-30"), Err(FieldError::Day));
        assert_eq!(day("46348"), Err(FieldError::Day));
    }
}
