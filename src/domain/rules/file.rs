//! The rules file: reading, laying one over another, and what must hold of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::threshold::{Base, Certainty, Threshold};
use crate::domain::MeetingKind;

/// What the repository ships.
pub const BUILT_IN: &str = include_str!("rules.yaml");
const VERSION: u32 = 1;
/// Longest file read, in bytes: the built-in one has 6 KB.
const MAX_FILE: usize = 256 * 1024;

/// What is wrong with a rules file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RulesError {
    #[error("规则文件超过{}KB", MAX_FILE / 1024)]
    TooLarge,
    #[error("规则文件不是有效的YAML：{0}")]
    Syntax(String),
    #[error("规则文件有误：{0}")]
    Shape(String),
    #[error("规则文件的version应为{VERSION}，这里是{0}")]
    Version(u32),
    #[error("规则文件缺少会议类型{0}")]
    Missing(&'static str),
    #[error("规则文件中没有“{0}”这种会议类型")]
    Unknown(String),
    #[error("{kind}：{what}")]
    Kind { kind: String, what: &'static str },
    /// Which of several files it is in.
    #[error("{layer}：{wrong}")]
    In { layer: String, wrong: Box<RulesError> },
}

/// Rules to lay over the built-in ones, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// In words, e.g. a file's name or an organisation.
    pub name: String,
    pub text: String,
}

/// Rules as they hold for one session from its opening on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    pub rules: Rules,
    /// All of them, all layers in one: what [`Rules::thaw`] reads. Its keys are sorted.
    pub whole: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ballot {
    /// 举手或口头
    Hand,
    /// 无记名，纸质选票
    PaperSecret,
    /// 无记名，线上
    OnlineSecret,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ballots {
    pub default: Ballot,
    pub allowed: Vec<Ballot>,
    #[serde(default)]
    pub certainty: Certainty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Month,
    Quarter,
    Year,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppliesIf {
    HasCommittee,
    HasGroups,
}

/// How often a meeting is to be held.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    pub every: Period,
    pub min: u32,
    /// Otherwise there is no such duty.
    pub applies_if: Option<AppliesIf>,
    /// `group`: for each one.
    pub per: Option<String>,
    #[serde(default)]
    pub fixed_day: bool,
    #[serde(default)]
    pub certainty: Certainty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    pub num: u32,
    pub den: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidates {
    /// Candidates for each seat, at least; rounded up.
    pub ratio_min: Share,
    pub sort: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warn,
    Refuse,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcellentMax {
    pub num: u32,
    pub den: u32,
    pub of: Base,
    pub severity: Severity,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tellers {
    pub not_candidate: bool,
    pub approved_by_meeting: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    pub source: String,
    pub articles: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// A recommendation, not a regulation.
    pub default: bool,
}

/// What holds for one kind of meeting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindRules {
    pub zh: String,
    pub due: String,
    #[serde(default)]
    pub chair: Vec<String>,
    pub duty: Option<Duty>,
    pub quorum: Option<Threshold>,
    pub pass: Option<Threshold>,
    pub elect: Option<Threshold>,
    pub candidates: Option<Candidates>,
    pub ballot: Option<Ballots>,
    #[serde(default)]
    pub one_by_one: bool,
    #[serde(default)]
    pub forbidden_in: Vec<String>,
    #[serde(default)]
    pub may_contain: Vec<String>,
    #[serde(default)]
    pub form: Vec<String>,
    #[serde(default)]
    pub grades: Vec<String>,
    pub graded: Option<String>,
    pub excellent_max: Option<ExcellentMax>,
    #[serde(default)]
    pub outcomes: Vec<String>,
    pub proxy: Option<bool>,
    pub tellers: Option<Tellers>,
    #[serde(default)]
    pub person_concerned_may_attend: bool,
    pub recording: Option<Recording>,
    pub basis: Basis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRights {
    pub vote: bool,
    pub elect: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Online {
    pub secret_ballot: String,
    /// Fewer online voters are refused: they could be told apart.
    pub least_voters: u32,
    pub require_video_for_votes: bool,
}

/// A rules file that has been looked through.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub version: u32,
    pub sources: BTreeMap<String, String>,
    pub kinds: BTreeMap<String, KindRules>,
    pub rights: BTreeMap<String, ClassRights>,
    pub leave_reduces_due: bool,
    pub online: Online,
}

impl Rules {
    /// The rules of the repository.
    ///
    /// # Errors
    /// None but by a mistake in the repository, which a test finds.
    pub fn built_in() -> Result<Self, RulesError> {
        Self::load(&[])
    }

    /// The built-in rules with others laid over them, each over the ones before: of a deployment,
    /// then of an organisation. A map is laid over key by key; everything else is replaced.
    ///
    /// # Errors
    /// What is wrong, with its place.
    pub fn load(over: &[&str]) -> Result<Self, RulesError> {
        let mut written = parse(BUILT_IN)?;
        for text in over {
            lay_over(&mut written, parse(text)?);
        }
        Ok(Self::resolve(written)?.rules)
    }

    /// The built-in rules with named layers over them, each looked through by itself, so that a
    /// mistake is named with its layer.
    ///
    /// # Errors
    /// [`RulesError::In`]
    pub fn freeze(layers: &[Layer]) -> Result<Frozen, RulesError> {
        let mut written = parse(BUILT_IN)?;
        let mut frozen = Self::resolve(written.clone())?;
        for Layer { name, text } in layers {
            let named = |wrong| RulesError::In { layer: name.clone(), wrong: Box::new(wrong) };
            lay_over(&mut written, parse(text).map_err(named)?);
            frozen = Self::resolve(written.clone()).map_err(named)?;
        }
        Ok(frozen)
    }

    /// What [`Frozen::whole`] says, read again.
    ///
    /// # Errors
    /// When it is no whole rules file.
    pub fn thaw(text: &str) -> Result<Self, RulesError> {
        let whole = serde_json::from_str(text).map_err(|e| RulesError::Shape(e.to_string()))?;
        Ok(Self::resolve(whole)?.rules)
    }

    fn resolve(mut whole: Value) -> Result<Frozen, RulesError> {
        resolve_same_as(&mut whole)?;
        let rules: Self = serde_json::from_value(whole.clone())
            .map_err(|error| RulesError::Shape(place_of(&whole, &error)))?;
        rules.check()?;
        Ok(Frozen { rules, whole })
    }

    pub fn of(&self, kind: MeetingKind) -> Option<&KindRules> {
        self.kinds.get(kind.id())
    }

    /// The quorum of a meeting of this kind with so many voters due and present; `None` where the
    /// rules ask for none.
    pub fn quorum(
        &self,
        kind: MeetingKind,
        due_voters: u32,
        present_voters: u32,
    ) -> Option<super::decide::Applied> {
        let threshold = self.of(kind)?.quorum?;
        Some(super::decide::Applied::new(&threshold, present_voters, due_voters))
    }

    /// 《…》第11、14条
    pub fn basis(&self, kind: &KindRules) -> String {
        let source = self.sources.get(&kind.basis.source).map_or("", String::as_str);
        match kind.basis.articles.as_slice() {
            [] => source.to_owned(),
            articles => {
                let numbers: Vec<String> = articles.iter().map(u32::to_string).collect();
                format!("{source}第{}条", numbers.join("、"))
            }
        }
    }

    fn check(&self) -> Result<(), RulesError> {
        if self.version != VERSION {
            return Err(RulesError::Version(self.version));
        }
        for kind in MeetingKind::ALL {
            if !self.kinds.contains_key(kind.id()) {
                return Err(RulesError::Missing(kind.id()));
            }
        }
        for (id, kind) in &self.kinds {
            let wrong = |what| Err(RulesError::Kind { kind: id.clone(), what });
            if MeetingKind::from_id(id).is_none() {
                return Err(RulesError::Unknown(id.clone()));
            }
            for threshold in [kind.quorum, kind.pass, kind.elect].into_iter().flatten() {
                if threshold.den == 0 {
                    return wrong("分母不能为零");
                }
                if threshold.num > threshold.den {
                    return wrong("比例不能超过一");
                }
            }
            if kind.quorum.is_some_and(|quorum| quorum.of != Base::DueVoters) {
                return wrong("法定人数以应到会有表决权的人数计算（due_voters）");
            }
            if kind.candidates.as_ref().is_some_and(|c| c.ratio_min.den == 0) {
                return wrong("候选人比例的分母不能为零");
            }
            if kind.excellent_max.as_ref().is_some_and(|max| max.den == 0) {
                return wrong("优秀比例的分母不能为零");
            }
            if kind.ballot.as_ref().is_some_and(|ballot| !ballot.allowed.contains(&ballot.default))
            {
                return wrong("默认的表决方式不在允许之列");
            }
            if !self.sources.contains_key(&kind.basis.source) {
                return wrong("依据的文件没有列在sources中");
            }
            let named = kind.may_contain.iter().chain(&kind.form);
            if named.clone().any(|id| MeetingKind::from_id(id).is_none()) {
                return wrong("提到了没有的会议类型");
            }
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Value, RulesError> {
    if text.len() > MAX_FILE {
        return Err(RulesError::TooLarge);
    }
    serde_saphyr::from_str(text).map_err(|error| RulesError::Syntax(error.to_string()))
}

/// The kind that does not read is named before what is wrong with it.
fn place_of(whole: &Value, error: &serde_json::Error) -> String {
    let kinds = whole.get("kinds").and_then(Value::as_object);
    for (id, kind) in kinds.into_iter().flatten() {
        if let Err(wrong) = serde_json::from_value::<KindRules>(kind.clone()) {
            return format!("kinds.{id}：{wrong}");
        }
    }
    error.to_string()
}

fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// A kind that is as another has that one's rules under its own.
fn resolve_same_as(whole: &mut Value) -> Result<(), RulesError> {
    let Some(kinds) = whole.get_mut("kinds").and_then(Value::as_object_mut) else {
        return Err(RulesError::Shape("kinds".into()));
    };
    // As written: what leads to one that leads on is refused, whichever is looked at first.
    let written = kinds.clone();
    for id in written.keys().cloned() {
        let Some(own) = kinds.get_mut(&id).and_then(Value::as_object_mut) else { continue };
        let Some(other) = own.remove("same_as") else { continue };
        let own = Value::Object(std::mem::take(own));
        let model = other.as_str().and_then(|other| written.get(other));
        let Some(mut model) = model.filter(|model| model.get("same_as").is_none()).cloned() else {
            let what = "same_as要指一个自己写全的会议类型";
            return Err(RulesError::Kind { kind: id, what });
        };
        lay_over(&mut model, own);
        kinds.insert(id, model);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::threshold::Op;

    #[test]
    fn the_built_in_rules_hold_and_conversion_is_as_admission() {
        let rules = Rules::built_in().unwrap();
        let of = |kind| rules.of(kind).unwrap();
        let (admit, convert) =
            (of(MeetingKind::AdmitProbationary), of(MeetingKind::ConvertProbationary));
        assert_eq!((admit.quorum, admit.pass), (convert.quorum, convert.pass));
        assert_eq!(rules.basis(convert), "《中国共产党发展党员工作细则》2014第33条");
        for kind in MeetingKind::ALL {
            assert_eq!(of(*kind).zh, kind.word());
        }
    }

    #[test]
    fn a_deployment_changes_one_thing_and_keeps_the_rest() {
        let strict = "kinds: {branch_assembly: {quorum: {op: gt}}}";
        let rules = Rules::load(&[strict]).unwrap();
        let quorum = rules.of(MeetingKind::BranchAssembly).unwrap().quorum.unwrap();
        assert_eq!((quorum.op, quorum.num, quorum.den), (Op::Gt, 1, 2));
        let again = Rules::load(&[strict, "kinds: {branch_assembly: {quorum: {op: ge}}}"]).unwrap();
        assert_eq!(again, Rules::built_in().unwrap());
    }

    #[test]
    fn frozen_rules_are_read_again_as_they_were() {
        let strict = Layer {
            name: "某某支部".into(),
            text: "kinds: {branch_assembly: {quorum: {op: gt}}}".into(),
        };
        let frozen = Rules::freeze(std::slice::from_ref(&strict)).unwrap();
        assert_eq!(Rules::thaw(&frozen.whole.to_string()).unwrap(), frozen.rules);
        assert_eq!(frozen.rules, Rules::load(&[&strict.text]).unwrap());
        let bad =
            Layer { name: "某某党委".into(), text: "kinds: {election: {pass: 3}}".into() };
        let wrong = Rules::freeze(&[strict, bad]).unwrap_err().to_string();
        assert!(wrong.starts_with("某某党委：") && wrong.contains("kinds.election"), "{wrong}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| Rules::load(&[text]).unwrap_err().to_string();
        assert!(wrong("kinds: [").starts_with("规则文件不是有效的YAML"));
        assert_eq!(wrong("kinds: {election: {quorum: {den: 0}}}"), "election：分母不能为零");
        let typo = wrong("kinds: {election: {quorom: {den: 5}}}");
        assert!(typo.contains("kinds.election") && typo.contains("quorom"), "{typo}");
        assert_eq!(wrong("version: 7"), "规则文件的version应为1，这里是7");
        assert!(wrong("kinds: {tea: {same_as: election}}").contains("tea"));
        assert!(wrong("kinds: {org_life: {same_as: convert_probationary}}").contains("same_as"));
        assert!(wrong("kinds: {election: {quorum: {num: 6}}}").contains("比例不能超过一"));
        let allowed = "kinds: {election: {ballot: {default: hand}}}";
        assert!(wrong(allowed).contains("默认的表决方式"));
        assert_eq!(wrong(&"#".repeat(MAX_FILE + 1)), "规则文件超过256KB");
    }
}
