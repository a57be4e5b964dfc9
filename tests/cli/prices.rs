//! Prices from AWS's price list. A server answers in AWS's place to a run with `--target aws`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::env::Env;

const RUNBOOK: &str = r#"---
title: Prices
budget: 0.5 USD
---
```opsml choice
choose_instance: {candidates: [m5.xlarge]}
```

```opsml notebook
notebook: {instance_type: ml.t3.medium, role: "arn:aws:iam::123456789012:role/r"}
```
"#;

/// A server that answers for STS and the price list. It records the filters of each GetProducts.
struct Aws {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Aws {
    fn start(allowed: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keep = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), allowed, &keep);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, allowed: bool, asked: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head: Vec<String> =
        reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let line = head.iter().find_map(|line| line.to_lowercase().strip_prefix(name).map(str::to_owned));
        line.unwrap_or_default().trim().to_owned()
    };
    let mut body = vec![0; header("content-length:").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let (status, answer) = match header("x-amz-target:").as_str() {
        "awspricelistservice.getproducts" => {
            assert!(header("authorization:").contains("/us-east-1/pricing/aws4_request"));
            let input: Value = serde_json::from_slice(&body).unwrap();
            asked.lock().unwrap().push(input["Filters"].clone());
            match allowed {
                true => ("200 OK", products(&input).to_string()),
                false => {
                    let denied = "User: u is not authorized to perform: pricing:GetProducts";
                    (
                        "400 Bad Request",
                        json!({"__type": "AccessDeniedException", "Message": denied}).to_string(),
                    )
                }
            }
        }
        _ => {
            assert!(String::from_utf8_lossy(&body).contains("Action=GetCallerIdentity"));
            let identity = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                <Arn>arn:aws:iam::123456789012:user/u</Arn><UserId>u</UserId><Account>123456789012</Account>\
                </GetCallerIdentityResult></GetCallerIdentityResponse>";
            ("200 OK", identity.to_owned())
        }
    };
    let length = answer.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}")
        .unwrap();
}

/// Returns a page of the price list in AWS's form, in which each product is a string that holds JSON.
fn products(input: &Value) -> Value {
    let product = |attributes: Value, unit: &str, usd: &str| {
        let dimension =
            json!({"unit": unit, "pricePerUnit": {"USD": usd}, "beginRange": "0", "endRange": "Inf"});
        let term = json!({"priceDimensions": {"SKU.JRTCKXETXF.6YS6EN2CT7": dimension}, "termAttributes": {}});
        let reserved =
            json!({"SKU.R": {"priceDimensions": {"SKU.R.D": {"unit": "Hrs", "pricePerUnit": {"USD": "9"}}}}});
        let product = json!({
            "product": {"productFamily": "ML Instance", "attributes": attributes, "sku": "SKU"},
            "serviceCode": input["ServiceCode"], "version": "20261120", "publicationDate": "2026-11-20T00:00:00Z",
            "terms": {"OnDemand": {"SKU.JRTCKXETXF": term}, "Reserved": reserved},
        });
        product.to_string()
    };
    let of = |component: &str| json!({"instanceName": "ml.t3.medium", "component": component});
    let list = match (input["ServiceCode"].as_str(), input["NextToken"].as_str()) {
        (Some("AmazonSageMaker"), None) => {
            let debugger = product(of("Processing_DebugRules"), "Hrs", "7.0000000000");
            vec![product(of("Hosting"), "Hrs", "0.0700000000"), debugger, "no JSON".into()]
        }
        (Some("AmazonSageMaker"), _) => {
            vec![product(of("Notebook"), "Hrs", "0.0900000000"), product(of("Training"), "GB", "8")]
        }
        _ => vec![product(json!({"instanceType": "m5.xlarge"}), "Hrs", "0.2110000000")],
    };
    let more = input["ServiceCode"] == "AmazonSageMaker" && input["NextToken"].is_null();
    json!({"FormatVersion": "aws_v1", "PriceList": list, "NextToken": more.then_some("more")})
}

fn env(aws: &Aws) -> Env {
    let env = Env::new()
        .with("AWS_ENDPOINT_URL", &aws.url)
        .with("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "secret");
    env.write("prices.md", RUNBOOK);
    env
}

const RUN: [&str; 6] = ["run", "prices.md", "--target", "aws", "--region", "us-east-1"];

#[test]
fn aws_prices_go_before_the_table() {
    let aws = Aws::start(true);
    let env = env(&aws);
    // 8 planned hours at the highest price of the three uses. Processing isn't one of them, so its price isn't used.
    let of_aws = "0.72 USD on AWS, by prices of AWS's price list for us-east-1 on 20";
    env.opsml(RUN).code(6).complains(of_aws).complains("over the budget");
    assert_eq!(aws.asked(), 3, "{:?}", aws.asked.lock().unwrap());
    let region = json!({"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"});
    assert!(aws.asked.lock().unwrap().iter().all(|filters| filters.as_array().unwrap().contains(&region)));
    // The prices are kept for a day. So a plan, which makes no calls, uses them too.
    env.opsml(RUN).code(6).complains(of_aws);
    env.opsml(["plan", "prices.md", "--target", "aws"]).code(0).says(of_aws);
    assert_eq!(aws.asked(), 3);
    // The local target uses the table's prices.
    env.opsml(["plan", "prices.md"]).code(0).says("0.40 USD on AWS, by prices of 2022 to 2026 in us-east-1");
    // The price of another instance type is requested.
    env.write("prices.md", RUNBOOK.replace("m5.xlarge", "m5.large"));
    env.opsml(RUN).code(6).complains(of_aws);
    assert_eq!(aws.asked(), 6);
}

#[test]
fn where_aws_denies_its_prices_the_tables_are_used() {
    let aws = Aws::start(false);
    env(&aws)
        .opsml(RUN)
        .code(6)
        .complains("AccessDeniedException")
        .complains("pricing:GetProducts")
        .complains("0.40 USD on AWS, by prices of 2022 to 2026 in us-east-1")
        .complains("nobody is there to agree");
}
