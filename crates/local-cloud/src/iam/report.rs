//! The credential report: which keys users have, and when they were last used.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::request::{Request, written};
use super::stored::{USER, User};
use crate::call::{AwsError, Reply};

const REPORT: &str = "iam.credential-report";
/// How long a report can be read.
const REPORT_LASTS: SignedDuration = SignedDuration::from_hours(4);

#[derive(Serialize, Deserialize)]
struct Report {
    content: String,
    generated: Timestamp,
}

/// Makes the report at once: with only a few users it needs no task in the background. As on AWS, the call that finds none
/// says that one was started, and the next one that it is complete.
pub fn generate(request: &Request) -> Reply {
    let before: Option<Report> = request.store().get(REPORT, "")?;
    let report = Report { content: credentials(request)?, generated: Timestamp::now() };
    request.store().put(REPORT, "", &report)?;
    Ok(match before {
        Some(_) => json!({"State": "COMPLETE"}),
        None => json!({
            "State": "STARTED",
            "Description": "No report exists. Starting a new report generation task",
        }),
    })
}

pub fn get(request: &Request) -> Reply {
    let gone = |code: &str, message: &str| AwsError::new(410, code, message);
    let report: Option<Report> = request.store().get(REPORT, "")?;
    let report = report.ok_or_else(|| gone("ReportNotPresent", "The credential report does not exist."))?;
    if Timestamp::now().duration_since(report.generated) > REPORT_LASTS {
        return Err(gone("ReportExpired", "The most recent credential report has expired."));
    }
    Ok(json!({
        "Content": STANDARD.encode(&report.content),
        "ReportFormat": "text/csv",
        "GeneratedTime": written(report.generated),
    }))
}

/// Returns the report, with AWS's columns.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>
fn credentials(request: &Request) -> Result<String, AwsError> {
    let mut csv = String::from("user,arn,user_creation_time,password_enabled,password_last_used,");
    csv += "password_last_changed,password_next_rotation,mfa_active";
    for key in ["access_key_1", "access_key_2"] {
        for column in ["active", "last_rotated", "last_used_date", "last_used_region", "last_used_service"] {
            csv += &format!(",{key}_{column}");
        }
    }
    csv += ",cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    let users = request.store().list::<User>(USER)?;
    // The account was created when its first user was.
    let opened = users.iter().map(|(_, user)| user.created).min().unwrap_or_else(Timestamp::now);
    let no_key = ["false", "N/A", "N/A", "N/A", "N/A"].map(str::to_owned);
    let no_certificates = ["false", "N/A", "false", "N/A"].map(str::to_owned);
    let password = ["not_supported", "no_information", "not_supported", "not_supported", "false"];
    let mut root = vec!["<root_account>".to_owned(), request.service.arn("root"), written(opened)];
    root.extend(password.map(str::to_owned));
    root.extend([no_key.clone(), no_key.clone()].concat());
    let mut rows = vec![root];
    for (name, user) in users {
        let mut row = vec![name, user.arn, written(user.created)];
        row.extend(["false", "N/A", "N/A", "N/A", "false"].map(str::to_owned));
        let mut keys = request.service.keys_of(&user.name)?.into_iter();
        for _ in 0..2 {
            let Some(key) = keys.next() else {
                row.extend(no_key.clone());
                continue;
            };
            row.extend([key.active.to_string(), written(key.created)]);
            row.extend(match request.service.last_used(&key.key.access_key_id)? {
                Some(used) => [written(used.time), used.region, used.service],
                None => ["N/A", "N/A", "N/A"].map(str::to_owned),
            });
        }
        rows.push(row);
    }
    for mut row in rows {
        row.extend(no_certificates.clone());
        csv += "\n";
        csv += &row.join(",");
    }
    Ok(csv)
}
