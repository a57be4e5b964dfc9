//! Tests of what is a secret and of what is none.

use serde_json::{Value, json};

use super::catalogue::KINDS;
use super::*;

/// AWS's own example of a key.
const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1";

/// Returns a text in which each `{w36}` is replaced by as many characters of an alphabet. No secret stands in this
/// repository, where tools that look for some would find it.
fn expanded(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (spec, behind) = after.split_once('}').unwrap();
        let alphabet: &str = match &spec[..1] {
            "w" => "aZ3kQ9xTb7LmWc2RfYd8JnVg5HsPe4KuBi6",
            "x" => "3fa8c05e9d17b462",
            "U" => "A7QK2XM5PZ3RVW6TYJ",
            "l" => "a7qk2xm5pz3rvw6tyj",
            "d" => "8301927465",
            "b" => "MIIEpQIBAAKCAQEA7xJd/K9b+Lm3zT0yWq2sXv8h",
            other => panic!("{other}"),
        };
        text.push_str(before);
        text.extend(alphabet.chars().cycle().take(spec[1..].parse().unwrap()));
        rest = behind;
    }
    (text + rest).replace("\\n", "\n")
}

fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    Masker::default().text(&mut masked);
    masked
}

#[test]
fn every_kind_of_the_catalogue_is_masked_whole() {
    let examples: Vec<(&str, &str)> =
        include_str!("examples.txt").lines().map(|line| line.split_once('\t').unwrap()).collect();
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(examples.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for (name, template) in examples {
        let marked = match template.contains('«') {
            true => expanded(template),
            false => format!("«{}»", expanded(template)),
        };
        let (before, rest) = marked.split_once('«').unwrap();
        let (secret, behind) = rest.split_once('»').unwrap();
        for (left, right) in
            [("", ""), ("it is ", ", then"), ("<b>`", "`</b>"), ("(", ")"), ("one\n", "\ntwo")]
        {
            let text = format!("{left}{before}{secret}{behind}{right}");
            assert_eq!(masked(&text), format!("{left}{before}[redacted]{behind}{right}"), "{name} in {text}");
        }
    }
}

#[test]
fn messages_come_out_as_they_went_in() {
    let messages: Vec<&str> = include_str!("messages.txt").lines().collect();
    assert!(messages.len() > 200, "{}", messages.len());
    let changed: Vec<String> = messages
        .iter()
        .map(|message| (message, masked(message)))
        .filter(|(message, masked)| *message != masked)
        .map(|(message, masked)| format!("{message}\n  {masked}"))
        .collect();
    assert!(
        changed.is_empty(),
        "{} of {} are changed:\n{}",
        changed.len(),
        messages.len(),
        changed.join("\n")
    );
    println!("false masks: {} of {} messages", changed.len(), messages.len());
}

#[test]
fn what_is_named_as_a_secret_is_one() {
    for (text, shown) in [
        (format!("AWS_SECRET_ACCESS_KEY={KEY} ok"), "AWS_SECRET_ACCESS_KEY=[redacted] ok"),
        (format!("the key is {KEY}, then"), "the key is [redacted], then"),
        (format!("{KEY} {KEY}"), "[redacted] [redacted]"),
        (format!("it is {KEY}. <b>{KEY}</b>"), "it is [redacted]. <b>[redacted]</b>"),
        ("secret=hunter22 client_secret: 'hunter22'".into(), "secret=[redacted] client_secret: '[redacted]'"),
        ("mysql --password=hunter2 -h db".into(), "mysql --password=[redacted] -h db"),
        ("mysql --password hunter2 -h db".into(), "mysql --password [redacted] -h db"),
        ("login --api-key \"a b c\" x".into(), "login --api-key \"[redacted]\" x"),
        ("password: hunter2".into(), "password: [redacted]"),
        ("password: swordfish\nuser: ann".into(), "password: [redacted]\nuser: ann"),
        ("the password: hunter2 and more".into(), "the password: [redacted] and more"),
        (r#"{"password": "hunter2", "user": "ann"}"#.into(), r#"{"password": "[redacted]", "user": "ann"}"#),
        (r#"{\"password\":\"hunter2\",\"u\":1}"#.into(), r#"{\"password\":\"[redacted]\",\"u\":1}"#),
        ("{'api_key': 'hun ter2'}".into(), "{'api_key': '[redacted]'}"),
        ("API_KEY=hunter2".into(), "API_KEY=[redacted]"),
        ("Password=hunter2;Server=db".into(), "Password=[redacted];Server=db"),
        ("https://x/?token=hunter2&y=1".into(), "https://x/?token=[redacted]&y=1"),
        ("token = `hunter2`".into(), "token = `[redacted]`"),
        ("set `token=hunter2`, then".into(), "set `token=[redacted]`, then"),
        (
            "<SecretAccessKey>hunter2</SecretAccessKey>".into(),
            "<SecretAccessKey>[redacted]</SecretAccessKey>",
        ),
        ("AccessToken: a1b2c3d4e5".into(), "AccessToken: [redacted]"),
        ("Authorization: Bearer abc.def".into(), "Authorization: Bearer [redacted]"),
        ("at https://user:pa:ss@host/x".into(), "at https://user:[redacted]@host/x"),
    ] {
        assert_eq!(masked(&text), shown);
    }
    let mut value = json!({
        "SecretAccessKey": "short", "hub_token": "x", "DB_PASSWORD": 123456, "tokens": 7, "tokenizer": "x",
        "pad_token": "<pad>", "secret_arn": "arn:x", "token_file": "/x", "password": "", "token": "none",
        "run": ["login", "--password", "hunter2", "--user", "ann"], "secrets": ["a", "b"], "env": {"PGPASSWORD": "y"},
    });
    Masker::default().value(&mut value);
    let mask = "[redacted]";
    assert_eq!(
        value,
        json!({
            "SecretAccessKey": mask, "hub_token": mask, "DB_PASSWORD": mask, "tokens": 7, "tokenizer": "x",
            "pad_token": "<pad>", "secret_arn": "arn:x", "token_file": "/x", "password": "", "token": "none",
            "run": ["login", "--password", mask, "--user", "ann"], "secrets": [mask, mask], "env": {"PGPASSWORD": mask},
        })
    );
}

#[test]
fn a_known_value_is_masked_in_any_form() {
    let value = "Tr0ub4dor&3 \"xyz\"/q";
    know(value);
    for text in [
        value.to_owned(),
        value.to_uppercase(),
        serde_json::to_string(value).unwrap(),
        format!("a{value}b"),
        "https://x/?q=Tr0ub4dor%263%20%22xyz%22%2Fq".to_owned(),
    ] {
        let masked = masked(&text);
        assert!(masked.contains("[redacted]") && !masked.to_lowercase().contains("tr0ub4dor"), "{masked}");
    }
    for before in ["", "a", "ab", "user:"] {
        use base64::Engine;
        let encoded = base64::prelude::BASE64_STANDARD.encode(format!("{before}{value}!"));
        assert!(masked(&format!("x {encoded}")).contains("[redacted]"), "{encoded}");
    }
    know_fields(&[
        json!({"run": ["x", "--token=kn0wn-by-flag"], "env": {"MY_TOKEN": "kn0wn-by-name", "TOKEN": "{{ x }}"}}),
    ]);
    assert_eq!(masked("kn0wn-by-flag kn0wn-by-name {{ x }}"), "[redacted] [redacted] {{ x }}");
    know("424242424242");
    let mut number = json!([424_242_424_242_u64, 42]);
    Masker::default().value(&mut number);
    assert_eq!(number, json!(["[redacted]", 42]));
    // Too short, or a word that says that there is none.
    know("abc");
    know("none");
    assert_eq!(masked("abc none"), "abc none");
}

#[test]
fn a_private_key_is_masked_in_pieces() {
    let pem = expanded("-----BEGIN PRIVATE KEY-----\\n{b64}\\nQ{b63}\\n{b30}==\\n-----END PRIVATE KEY-----");
    let lines: Vec<&str> = pem.lines().collect();
    let leaks = |text: &str| lines.iter().filter(|line| text.contains(**line)).count();
    // As lines that come one after the other, and as a list.
    let mut log = Lines::default();
    let shown: Vec<String> =
        ["one"].iter().chain(&lines).chain(&["two"]).map(|line| log.shown(line)).collect();
    assert_eq!(
        (leaks(&shown.concat()), shown[0].as_str(), shown[6].as_str()),
        (0, "one", "two"),
        "{shown:?}"
    );
    let mut list = json!(["one", lines[0], lines[1], lines[2], lines[3], lines[4], "two"]);
    Masker::default().value(&mut list);
    assert_eq!((leaks(&list.to_string()), &list[0], &list[6]), (0, &json!("one"), &json!("two")), "{list}");
    // As JSON in a text, without its end, and without its beginning.
    for piece in [
        json!({"key": pem}).to_string(),
        lines[..3].join("\n"),
        lines[2..].join("\n"),
        lines[1..3].join("\n"),
        lines[1].to_owned(),
        format!("{pem} and {pem}"),
    ] {
        assert_eq!(leaks(&masked(&piece)), 0, "{piece}\n{}", masked(&piece));
    }
    assert_eq!(masked(&format!("a {pem} b")), "a [redacted] b");
}

#[test]
fn masks_of_equal_secrets_are_equal_and_stay() {
    let [one, other] = ["k3x9", "z2y8"].map(Masker::keyed);
    let of = |masker: &Masker, text: &str| {
        let mut value = json!({"token": text, "note": format!("password={text}"), "n": 1});
        masker.value(&mut value);
        value
    };
    let first = of(&one, "hunter22");
    assert_eq!(first, of(&one, "hunter22"));
    assert_ne!(first, of(&one, "hunter23"));
    assert_ne!(first, of(&other, "hunter22"));
    let mut again = first.clone();
    one.value(&mut again);
    assert_eq!(again, first);
    assert!(holds_mask(&first) && !holds_mask(&json!(["[redacted]"])));
    assert!(!may_hold_secret(&first.to_string()), "{first}");
    assert_eq!(shown_value(&first), json!({"token": "[redacted]", "note": "password=[redacted]", "n": 1}));
    assert_eq!(shown(&Value::from(first["note"].as_str()).to_string()), "\"password=[redacted]\"");
}
