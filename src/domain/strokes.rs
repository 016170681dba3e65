//! 姓氏笔画: the order of candidates on a ballot paper.
//!
//! A table of our own of some 280 common surnames (simplified forms, 通用规范汉字 stroke counts), by
//! the number of strokes and then by the first stroke (横、竖、撇、点、折), as the lists of 人民代表 and
//! 委员 are ordered. A compound surname goes by its first character. Surnames that are not in the
//! table come last, by code point; equal surnames keep the order in which they were entered, which
//! the recorder settles by the given name.

const TABLE: &[(u8, &str)] = &[
    (2, "丁卜刁"),
    (3, "于万干上山"),
    (4, "王韦元云支车尤戈贝水牛毛仇公丹乌卞方文尹孔邓巴"),
    (5, "甘艾左石龙平厉邝卢叶申田史冉白丘付代包令乐冯兰宁司边皮"),
    (6, "邢戎巩毕匡朴权成吕曲朱乔伍仲任伊全华危向邬庄齐刘关江汤米闫安许池阮孙阳牟纪"),
    (7, "严苏劳杜李杨巫芦时吴肖步何佟余谷邹狄邱岑冷辛应汪沈沙宋况闵陈张陆邵"),
    (8, "武范林郁苗苟欧杭尚明易卓罗呼季岳金周郇庞郑单宗官房郎孟练屈经"),
    (9, "项赵胡荀荆柯柏查柳郝封南钟钮段皇侯俞饶姜宫祝施闻洪娄宣祖姚费贺胥骆"),
    (10, "秦班袁耿聂莫贾夏顾桂晋柴晏党钱倪徐殷翁奚高郭唐凌席浦涂海容诸陶姬桑"),
    (11, "黄萧萨梅曹戚龚盛常崔鄂符矫章商康鹿阎梁寇尉屠隋"),
    (12, "彭董葛蒋韩敬斯景喻嵇程焦储舒鲁傅童曾游温湛富谢强"),
    (13, "蓝蒲蒙楚赖雷甄靳虞路解詹鲍简阙褚满窦廉"),
    (14, "慕蔡臧裴管鲜廖谭赛翟熊缪"),
    (15, "樊黎滕潘颜"),
    (16, "薛薄燕霍冀穆衡"),
    (17, "戴鞠魏糜"),
    (18, "瞿"),
];

/// Strokes, place among surnames of as many, and the character itself for those not in the table.
fn key(name: &str) -> (u8, usize, char) {
    let surname = name.trim().chars().next().unwrap_or('\u{10FFFF}');
    for (strokes, surnames) in TABLE {
        if let Some(place) = surnames.chars().position(|one| one == surname) {
            return (*strokes, place, surname);
        }
    }
    (u8::MAX, 0, surname)
}

/// Whether the surname is in the table.
pub fn is_known(name: &str) -> bool {
    key(name).0 != u8::MAX
}

pub fn sort_by_surname(names: &mut [String]) {
    names.sort_by_key(|name| key(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surnames_come_by_strokes_then_by_the_first_stroke() {
        let mut names = ["魏", "张三", "丁一", "李四", "王五", "欧阳六", "刘七", "鬱八", "陈九"]
            .map(str::to_owned);
        sort_by_surname(&mut names);
        let sorted = ["丁一", "王五", "刘七", "李四", "陈九", "张三", "欧阳六", "魏", "鬱八"];
        assert_eq!(names, sorted.map(str::to_owned));
        assert!(!is_known("鬱八") && is_known("诸葛亮"));
    }

    #[test]
    fn no_surname_stands_twice_in_the_table() {
        let mut all: Vec<char> = TABLE.iter().flat_map(|(_, chars)| chars.chars()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(count > 250);
    }
}
