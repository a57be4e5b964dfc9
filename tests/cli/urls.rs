//! `predict` with a URL: the endpoint fetches pictures only from the origins that its `deploy` step allows.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::env::{Env, cores};
use crate::small::{RUNBOOK, small_with};

/// Serves a file to every client, on a port of 127.0.0.1, and returns its origin.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            lines.find(String::is_empty);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            let _ = stream.write_all(&bytes);
        }
    });
    origin
}

#[test]
fn an_endpoint_fetches_from_where_its_step_allows() {
    let _cores = cores();
    let env = small_with("");
    let picture = std::fs::read(env.path("images/test/dark/0.png")).unwrap();
    let (allowed, other) = (serve(picture.clone()), serve(picture));
    let ask = |id: &str, url: &str, more: &str| {
        format!(
            "```opsml {id}\npredict: {{endpoint: \"{{{{ deploy.endpoint_name }}}}\", url: \"{url}\"}}\n{more}```\n\n"
        )
    };
    let deploys = &RUNBOOK[..RUNBOOK.find("```opsml predict").unwrap()];
    let deploys = deploys.replace(
        "  instance_type: ml.m5.large\n",
        &format!("  instance_type: ml.m5.large\n  image_origins: [\"{allowed}\"]\n"),
    );
    env.write(
        "small.md",
        deploys
            + &ask("predict", &format!("{allowed}/dark.png"), "")
            + &ask("refused", &other, "expect_error: ModelError\n")
            + &ask("inside", "http://169.254.169.254/latest/meta-data/", "expect_error: ModelError\n"),
    );
    env.opsml(["run", "small.md"]).code(0).says("▶ predict");
    for (step, why) in [
        ("refused", format!("this endpoint may not fetch from {other}")),
        ("inside", "this endpoint may not fetch from http://169.254.169.254".to_owned()),
    ] {
        env.opsml(["show", "small.md", step, "--format", "json"]).code(0).says(&why);
    }
}

#[test]
fn origins_and_pictures_are_checked_before_a_run() {
    let env = Env::new();
    let deploy = "deploy: {model_data: \"s3://bucket/model.tar.gz\", role: \"arn:aws:iam::123456789012:role/r\", instance_type: ml.m5.large";
    for (block, why) in [
        (format!("{deploy}, image_origins: [\"https://a.test/path\"]}}"), "an origin is http or https"),
        (format!("{deploy}, image_origins: [a.test]}}"), "an origin is http or https"),
        (
            format!(
                "{deploy}, image_origins: [\"https://a.test\"], environment: {{OPSML_IMAGE_ORIGINS: x}}}}"
            ),
            "which says the same",
        ),
        ("predict: {endpoint: e}".into(), "one of `image` and `url`"),
        (
            "predict: {endpoint: e, image: a.png, url: \"https://a.test/a.png\"}".into(),
            "one of `image` and `url`",
        ),
    ] {
        env.write("a.md", format!("```opsml a\n{block}\n```\n"));
        env.opsml(["check", "a.md"]).code(2).says(why);
    }
    env.write(
        "a.md",
        format!(
            "```opsml a\n{deploy}, image_origins: [\"https://a.test:8443\", \"http://[::1]:80\"]}}\n```\n"
        ),
    );
    env.opsml(["check", "a.md"]).code(0);
}
