//! The actions of all services: whether there is one of a name, and how many of them a policy allows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use serde_json::Value;

use crate::diagnostic::{Unknown, closest};

/// One line for each service, with its actions. `scripts/iam-actions.py` writes the file.
const TABLE: &str = include_str!("iam_actions.txt");

/// Returns the name of the package that the table is from.
pub fn source() -> &'static str {
    TABLE.lines().next().unwrap_or_default().trim_start_matches("# From ").trim_end_matches('.')
}

/// Returns every action, as `s3:getobject`: in lower case, since IAM ignores the case of actions.
fn actions() -> &'static [String] {
    static ACTIONS: OnceLock<Vec<String>> = OnceLock::new();
    ACTIONS.get_or_init(|| {
        let services = TABLE.lines().filter_map(|line| line.split_once(": "));
        services
            .flat_map(|(service, names)| {
                names.split(' ').map(move |name| format!("{service}:{name}").to_lowercase())
            })
            .collect()
    })
}

/// Returns the names of each service's actions, by the service's prefix.
fn services() -> &'static HashMap<&'static str, &'static str> {
    static SERVICES: OnceLock<HashMap<&str, &str>> = OnceLock::new();
    SERVICES.get_or_init(|| TABLE.lines().filter_map(|line| line.split_once(": ")).collect())
}

/// Returns the prefixes by which IAM knows services, as `s3`.
pub fn service_prefixes() -> impl Iterator<Item = &'static str> {
    services().keys().copied()
}

pub fn is_service(prefix: &str) -> bool {
    services().contains_key(prefix)
}

/// Returns what is wrong with an action, `SERVICE:NAME`, in which `*` and `?` stand for other characters: that there is no such
/// service, or that the service has no such action.
pub fn unknown(action: &str) -> Option<Unknown> {
    let (prefix, name) = action.split_once(':')?;
    let service = prefix.to_ascii_lowercase();
    if prefix.contains(['*', '?']) {
        return None;
    }
    let Some(names) = services().get(service.as_str()) else {
        // Of services that are as close, that one which has the action.
        let mut all: Vec<&str> = service_prefixes().collect();
        all.sort_by_key(|one| (!has(services()[one], name), *one));
        let meant = closest(&service, all).map(|meant| format!("{meant}:{name}"));
        return Some(Unknown::new(format!("IAM knows no service `{prefix}`"), meant));
    };
    if has(names, name) {
        return None;
    }
    let stem = name.split(['*', '?']).next().unwrap_or_default();
    let meant = match stem.len() < name.len() {
        true => {
            let starts: Vec<&str> = names.split(' ').filter_map(|one| one.get(..stem.len())).collect();
            closest(stem, starts).map(|start| format!("{service}:{start}{}", &name[stem.len()..]))
        }
        false => closest(name, names.split(' ')).map(|meant| format!("{service}:{meant}")),
    };
    let of_others = || {
        let exact = |one: &&str| services()[one].split(' ').any(|known| known.eq_ignore_ascii_case(name));
        let found = service_prefixes().filter(exact).min_by_key(|one| (one.len(), *one));
        found.map(|one| format!("{one}:{name}"))
    };
    Some(Unknown::new(format!("{service} has no action `{name}`"), meant.or_else(of_others)))
}

/// Whether one of the names matches a pattern.
fn has(names: &str, pattern: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    names.split(' ').any(|name| matches(pattern.as_bytes(), name.to_ascii_lowercase().as_bytes()))
}

/// Returns how many actions of each service some policies together allow on at least one resource: those that a statement
/// allows, less those that a statement without a condition denies on every resource.
pub fn allowed(documents: &[Value]) -> BTreeMap<&'static str, u64> {
    let mut statements: Vec<&Value> = Vec::new();
    for document in documents {
        match &document["Statement"] {
            Value::Array(many) => statements.extend(many),
            Value::Null => {}
            one => statements.push(one),
        }
    }
    let mut allowed = HashSet::new();
    for statement in statements.iter().filter(|statement| statement["Effect"] == "Allow") {
        allowed.extend(covered(statement));
    }
    let denies = statements.iter().filter(|one| {
        one["Effect"] == "Deny"
            && texts(&one["Resource"]).any(|resource| resource == "*")
            && one["Condition"].is_null()
    });
    for statement in denies {
        covered(statement).for_each(|action| {
            allowed.remove(action);
        });
    }
    let mut services = BTreeMap::new();
    for (service, _) in allowed.into_iter().filter_map(|action| action.split_once(':')) {
        *services.entry(service).or_default() += 1;
    }
    services
}

/// Returns the actions of a statement, given by `Action` or by `NotAction`.
fn covered(statement: &Value) -> impl Iterator<Item = &'static str> {
    let (named, not) = match &statement["Action"] {
        Value::Null => (&statement["NotAction"], true),
        action => (action, false),
    };
    let patterns: Vec<String> = texts(named).map(str::to_lowercase).collect();
    let all = actions().iter().map(String::as_str);
    all.filter(move |action| {
        patterns.iter().any(|pattern| matches(pattern.as_bytes(), action.as_bytes())) != not
    })
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().into_iter().flatten();
    many.chain(Some(value).filter(|value| value.is_string())).filter_map(Value::as_str)
}

/// Whether a text matches a pattern in which `*` stands for any number of characters and `?` for one.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, t) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_are_iams() {
        for (pattern, text, holds) in [
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("?b", "ab", true),
            ("*", "", true),
            ("a?", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), holds, "{pattern} {text}");
        }
    }

    #[test]
    fn misspelt_actions_are_told_from_those_that_are_there() {
        for known in
            ["s3:GetObject", "S3:getobject", "s3:*", "s3:Get*", "s3:?etObject", "sagemaker:Invoke*", "*:*"]
        {
            assert_eq!(unknown(known), None, "{known}");
        }
        for (wrong, meant) in [
            ("s3:GetObjct", Some("s3:GetObject")),
            ("s3:Gte*", Some("s3:Get*")),
            ("s3:ListBuckets", Some("s3:ListBucket")),
            ("sagemkaer:InvokeEndpoint", Some("sagemaker:InvokeEndpoint")),
            ("sagemaker:InvokeEndpont", Some("sagemaker:InvokeEndpoint")),
            ("iam:AssumeRole", Some("sts:AssumeRole")),
            ("s3:DoTheImpossibleThing", None),
            ("whatever:GetObject", None),
        ] {
            let found = unknown(wrong).unwrap_or_else(|| panic!("{wrong} is known"));
            assert_eq!(found.meant.as_deref(), meant, "{wrong}");
        }
    }

    #[test]
    fn what_policies_allow_is_counted() {
        let services =
            |statement: Value| allowed(&[json!({"Version": "2012-10-17", "Statement": statement})]);
        let one = |statement: Value| services(statement).values().sum::<u64>();
        let invoke = json!({"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"});
        assert_eq!(one(invoke.clone()), 1);
        assert_eq!(
            one(json!([invoke, {"Effect": "Deny", "Action": ["SageMaker:Invoke*"], "Resource": "*"}])),
            0
        );
        let sagemaker = one(json!([{"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"}]));
        assert!(sagemaker > 300, "{sagemaker}");
        let all = one(json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]));
        let rest = one(json!([{"Effect": "Allow", "NotAction": "sagemaker:*", "Resource": "*"}]));
        assert_eq!(rest, all - sagemaker);
        let two = json!([{"Effect": "Allow", "Action": ["s3:GetObject", "logs:*"], "Resource": "*"}]);
        let two = services(two);
        assert_eq!((two["s3"], two.len()), (1, 2));
    }
}
