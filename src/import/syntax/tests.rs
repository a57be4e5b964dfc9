//! What is read of Python, by examples.

use super::*;

fn read(source: &str) -> Result<Statement, &'static str> {
    match &lines(source).first().unwrap().content {
        Content::Tokens(tokens) => statement(tokens),
        other => panic!("{other:?}"),
    }
}

fn value(source: &str) -> Expr {
    match read(source) {
        Ok(Statement::Expression(value)) => value,
        other => panic!("{source}: {other:?}"),
    }
}

fn text(text: &str) -> Expr {
    Expr::Text(vec![Part::Literal(text.to_owned())])
}

fn name(name: &str) -> Expr {
    Expr::Name(name.to_owned())
}

#[test]
fn values_of_each_sort() {
    let constant = |value: Value| Expr::Constant(value);
    let list = |items: &[Expr]| Expr::List(items.to_vec());
    let table = [
        ("None", constant(Value::Null)),
        ("1_000", constant(1000.into())),
        ("1e-3", constant(0.001.into())),
        ("0x1F", constant(31.into())),
        ("3j", Expr::Other),
        (r"'a\tb\.\x41\u00e9\z'", text("a\tb\\.Aé\\z")),
        (r"r'\n'", text("\\n")),
        ("b'x'", Expr::Other),
        ("(1)", constant(1.into())),
        ("(1,)", list(&[constant(1.into())])),
        ("()", list(&[])),
        ("[x for x in y]", list(&[Expr::Other])),
        ("{1, 2}", Expr::Other),
        ("a if b else c", Expr::Other),
        ("not a", Expr::Other),
        ("a < b", Expr::Other),
        ("lambda x, y=1: x", Expr::Other),
        ("a[1:2, ::3]", Expr::Other),
        ("a['b']", Expr::Item(Box::new(name("a")), Box::new(text("b")))),
        ("-a.b", Expr::Negative(Box::new(Expr::Attribute(Box::new(name("a")), "b".into())))),
        ("{'a': b, **c}", Expr::Dict(vec![(Some(text("a")), name("b")), (None, name("c"))])),
    ];
    for (source, expected) in table {
        assert_eq!(value(source), expected, "{source}");
    }
    let Expr::Text(parts) = value("'s3://' f'{bucket}/{{x}}{p!r}' \"/y\"") else { panic!() };
    let parts: Vec<Part> = parts.into_iter().filter(|part| *part != Part::Literal(String::new())).collect();
    let literal = |text: &str| Part::Literal(text.to_owned());
    assert_eq!(
        parts,
        [
            literal("s3://"),
            Part::Value(name("bucket")),
            literal("/{x}"),
            Part::Value(Expr::Other),
            literal("/y")
        ]
    );
}

#[test]
fn statements_of_each_sort() {
    let import = |names: &[(&str, &[&str])]| {
        let name = |(name, path): &(&str, &[&str])| {
            ((*name).to_owned(), path.iter().map(|it| (*it).to_owned()).collect())
        };
        Ok(Statement::Import(names.iter().map(name).collect()))
    };
    assert_eq!(read("import a.b as c, d.e, f"), import(&[("c", &["a", "b"]), ("d", &["d"]), ("f", &["f"])]));
    assert_eq!(
        read("from a.b import (c, d as e,)"),
        import(&[("c", &["a", "b", "c"]), ("e", &["a", "b", "d"])])
    );
    assert_eq!(read("from . import *"), import(&[]));
    assert_eq!(read("from"), import(&[]));
    assert_eq!(read("def f(x):"), Ok(Statement::Block("def".into(), Some("f".into()))));
    assert_eq!(read("x += 1"), Ok(Statement::Other("+=".into())));
    assert_eq!(
        read("a, b = f(1, *c, d=2, **e)"),
        Ok(Statement::Assign(
            vec![Expr::List(vec![name("a"), name("b")])],
            Expr::Call(
                Box::new(name("f")),
                vec![
                    Argument { name: None, spreads: false, value: Expr::Constant(1.into()) },
                    Argument { name: None, spreads: true, value: name("c") },
                    Argument { name: Some("d".into()), spreads: false, value: Expr::Constant(2.into()) },
                    Argument { name: None, spreads: true, value: name("e") },
                ]
            )
        ))
    );
    assert_eq!(read("a: str = 'b'"), Ok(Statement::Assign(vec![name("a")], text("b"))));
    for broken in ["a b", "a =", "a?", "f(a b)", "x = !ls", "f'{'", "a."] {
        assert!(read(broken).is_err(), "{broken}");
    }
}

#[test]
fn deep_and_long_expressions_are_refused_without_harm() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{1: ", "}"), ("f(", ")"), ("a[", "]"), ("-", ""), ("not ", "")]
    {
        let source = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(read(&source), Err("it is nested too deeply"), "{open}");
    }
    for chain in ["a.b", "1+", "a()", "a[1]"] {
        let source = format!(
            "a{}{}",
            chain.trim_start_matches('a').repeat(100_000),
            if chain == "1+" { "1" } else { "" }
        );
        assert!(read(&source.replace("a1+", "1+")).is_err(), "{chain}");
    }
    let nested = format!("f'{}'", "{f\"".repeat(1000));
    assert!(read(&nested).is_err());
}
