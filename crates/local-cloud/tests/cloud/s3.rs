//! S3 through boto3.

use crate::{Server, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("s3 = boto3.client('s3', config=config)\n{code}");
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

/// Returns the number of files that hold objects' bytes, and of those that are being written.
fn files(server: &Server) -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(server.dir.path().join("s3").join(folder)).unwrap().count();
    (count("objects"), count("new"))
}

#[test]
fn objects_come_back_as_they_went() {
    let server = Server::start();
    run(&server, include_str!("s3/objects.py"));
    assert_eq!(files(&server), (0, 0));
}

#[test]
fn answers_are_those_that_are_verified_on_aws() {
    let server = Server::start();
    run(&server, include_str!("s3/answers.py"));
}

#[test]
fn uploads_and_their_parts_are_listed() {
    run(&Server::start(), include_str!("s3/upload_listings.py"));
}

#[test]
fn no_member_of_an_input_is_dropped() {
    let server = Server::start();
    let src = concat!(env!("CARGO_MANIFEST_DIR"), "/src/s3");
    let code = format!("s3 = boto3.client('s3', config=config)\n{}", include_str!("s3/members.py"));
    server.python_with(&code, &[&format!("{src}/members.txt"), &format!("{src}/operations.rs")]);
}

#[test]
fn an_answer_before_the_body_leaves_the_connection_sound() {
    let server = Server::start();
    run(&server, include_str!("s3/connections.py"));
}

#[test]
fn listings_page_and_group() {
    let server = Server::start();
    run(&server, include_str!("s3/listings.py"));
}

#[test]
fn versions_are_kept_and_markers_hide_them() {
    let server = Server::start();
    run(&server, include_str!("s3/versions.py"));
    assert_eq!(files(&server), (0, 0));
}

#[test]
fn multipart_uploads_and_settings() {
    let server = Server::start();
    run(&server, include_str!("s3/uploads_and_settings.py"));
    assert_eq!(files(&server), (0, 0));
}

#[test]
fn policies_and_tokens_are_enforced() {
    let server = Server::start();
    run(&server, include_str!("s3/access.py"));
}

#[test]
fn parts_are_copied_and_read_by_number_with_tags_and_classes() {
    let server = Server::start();
    run(&server, include_str!("s3/parts.py"));
    assert_eq!(files(&server), (0, 0));
}

#[test]
fn requests_are_checked_as_on_aws() {
    run(&Server::start(), include_str!("s3/requests.py"));
}

#[test]
fn objects_are_really_encrypted_under_the_managed_key() {
    let server = Server::start();
    let arn = run(&server, include_str!("s3/encryption.py"));
    let folder = server.dir.path().join("s3");
    let mut files = std::fs::read_dir(folder.join("objects")).unwrap();
    let secret = b"a secret that stands in no file.";
    assert!(files.all(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        !bytes.windows(secret.len()).any(|window| window == secret)
    }));
    let key = std::fs::metadata(folder.join("aws-s3.key")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    let code =
        format!("s3 = boto3.client('s3', config=config)\n{}", include_str!("s3/encryption_after_restart.py"));
    server.restart().python_with(&code, &[&arn]);
}
