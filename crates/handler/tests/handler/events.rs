//! Events and their outcomes: answers, the service's errors, and a program that survives both.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::lambda::Function;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

#[tokio::test]
async fn an_image_goes_to_the_endpoint_and_its_vector_comes_back() {
    let mut function = Function::start(Some("dogs")).await;
    let wanted = json!({
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain", "Access-Control-Allow-Origin": "*"},
        "body": "[[1.5, -2]]",
    });
    let event = json!({"url": "https://example.com/dog.jpg"}).to_string();
    assert_eq!(function.send(event.clone()).await, ("response".into(), wanted.clone()));
    let image = json!({"body": BASE64.encode(PNG), "isBase64Encoded": true}).to_string();
    assert_eq!(function.send(image).await, ("response".into(), wanted));
    let url = br#"{"url":"https://example.com/dog.jpg"}"#.to_vec();
    assert_eq!(
        function.asked(),
        [
            ("dogs".to_owned(), "application/json".to_owned(), url),
            ("dogs".to_owned(), "image/png".to_owned(), PNG.to_vec())
        ]
    );
}

#[tokio::test]
async fn the_services_errors_have_botocores_words() {
    let mut function = Function::start(Some("dogs")).await;
    let event = json!({"url": "https://example.com/dog.jpg"}).to_string();
    let denied = "User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: sagemaker:InvokeEndpoint on resource: arn:aws:sagemaker:us-east-1:123456789012:endpoint/dogs because no identity-based policy allows the sagemaker:InvokeEndpoint action";
    for (status, error_type, message) in [
        (400, "AccessDeniedException", denied),
        (400, "ValidationError", "Endpoint dogs of account 123456789012 not found."),
        (424, "ModelError", r#"Received client error (400) from primary with message "{"error": "x"}"."#),
    ] {
        function.endpoint_answers(status, error_type, json!({ "Message": message }).to_string());
        let expected =
            format!("An error occurred ({error_type}) when calling the InvokeEndpoint operation: {message}");
        assert_eq!(function.fail(event.clone()).await, (error_type.to_owned(), expected));
    }
    // A proxy between the function and the service may answer, and not in JSON.
    function.endpoint_answers(502, "", "<html>Bad Gateway</html>");
    let (error_type, message) = function.fail(event.clone()).await;
    assert_eq!(error_type, "502");
    assert!(message.starts_with("An error occurred (502) when calling"), "{message}");
    for (body, why) in [(&b"\xff"[..], "isn't text"), (b"", "isn't JSON"), (b"[[1", "isn't JSON")] {
        function.endpoint_answers(200, "", body);
        let (error_type, message) = function.fail(event.clone()).await;
        assert!(error_type == "BadAnswer" && message.contains(why), "{error_type}: {message}");
    }
}

#[tokio::test]
async fn no_event_ends_the_program() {
    let mut function = Function::start(Some("dogs")).await;
    let mut large = json!({ "image": "A".repeat(6 << 20) }).to_string();
    large.push(' ');
    for hostile in [
        "null".to_owned(),
        "[]".into(),
        "3e999999".into(),
        "{}".into(),
        r#"{"url": {"url": {}}}"#.into(),
        r#"{"image": "\ud83d\ude00"}"#.into(),
        r#"{"url": "\ud800"}"#.into(),
        format!("{}{}", "[".repeat(500_000), "]".repeat(500_000)),
        format!(r#"{{"url": {}{}}}"#, "{\"a\":".repeat(200), "3".to_owned() + &"}".repeat(200)),
        large,
    ] {
        let start: String = hostile.chars().take(40).collect();
        let (error_type, message) = function.fail(hostile).await;
        assert_eq!(error_type, "BadRequest", "{start}: {message}");
        assert!(message.contains(r#"an event is {"url""#), "{start}: {message}");
    }
    // Lambda refuses what isn't JSON. If such an event came nevertheless, it must not end the program.
    for no_json in [&b""[..], b"{", b"\xff\xfe", b"\0"] {
        assert_ne!(function.fail(no_json).await.0, "");
    }
    assert!(function.asked().is_empty());
    assert_eq!(function.send(r#"{"url": "https://example.com/"}"#).await.0, "response");
    assert!(function.child.try_wait().unwrap().is_none());
}

#[tokio::test]
async fn without_an_endpoint_the_error_names_the_variable() {
    for endpoint in [None, Some("")] {
        let mut function = Function::start(endpoint).await;
        let (error_type, message) = function.fail(r#"{"url": "https://example.com/"}"#).await;
        assert_eq!(error_type, "NoEndpoint");
        assert!(message.contains("ENDPOINT_NAME"), "{message}");
    }
}

#[test]
fn outside_of_lambda_it_says_that_it_is_a_function() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_opsml-handler"));
    let output = command.env_clear().output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("AWS_LAMBDA_RUNTIME_API") && !error.contains("panicked"), "{error}");
}
