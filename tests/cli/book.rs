//! The book in `docs/`: its pages of kinds are the program's own descriptions, its examples pass `check`, and its links lead somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::check::golden_at;
use crate::cloud::repository;
use crate::env::Env;

/// Returns the pages below a folder.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn pages_of_kinds_are_what_help_prints() {
    let env = Env::new();
    let page = |name: &str, file: &str| {
        let told = env.opsml(["help", name, "--markdown"]).code(0).stdout;
        golden_at(&repository("docs/src").join(file), &told);
    };
    for kind in opsml::step::kind_names() {
        page(kind, &format!("kinds/{kind}.md"));
    }
    for topic in opsml::reference::topics() {
        page(topic, &format!("{topic}.md"));
    }
}

#[test]
fn examples_of_the_book_pass_check() {
    let env = Env::new();
    for name in ["data/images.zip", "src/train.py", "src/hpo.py", "shoe.png", "notes.txt"] {
        env.write(name, "");
    }
    let mut checked = 0;
    for path in pages(&repository("docs/src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for example in text.split("\n````markdown\n").skip(1) {
            let (example, _) = example.split_once("\n````").unwrap_or_else(|| panic!("{}", path.display()));
            env.write("example.md", format!("{example}\n"));
            env.opsml(["check", "example.md"]).code(0).says("no problems");
            checked += 1;
        }
    }
    assert!(checked > 4, "{checked} examples");
    // The first of the tutorial does what its page says.
    let tutorial = std::fs::read_to_string(repository("docs/src/tutorial.md")).unwrap();
    let (_, first) = tutorial.split_once("\n````markdown\n").unwrap();
    env.write("first.md", first.split_once("\n````").unwrap().0);
    env.opsml(["run", "first.md"]).code(0);
    assert!(env.read("reports/first/report.md").contains("It said: hello."));
    env.opsml(["down", "first.md"]).code(0);
}

#[test]
fn the_contents_name_every_page_and_links_lead_to_one() {
    let folder = repository("docs/src");
    let mut linked = BTreeSet::new();
    for path in pages(&folder) {
        let text = std::fs::read_to_string(&path).unwrap();
        for target in
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        {
            if target.ends_with(".md") {
                let page = path.parent().unwrap().join(target).canonicalize();
                let page = page.unwrap_or_else(|_| panic!("{} links to {target}", path.display()));
                if path.ends_with("SUMMARY.md") {
                    linked.insert(page);
                }
            }
        }
    }
    let all: BTreeSet<PathBuf> =
        pages(&folder).into_iter().filter(|path| !path.ends_with("SUMMARY.md")).collect();
    let all: BTreeSet<PathBuf> = all.into_iter().map(|path| path.canonicalize().unwrap()).collect();
    assert_eq!(linked, all);
}
