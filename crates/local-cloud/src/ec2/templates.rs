//! Launch templates: what RunInstances is to be asked for, kept under a name and in versions. What a template asks for is
//! checked by the launch that uses it, as on AWS.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::{error, invalid, missing};
use super::id::new_id;
use super::request::{Filters, Needed, Request};
use super::service::Ec2;
use super::tags::{self, Tags};
use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::service::refuse_members;

const TEMPLATE: &str = "ec2.launch-template";
const KIND: &str = "launch-template";

/// A template, stored under its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Template {
    /// `lt-…`
    id: String,
    name: String,
    created: Timestamp,
    created_by: String,
    client_token: Option<String>,
    default: u64,
    /// By number. No number is used twice.
    versions: BTreeMap<u64, Version>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Version {
    description: Option<String>,
    created: Timestamp,
    created_by: String,
    client_token: Option<String>,
    /// In the members of the model's LaunchTemplateData.
    data: Value,
}

/// The version of a template that a launch uses.
pub struct Chosen {
    id: String,
    version: u64,
}

impl Chosen {
    /// Returns the tags that EC2 itself gives to an instance that comes from a template.
    pub fn tags(&self) -> [(String, String); 2] {
        let key = |name: &str| format!("aws:ec2launchtemplate:{name}");
        [(key("id"), self.id.clone()), (key("version"), self.version.to_string())]
    }
}

/// Calls `then` with the request, completed by the template that it names, if it names one.
pub fn completed<T>(
    request: &Request,
    then: impl FnOnce(&Request, Option<&Chosen>) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let named = &request.input()["LaunchTemplate"];
    if named.is_null() {
        return then(request, None);
    }
    let text = |name: &str| named[name].as_str().filter(|text| !text.is_empty());
    let template = find(request.cloud(), text("LaunchTemplateId"), text("LaunchTemplateName"))?;
    let number = number_of(&template, text("Version").unwrap_or("$Default"))?;
    let data = template.versions.get(&number).map(|version| &version.data);
    let call = Call { input: joined(data, request.input()), ..request.call.clone() };
    refuse_members::<Ec2>(&call)?;
    let chosen = Chosen { id: template.id, version: number };
    then(&Request { service: request.service, call: &call }, Some(&chosen))
}

/// Returns the access that a launch needs to the template that it names.
pub fn launch_needs(request: &Request, chosen: &Chosen) -> Needed {
    let context = tags::resource_context(request.cloud(), &chosen.id)?;
    Ok(vec![request.access(request.arn(KIND, &chosen.id), context)])
}

/// Returns a launch's input: what the template has, and in its place what the request has. Tags are of both.
fn joined(data: Option<&Value>, input: &Value) -> Value {
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let (mut all, own) = (data.map(members).unwrap_or_default(), members(input));
    let groups = ["SecurityGroupIds", "SecurityGroups"];
    if groups.iter().any(|name| own.contains_key(*name)) {
        all.retain(|name, _| !groups.contains(&name.as_str()));
    }
    for (name, value) in own {
        match (all.get_mut(&name), value) {
            (Some(Value::Array(before)), Value::Array(more)) if name == "TagSpecifications" => {
                before.extend(more)
            }
            (_, value) => drop(all.insert(name, value)),
        }
    }
    all.shift_remove("LaunchTemplate");
    Value::Object(all)
}

/// Returns the access that CreateLaunchTemplate needs.
pub fn create_needs(request: &Request) -> Needed {
    let (arn, tags) = (request.arn(KIND, "*"), given_tags(request)?);
    let own = request.access(&*arn, tags::context(&tags));
    Ok([own].into_iter().chain(tags::access_with(request, &arn, &tags)).collect())
}

/// Returns the access that an operation needs to the template that it names.
pub fn needs(request: &Request) -> Needed {
    let template = named(request)?;
    let context = tags::resource_context(request.cloud(), &template.id)?;
    Ok(vec![request.access(request.arn(KIND, &template.id), context)])
}

fn given_tags(request: &Request) -> Result<Tags, AwsError> {
    tags::specified(request, KIND, &[KIND])
}

pub fn create(request: &Request) -> Reply {
    let (cloud, name) = (request.cloud(), request.text("LaunchTemplateName"));
    let (tags, version) = (given_tags(request)?, version(request, None));
    request.dry_run()?;
    if let Some(before) = all(cloud)?.into_iter().find(|each| each.name == name) {
        let again = version.client_token.is_some() && before.client_token == version.client_token;
        if again && before.versions.get(&1).is_some_and(|first| first.data == version.data) {
            return Ok(json!({"LaunchTemplate": described(cloud, &before)?}));
        }
        let code = "InvalidLaunchTemplateName.AlreadyExistsException";
        return Err(error(code, "Launch template name already in use."));
    }
    let template = Template {
        id: new_id("lt"),
        name: name.to_owned(),
        created: version.created,
        created_by: version.created_by.clone(),
        client_token: version.client_token.clone(),
        default: 1,
        versions: BTreeMap::from([(1, version)]),
    };
    tags::put(cloud, &template.id, &tags)?;
    cloud.store.put(TEMPLATE, &template.id, &template)?;
    Ok(json!({"LaunchTemplate": described(cloud, &template)?}))
}

pub fn create_version(request: &Request) -> Reply {
    let mut template = named(request)?;
    let source = request.given("SourceVersion").map(|wanted| number_of(&template, wanted)).transpose()?;
    let source = source.and_then(|number| template.versions.get(&number)).map(|version| &version.data);
    let version = version(request, source);
    request.dry_run()?;
    let token = |each: &Version| each.client_token.is_some() && each.client_token == version.client_token;
    let before = template.versions.iter().find(|(_, each)| token(each)).map(|(number, _)| *number);
    let number = before.unwrap_or_else(|| latest(&template) + 1);
    if before.is_none() {
        template.versions.insert(number, version);
        request.cloud().store.put(TEMPLATE, &template.id, &template)?;
    }
    Ok(json!({"LaunchTemplateVersion": described_version(&template, number)}))
}

pub fn modify(request: &Request) -> Reply {
    let mut template = named(request)?;
    let wanted = request.given("DefaultVersion").ok_or_else(|| missing("SetDefaultVersion"))?;
    let number = number_of(&template, wanted).map_err(|_| {
        let message =
            format!("The launch template version {wanted} is not found for the specified launch template.");
        error("InvalidLaunchTemplateId.VersionNotFound", message)
    })?;
    request.dry_run()?;
    template.default = number;
    request.cloud().store.put(TEMPLATE, &template.id, &template)?;
    Ok(json!({"LaunchTemplate": described(request.cloud(), &template)?}))
}

pub fn delete(request: &Request) -> Reply {
    let (cloud, template) = (request.cloud(), named(request)?);
    request.dry_run()?;
    let answer = json!({"LaunchTemplate": described(cloud, &template)?});
    cloud.store.delete(TEMPLATE, &template.id)?;
    tags::forget(cloud, &template.id)?;
    Ok(answer)
}

const FILTERS: Filters = &[("create-time", "CreateTime"), ("launch-template-name", "LaunchTemplateName")];

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let (ids, names) = (request.texts("LaunchTemplateIds"), request.texts("LaunchTemplateNames"));
    let all = all(cloud)?;
    let message = "At least one of the launch templates specified in the request does not exist.";
    if names.iter().any(|name| !all.iter().any(|each| each.name == *name)) {
        return Err(error("InvalidLaunchTemplateName.NotFoundException", message));
    }
    if ids.iter().any(|id| !all.iter().any(|each| each.id == *id)) {
        return Err(error("InvalidLaunchTemplateId.NotFound", message));
    }
    let every = ids.is_empty() && names.is_empty();
    let wanted = |each: &&Template| every || ids.contains(&&*each.id) || names.contains(&&*each.name);
    let items = all.iter().filter(wanted).map(|each| described(cloud, each)).collect::<Result<_, _>>()?;
    request.listed("LaunchTemplates", items, FILTERS)
}

const VERSION_FILTERS: Filters = &[
    ("create-time", "CreateTime"),
    ("image-id", "LaunchTemplateData.ImageId"),
    ("instance-type", "LaunchTemplateData.InstanceType"),
    ("is-default-version", "DefaultVersion"),
];

/// AWS's message, which names the options of its command line.
const WHICH: &str = "To describe the launch template data for all your launch templates, for ‘--versions’ specify \
    ‘$Latest’, ‘$Default’, or both, and omit ‘--launch-template-id’, ‘--launch-template-name’, and version numbers. To \
    describe the launch template data for a specific launch template, specify ‘--launch-template-id’ or \
    ‘--launch-template-name’, and for ‘--versions’ specify one or more of the following values: ‘$Latest’, ‘$Default’, \
    or one or more version numbers.";

pub fn describe_versions(request: &Request) -> Reply {
    request.dry_run()?;
    let (id, name) = (request.given("LaunchTemplateId"), request.given("LaunchTemplateName"));
    let wanted = request.texts("Versions");
    let of_one = id.is_some() || name.is_some();
    match &wanted[..] {
        [] if !of_one => return Err(error("MissingParameter", WHICH)),
        some if !of_one && some.iter().any(|version| !version.starts_with('$')) => {
            return Err(error("InvalidParameterValue", WHICH));
        }
        _ => {}
    }
    let templates = if of_one { vec![find(request.cloud(), id, name)?] } else { all(request.cloud())? };
    let bound = |member: &str| request.given(member).and_then(|number| number.parse::<u64>().ok());
    let (least, most) = (bound("MinVersion").unwrap_or(0), bound("MaxVersion").unwrap_or(u64::MAX));
    let mut items = Vec::new();
    for template in &templates {
        let numbers: Vec<u64> = match wanted[..] {
            [] => template.versions.keys().rev().copied().collect(),
            _ => wanted.iter().map(|wanted| number_of(template, wanted)).collect::<Result<_, _>>()?,
        };
        let within = numbers.into_iter().filter(|number| (least..=most).contains(number));
        items.extend(within.map(|number| described_version(template, number)));
    }
    request.listed("LaunchTemplateVersions", items, VERSION_FILTERS)
}

fn all(cloud: &Cloud) -> Result<Vec<Template>, AwsError> {
    Ok(cloud.store.list(TEMPLATE)?.into_iter().map(|(_, template)| template).collect())
}

/// Returns the template that a request's own members name.
fn named(request: &Request) -> Result<Template, AwsError> {
    let (id, name) = (request.given("LaunchTemplateId"), request.given("LaunchTemplateName"));
    if id.is_some() && name.is_some() && request.call.operation == "ModifyLaunchTemplate" {
        let message = "Either provide launch template ID or launch template name to modify the template.";
        return Err(error("InvalidParameterCombination", message));
    }
    find(request.cloud(), id, name)
}

fn find(cloud: &Cloud, id: Option<&str>, name: Option<&str>) -> Result<Template, AwsError> {
    match (id, name) {
        (Some(_), Some(_)) => {
            let message = "The parameter launchTemplateName cannot be used with launchTemplateId.";
            Err(error("InvalidParameterCombination", message))
        }
        (Some(id), None) => cloud.store.get(TEMPLATE, id)?.ok_or_else(|| {
            let message = format!("The specified launch template, with template ID {id}, does not exist.");
            error("InvalidLaunchTemplateId.NotFound", message)
        }),
        (None, Some(name)) => all(cloud)?.into_iter().find(|each| each.name == name).ok_or_else(|| {
            let message =
                format!("The specified launch template, with template name {name}, does not exist.");
            error("InvalidLaunchTemplateName.NotFoundException", message)
        }),
        (None, None) => Err(missing("LaunchTemplateId")),
    }
}

/// Returns the number that `$Latest`, `$Default` or a number means for a template.
fn number_of(template: &Template, wanted: &str) -> Result<u64, AwsError> {
    let number = match wanted {
        "$Latest" => latest(template),
        "$Default" => template.default,
        number => number.parse().map_err(|_| invalid("version", number, "It is no version number."))?,
    };
    let message = format!(
        "Could not find the specified version {wanted} for the launch template with ID {}.",
        template.id
    );
    let known = template.versions.contains_key(&number);
    known.then_some(number).ok_or_else(|| error("InvalidLaunchTemplateId.VersionNotFound", message))
}

fn latest(template: &Template) -> u64 {
    template.versions.keys().next_back().copied().unwrap_or_default()
}

/// Returns the version that a request asks for. What it leaves out is as in `source`.
fn version(request: &Request, source: Option<&Value>) -> Version {
    let mut data = source.and_then(Value::as_object).cloned().unwrap_or_default();
    let given: Map<String, Value> =
        request.input()["LaunchTemplateData"].as_object().cloned().unwrap_or_default();
    data.extend(given);
    Version {
        description: request.given("VersionDescription").map(str::to_owned),
        created: Timestamp::now(),
        created_by: request.call.caller.arn.clone(),
        client_token: request.given("ClientToken").map(str::to_owned),
        data: Value::Object(data),
    }
}

fn described(cloud: &Cloud, template: &Template) -> Reply {
    Ok(json!({
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.created.to_string(),
        "CreatedBy": template.created_by,
        "DefaultVersionNumber": template.default,
        "LatestVersionNumber": latest(template),
        "Tags": tags::of(cloud, &template.id)?,
    }))
}

fn described_version(template: &Template, number: u64) -> Value {
    let Some(version) = template.versions.get(&number) else { return Value::Null };
    json!({
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": number,
        "VersionDescription": version.description,
        "CreateTime": version.created.to_string(),
        "CreatedBy": version.created_by,
        "DefaultVersion": number == template.default,
        "LaunchTemplateData": version.data,
    })
}
