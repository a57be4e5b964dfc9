//! The products of the price list, as AWS writes them.
//! <https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html>

use opsml_contract::{INSTANCES, Instance};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The only region that the table has prices of.
const REGION: &str = "us-east-1";
const LOCATION: &str = "US East (N. Virginia)";
/// The date of the table's newest prices.
const PUBLISHED: &str = "2026-09-06T00:00:00Z";
/// AWS's codes for an on-demand offer, and for its price of an hour.
const ON_DEMAND: &str = "JRTCKXETXF";
const HOURLY: &str = "6YS6EN2CT7";
/// What SageMaker's instances are sold for.
const COMPONENTS: [&str; 3] = ["Hosting", "Notebook", "Training"];

/// The services that have products.
pub const SERVICES: [&str; 2] = ["AmazonEC2", "AmazonSageMaker"];

/// Something that is sold.
#[derive(Clone, Debug)]
pub struct Product {
    family: &'static str,
    attributes: Map<String, Value>,
    /// What an hour of it is called.
    hour: String,
    hourly: f64,
}

/// Returns all products of a service.
pub fn products(service: &str) -> Vec<Product> {
    match service {
        "AmazonEC2" => INSTANCES.iter().filter(|one| !one.name.starts_with("ml.")).map(of_ec2).collect(),
        "AmazonSageMaker" => {
            let all = INSTANCES.iter().filter(|one| one.name.starts_with("ml."));
            all.flat_map(|one| COMPONENTS.map(|component| of_sagemaker(one, component))).collect()
        }
        _ => Vec::new(),
    }
}

fn of_ec2(instance: &Instance) -> Product {
    let name = instance.name;
    let attributes = json!({
        "servicecode": "AmazonEC2", "servicename": "Amazon Elastic Compute Cloud",
        "instanceType": name, "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
        "capacitystatus": "Used", "licenseModel": "No License required", "marketoption": "OnDemand",
        "operation": "RunInstances", "usagetype": format!("BoxUsage:{name}"),
    });
    let hour = format!("On Demand Linux {name} Instance Hour");
    Product {
        family: "Compute Instance",
        attributes: with_size(attributes, instance),
        hour,
        hourly: instance.hourly,
    }
}

fn of_sagemaker(instance: &Instance, component: &str) -> Product {
    let name = instance.name;
    let short = match component {
        "Hosting" => "Host",
        "Notebook" => "Notebk",
        _ => "Train",
    };
    let attributes = json!({
        "servicecode": "AmazonSageMaker", "servicename": "Amazon SageMaker",
        "instanceName": name, "instanceType": format!("{name}-{component}"), "component": component,
        "platoinstancename": name, "operation": "RunInstance", "usagetype": format!("USE1-{short}:{name}"),
    });
    let hour = format!("SageMaker {component} {name} hour");
    Product {
        family: "ML Instance",
        attributes: with_size(attributes, instance),
        hour,
        hourly: instance.hourly,
    }
}

fn with_size(mut attributes: Value, instance: &Instance) -> Map<String, Value> {
    for (name, value) in [
        ("vcpu", instance.vcpus.to_string()),
        ("memory", format!("{} GiB", instance.memory_gib)),
        ("gpu", if instance.gpus == 0 { "N/A".to_owned() } else { instance.gpus.to_string() }),
        ("regionCode", REGION.to_owned()),
        ("location", LOCATION.to_owned()),
        ("locationType", "AWS Region".to_owned()),
    ] {
        attributes[name] = json!(value);
    }
    attributes.as_object().cloned().unwrap_or_default()
}

impl Product {
    /// Returns an attribute. The family counts as one.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if name == "productFamily" { Some(self.family) } else { self.attributes.get(name)?.as_str() }
    }

    /// Returns the names of its attributes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str).chain(["productFamily"])
    }

    /// Returns the entry of the price list, in JSON.
    pub fn entry(&self, service: &str) -> String {
        let digest = Sha256::digest(self.attributes.values().map(Value::to_string).collect::<String>());
        let sku = hex::encode_upper(&digest[..8]);
        let (offer, rate) = (format!("{sku}.{ON_DEMAND}"), format!("{sku}.{ON_DEMAND}.{HOURLY}"));
        let price = json!({
            "unit": "Hrs", "beginRange": "0", "endRange": "Inf", "appliesTo": [], "rateCode": rate,
            "description": format!("${} per {}", self.hourly, self.hour),
            "pricePerUnit": {"USD": format!("{:.10}", self.hourly)},
        });
        let term = json!({
            "sku": sku, "offerTermCode": ON_DEMAND, "termAttributes": {}, "priceDimensions": {rate: price},
        });
        json!({
            "product": {"productFamily": self.family, "attributes": self.attributes, "sku": sku},
            "serviceCode": service,
            "terms": {"OnDemand": {offer: term}},
            "publicationDate": PUBLISHED,
        })
        .to_string()
    }
}
