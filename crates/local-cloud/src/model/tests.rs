//! Tests of how models read requests and write answers.

use std::fs::DirEntry;
use std::path::Path;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use serde_json::{Value, json};

use super::Model;
use crate::call::AwsError;

/// Returns the folder and the model of each service.
pub fn models() -> Vec<(String, &'static str)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = std::fs::read_dir(src).unwrap().map(|entry| entry.unwrap());
    let read = |folder: DirEntry| {
        let text = std::fs::read_to_string(folder.path().join("model.json")).ok()?;
        Some((folder.file_name().into_string().unwrap(), &*text.leak()))
    };
    let models: Vec<_> = folders.filter_map(read).collect();
    assert!(models.len() > 9, "{models:?}");
    models
}

/// The model of a query service with features that the present services don't use: flattened lists and maps, and names
/// on the wire.
const QUERY: &str = r#"{"protocol": "query", "namespace": "urn:q", "invalid": "ValidationError",
    "operations": {"Run": {"input": "In", "output": "In", "result": "RunResult"}, "Stop": {"input": "structure"}},
    "shapes": {
        "In": {"type": "structure", "members": {
            "Count": "integer", "Share": "double", "All": "boolean", "At": "timestamp", "Content": "blob",
            "Names": "Names", "Tags": "Tags", "Flat": ["Flat", "flat"], "Other": "Other", "Map": "Map",
            "FlatMap": "FlatMap", "In": "In"}},
        "Names": {"type": "list", "member": "string"},
        "Tags": {"type": "list", "member": "Tag"},
        "Tag": {"type": "structure", "required": ["Key"], "members": {"Key": "string", "Value": ["string", "value"]}},
        "Flat": {"type": "list", "flattened": true, "member": "integer"},
        "Other": {"type": "list", "member": ["string", "Each"]},
        "Map": {"type": "map", "key": "string", "value": "boolean"},
        "FlatMap": {"type": "map", "flattened": true, "key": ["string", "Name"], "value": ["string", "Value"]}}}"#;

const EC2: &str = r#"{"protocol": "ec2", "namespace": "http://ec2.amazonaws.com/doc/2016-11-15/",
    "operations": {"Run": {"input": "In", "output": "Out"}, "Tag": {"input": "In"}},
    "shapes": {
        "In": {"type": "structure", "required": ["Count"], "members": {
            "Count": "Small", "Groups": ["Names", "Group"], "DryRun": "boolean", "Kind": "Kind",
            "Tags": ["Tags", "Tag"]}},
        "Small": {"type": "integer", "min": 1, "max": 5},
        "Kind": {"type": "string", "enum": ["a", "b"]},
        "Names": {"type": "list", "member": "string"},
        "Tags": {"type": "list", "member": "Tag"},
        "Tag": {"type": "structure", "members": {"Key": ["string", "Key", "key"]}},
        "Out": {"type": "structure", "members": {
            "Groups": ["Names", "groupSet"], "At": ["timestamp", "at"], "Tags": ["Tags", "tagSet"]}}}}"#;

fn model(name: &str) -> Model {
    Model::read(models().into_iter().find(|(each, _)| each == name).unwrap().1)
}

fn parts(method: &str, uri: &str) -> Parts {
    Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
}

fn decoded(model: &Model, operation: &str, body: &str) -> Result<Value, AwsError> {
    let request = parts("POST", "/");
    model.decode(operation, &request, Bytes::from(body.to_owned())).map(|(input, _)| input)
}

fn form(model: &Model, body: &str) -> Result<Value, AwsError> {
    let operation = model.operation(&parts("POST", "/"), body.as_bytes())?;
    decoded(model, &operation, body)
}

fn text(response: Response<Bytes>) -> String {
    String::from_utf8(response.into_body().to_vec()).unwrap()
}

fn encoded(model: &Model, operation: &str, output: &Value) -> String {
    text(model.encode(&parts("POST", "/"), operation, output, "id"))
}

#[test]
fn a_query_form_becomes_typed_json() {
    let model = Model::read(QUERY);
    let body = "Action=Run&Version=1&Count=-3&Share=0.5&All=true&At=2025-01-01T00:00:00Z&Content=aGk=\
                &Names.member.2=b&Names.member.10=c&Names.member.1=a+%C3%A9&Tags.member.1.Key=k&Tags.member.1.value=1\
                &flat.2=2&flat.1=1&Other.Each.1=x&Map.entry.1.key=yes&Map.entry.1.value=true&Map.entry.2.key=no\
                &Map.entry.2.value=false&FlatMap.1.Name=n&FlatMap.1.Value=v&In.Count=4&Stray=1&Stray.Deep=2";
    let input = json!({
        "Count": -3, "Share": 0.5, "All": true, "At": "2025-01-01T00:00:00Z", "Content": "aGk=",
        "Names": ["a é", "b", "c"], "Tags": [{"Key": "k", "Value": "1"}], "Flat": [1, 2], "Other": ["x"],
        "Map": {"yes": true, "no": false}, "FlatMap": {"n": "v"}, "In": {"Count": 4},
    });
    assert_eq!(form(&model, body).unwrap(), input);
    assert_eq!(
        form(&model, "Action=Run&Names=&Map=&In=&All=false&Content=").unwrap(),
        json!({
        "Names": [], "Map": {}, "In": {}, "All": false, "Content": ""})
    );
    assert_eq!(form(&model, "Action=Stop&X.1=2").unwrap(), json!({}));
}

#[test]
fn a_query_answer_is_xml_by_the_model() {
    let model = Model::read(QUERY);
    let output = json!({
        "Count": 3, "All": false, "At": null, "Names": ["<&>\u{1}"], "Tags": [{"Key": "k", "Value": "v"}], "Flat": [1, 2],
        "Other": ["x"], "Map": {"yes": true}, "FlatMap": {"n": "v"},
    });
    assert_eq!(
        encoded(&model, "Run", &output),
        "<RunResponse xmlns=\"urn:q\"><RunResult><Count>3</Count><All>false</All>\
         <Names><member>&lt;&amp;&gt;\u{FFFD}</member></Names>\
         <Tags><member><Key>k</Key><value>v</value></member></Tags><flat>1</flat><flat>2</flat>\
         <Other><Each>x</Each></Other><Map><entry><key>yes</key><value>true</value></entry></Map>\
         <FlatMap><Name>n</Name><Value>v</Value></FlatMap></RunResult>\
         <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></RunResponse>"
    );
    let empty = "<RunResponse xmlns=\"urn:q\"><RunResult></RunResult><ResponseMetadata>";
    assert!(encoded(&model, "Run", &json!({})).starts_with(empty));
    assert!(encoded(&model, "Run", &Value::Null).starts_with(empty));
    let without = "<StopResponse xmlns=\"urn:q\"><ResponseMetadata>";
    assert!(encoded(&model, "Stop", &Value::Null).starts_with(without));
    for made_up in [json!({"Nomes": []}), json!({"Count": "3"}), json!({"Names": {}}), json!([])] {
        let answer = model.encode(&parts("POST", "/"), "Run", &made_up, "id");
        assert_eq!(answer.status(), 500, "{made_up}");
    }
}

#[test]
fn an_ec2_form_becomes_typed_json() {
    let model = Model::read(EC2);
    let body = "Action=Run&Version=x&Count=3&Group.10=c&Group.2=b&Group.1=a&DryRun=true&Tag.1.Key=k+1";
    let expected = json!({"Count": 3, "DryRun": true, "Groups": ["a", "b", "c"], "Tags": [{"Key": "k 1"}]});
    assert_eq!(form(&model, body).unwrap(), expected);
}

#[test]
fn what_does_not_fit_is_refused_in_ec2s_words() {
    let model = Model::read(EC2);
    for (body, code, message) in [
        ("Count=1", "MissingAction", "Action"),
        ("Action=Run", "MissingParameter", "The request must contain the parameter Count"),
        ("Action=Run&Count=1&Size=2", "UnknownParameter", "The parameter Size is not recognized"),
        ("Action=Run&Count=1&Groups.1=x", "UnknownParameter", "The parameter Groups is not recognized"),
        ("Action=Run&Count=x", "InvalidParameterValue", "must be an integer"),
        ("Action=Run&Count=9", "InvalidParameterValue", "Value (9) for parameter Count is invalid."),
        ("Action=Run&Count=0", "InvalidParameterValue", "Expecting a value greater than or equal to 1."),
        ("Action=Run&Count=1&Kind=c", "InvalidParameterValue", "Invalid value 'c' for Kind."),
        ("Action=Run&Count=1&Group.x=c", "UnknownParameter", "Group.x"),
        ("Action=Run&Count=1&Group=c", "InvalidParameterValue", "Value (c) for parameter Group is invalid"),
        ("Action=Run&Count=1&Tag.2.Kay=c", "UnknownParameter", "Tag.2.Kay"),
        ("Action=Run&Count.1=1", "UnknownParameter", "Count"),
        (
            "Action=Run&Count=1&DryRun=yes",
            "InvalidParameterValue",
            "DryRun is invalid. Parameter must be true or false",
        ),
    ] {
        let error = form(&model, body).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, code), "{body}");
        assert!(error.message.contains(message), "{body}: {}", error.message);
    }
}

#[test]
fn an_ec2_answer_is_items_in_a_namespace() {
    let model = Model::read(EC2);
    let output = json!({"Groups": ["<a>"], "At": null, "Tags": [{"Key": "k"}]});
    assert_eq!(
        encoded(&model, "Run", &output),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <RunResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>id</requestId>\
         <groupSet><item>&lt;a&gt;</item></groupSet><tagSet><item><key>k</key></item></tagSet></RunResponse>"
    );
    assert!(encoded(&model, "Tag", &Value::Null).contains("<requestId>id</requestId><return>true</return>"));
    let made_up = model.encode(&parts("POST", "/"), "Run", &json!({"Grups": []}), "id");
    assert_eq!(made_up.status(), 500);
    assert!(text(made_up).contains("no member Grups"));
}

#[test]
fn faults_are_worded_as_aws_words_them() {
    let at = |path: &str, value: &str, must: &str| {
        format!(
            "1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: Member must {must}"
        )
    };
    let pattern = "satisfy regular expression pattern: ";
    for (name, operation, body, code, message) in [
        ("sagemaker", "DescribeTrainingJob", r#"{"TrainingJobName": "a_b"}"#, "ValidationException",
            at("trainingJobName", "'a_b'", &format!("{pattern}[a-zA-Z0-9](-*[a-zA-Z0-9]){{0,62}}"))),
        ("sagemaker", "ListModels", r#"{"MaxResults": "x"}"#, "SerializationException",
            "STRING_VALUE can not be converted to an Integer".to_owned()),
        ("sagemaker", "ListModels", r#"{"NameContains": [1], "MaxResults": 0}"#, "SerializationException",
            "Start of list found where not expected".to_owned()),
        ("logs", "CreateLogGroup", r#"{"logGroupName": 1}"#, "SerializationException",
            "NUMBER_VALUE can not be converted to a String".to_owned()),
        ("sagemaker", "ListModels", r#"{"MaxResults": 0}"#, "ValidationException",
            at("maxResults", "'0'", "have value greater than or equal to 1")),
        ("sagemaker", "ListModels", r#"{"MaxResults": 1.5}"#, "ValidationException",
            at("maxResults", "'1.5'", "be a whole number")),
        ("sagemaker", "ListModels", r#"{"Most": 1}"#, "ValidationException",
            "1 validation error detected: Unknown parameter 'most'".to_owned()),
        ("logs", "CreateLogGroup", "{}", "InvalidParameterException", at("logGroupName", "null", "not be null")),
        ("logs", "CreateLogGroup", r#"{"logGroupName": "a b"}"#, "InvalidParameterException",
            at("logGroupName", "'a b'", &format!("{pattern}[\\.\\-_/#A-Za-z0-9]+"))),
        ("cloudwatch", "DeleteAlarms", r#"{"AlarmNames": [""]}"#, "ValidationError",
            at("alarmNames.1.member", "''", "have length greater than or equal to 1")),
        ("autoscaling", "TagResource", r#"{"ResourceARN": "x", "Tags": {}}"#, "ValidationException",
            at("resourceARN", "'x'",
                &format!("{pattern}^arn:.+:application-autoscaling:.+:[0-9]+:scalable-target\\/[a-zA-Z0-9-]+$"))),
        ("ssm", "GetParameters", r#"{"Names": []}"#, "ValidationException",
            at("names", "[]", "have length greater than or equal to 1")),
        ("sts", "AssumeRole", "RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=a/b", "ValidationError",
            at("roleSessionName", "'a/b'", &format!("{pattern}[\\w+=,.@-]*"))),
        ("sts", "AssumeRole", "RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=ab&DurationSeconds=899",
            "ValidationError", at("durationSeconds", "'899'", "have value greater than or equal to 900")),
        ("iam", "GetRole", "RoleName=", "ValidationError",
            at("roleName", "''", "have length greater than or equal to 1")),
        ("iam", "ListRoles", "MaxItems=x", "ValidationError", at("maxItems", "'x'", "be an integer")),
        ("iam", "TagRole", "RoleName=r&Tags.member.3.Key=k", "ValidationError",
            at("tags.1.member.value", "null", "not be null")),
        ("iam", "GetRole", "RoleName=a/b", "ValidationError",
            "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-".to_owned()),
        ("iam", "CreateUser", "UserName=u&Path=x", "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.".to_owned()),
    ] {
        let model = model(name);
        let form = name == "iam" || name == "sts";
        let body = if form { format!("Action={operation}&{body}") } else { body.to_owned() };
        let error = decoded(&model, operation, &body).unwrap_err();
        assert_eq!((error.status, error.code.as_str(), error.message), (400, code, message), "{name} {body}");
    }
}

#[test]
fn all_faults_are_named_at_once() {
    let sagemaker = model("sagemaker");
    let error = decoded(&sagemaker, "CreateEndpoint", "{}").unwrap_err();
    assert!(error.message.starts_with("2 validation errors detected: Value null at"), "{}", error.message);
    let body = r#"{"EndpointConfigName": "c", "ProductionVariants":
        [{"VariantName": "v", "InstanceType": "ml.none", "InitialInstanceCount": 0}]}"#;
    let message = decoded(&sagemaker, "CreateEndpointConfig", body).unwrap_err().message;
    assert!(message.contains("'ml.none' at 'productionVariants.1.member.instanceType'"), "{message}");
    assert!(message.contains("greater than or equal to 1"), "{message}");
    decoded(&sagemaker, "ListModels", r#"{"MaxResults": 5, "SortBy": null}"#).unwrap();
    // IAM checks the patterns of names after everything else.
    let message = decoded(&model("iam"), "CreateRole", "Action=CreateRole&RoleName=a/b").unwrap_err().message;
    assert!(
        message.starts_with("1 validation error detected: Value null at 'assumeRolePolicyDocument'"),
        "{message}"
    );
}

#[test]
fn bodies_without_sense_are_refused() {
    let deep = format!("Action=GetRole&{}=1", vec!["a"; 10_000].join("."));
    assert_eq!(form(&model("iam"), &deep).unwrap_err().code, "MalformedInput");
    assert_eq!(form(&model("iam"), "").unwrap_err().code, "MissingAction");
    assert_eq!(decoded(&model("logs"), "CreateLogGroup", "[]").unwrap_err().code, "SerializationException");
    let request = parts("POST", "/2015-03-31/functions");
    let error = model("lambda").decode("CreateFunction", &request, Bytes::from_static(b"{")).unwrap_err();
    assert_eq!(error.code, "SerializationException");
}

#[test]
fn a_rest_operation_is_found_by_its_path() {
    let lambda = model("lambda");
    let concurrency = "/2019-09-30/functions/f/provisioned-concurrency";
    for (method, uri, operation, input) in [
        ("GET", "/2015-03-31/functions/?MaxItems=5", "ListFunctions", json!({"MaxItems": 5})),
        (
            "GET",
            &format!("{concurrency}?List=ALL"),
            "ListProvisionedConcurrencyConfigs",
            json!({"FunctionName": "f"}),
        ),
        (
            "GET",
            &format!("{concurrency}?Qualifier=1"),
            "GetProvisionedConcurrencyConfig",
            json!({"FunctionName": "f", "Qualifier": "1"}),
        ),
        (
            "DELETE",
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af?tagKeys=a&tagKeys=b",
            "UntagResource",
            json!({"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f", "TagKeys": ["a", "b"]}),
        ),
    ] {
        let request = parts(method, uri);
        assert!(lambda.speaks(&request), "{uri}");
        assert_eq!(lambda.operation(&request, b"").unwrap(), operation, "{uri}");
        assert_eq!(lambda.decode(operation, &request, Bytes::new()).unwrap().0, input, "{uri}");
    }
    for uri in ["/2018-10-31/layers", "/2015-03-31/functions//policy"] {
        assert!(!lambda.speaks(&parts("GET", uri)), "{uri}");
        assert_eq!(lambda.operation(&parts("GET", uri), b"").unwrap(), uri);
    }
}

#[test]
fn what_the_path_says_is_what_is_asked() {
    let request = parts("PUT", "/2015-03-31/functions/f/configuration");
    let body = Bytes::from_static(br#"{"FunctionName": "other", "Timeout": 3}"#);
    let (input, payload) = model("lambda").decode("UpdateFunctionConfiguration", &request, body).unwrap();
    assert_eq!((input, payload.len()), (json!({"FunctionName": "f", "Timeout": 3}), 0));
    let mut request = parts("POST", "/2015-03-31/functions/f/invocations?Qualifier=1");
    request.headers.insert("x-amz-invocation-type", "Event".parse().unwrap());
    let (input, payload) = model("lambda").decode("Invoke", &request, Bytes::from_static(b"{}")).unwrap();
    assert_eq!(input, json!({"FunctionName": "f", "Qualifier": "1", "InvocationType": "Event"}));
    assert_eq!(payload, "{}");
}

#[test]
fn services_of_one_name_are_told_apart() {
    let invoke = parts("POST", "/endpoints/e/invocations");
    let mut create = parts("POST", "/");
    create.headers.insert("x-amz-target", "SageMaker.CreateModel".parse().unwrap());
    let (sagemaker, runtime) = (model("sagemaker"), model("runtime"));
    assert!(runtime.speaks(&invoke) && !runtime.speaks(&create));
    assert!(sagemaker.speaks(&create) && !sagemaker.speaks(&invoke));
    let (input, body) = runtime.decode("InvokeEndpoint", &invoke, Bytes::from_static(b"x")).unwrap();
    assert_eq!((input, body), (json!({"EndpointName": "e"}), Bytes::from_static(b"x")));
}

#[test]
fn an_error_is_in_the_words_of_its_protocol() {
    let error = AwsError::new(404, "ResourceNotFoundException", "<none>").with("Type", "Mine");
    for (name, expected) in [
        ("lambda", r#"{"Type":"Mine","Message":"<none>"}"#),
        ("logs", r#"{"__type":"ResourceNotFoundException","message":"<none>","Type":"Mine"}"#),
        (
            "sts",
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
            <Code>ResourceNotFoundException</Code><Message>&lt;none&gt;</Message></Error><RequestId>id</RequestId>\
            </ErrorResponse>",
        ),
        (
            "ec2",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>\
            <Code>ResourceNotFoundException</Code><Message>&lt;none&gt;</Message></Error></Errors>\
            <RequestID>id</RequestID></Response>",
        ),
    ] {
        let answer = model(name).encode_error(&parts("POST", "/"), &error, "id");
        assert_eq!(answer.status(), 404, "{name}");
        assert_eq!(answer.headers()["x-amzn-requestid"], "id");
        assert_eq!(text(answer), expected, "{name}");
    }
}

#[test]
fn success_has_the_status_of_the_operation() {
    let lambda = model("lambda");
    let request = parts("DELETE", "/");
    let status = |operation| lambda.encode(&request, operation, &json!({}), "id").status().as_u16();
    assert_eq!(
        ["CreateFunction", "DeleteFunction", "ListFunctions", "Invoke"].map(status),
        [201, 204, 200, 200]
    );
    assert_eq!(encoded(&lambda, "DeleteFunction", &Value::Null), "");
    assert_eq!(encoded(&model("logs"), "CreateLogGroup", &Value::Null), "");
}
