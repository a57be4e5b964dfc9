//! Amazon machine images. An instance of any of them runs on this machine's own system, and their descriptions say so.
//!
//! Images are found as on AWS, by id, owner, name or a public parameter of Systems Manager. So a runbook that looks for
//! an image finds one both here and on AWS.

use serde_json::{Value, json};

use super::error::error;
use super::id::fixed_id;
use super::request::{Filters, Request};
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;

/// An image.
pub struct Image {
    pub name: &'static str,
    /// The name of the AMI whose place it takes.
    stands_for: &'static str,
    /// The size of the root device, in GiB.
    pub size: i64,
    free_tier: bool,
    /// The public parameters that name it. For Deep Learning AMIs, `/latest/ami-id` is added.
    parameters: &'static [&'static str],
}

/// The account that owns Amazon's images.
const OWNER: &str = "137112412989";
const CREATED: &str = "2025-01-15T00:00:00.000Z";
pub const ROOT_DEVICE: &str = "/dev/xvda";
pub const ARCHITECTURE: &str = "x86_64";

const IMAGES: [Image; 3] = [
    Image {
        name: "al2023-ami-2023.0.local-kernel-6.1-x86_64",
        stands_for: "Amazon Linux 2023",
        size: 8,
        free_tier: true,
        parameters: &[
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
            "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-x86_64",
        ],
    },
    Image {
        name: "Deep Learning OSS Nvidia Driver AMI GPU PyTorch 2.7 (Amazon Linux 2023) local",
        stands_for: "Deep Learning AMI with PyTorch",
        size: 35,
        free_tier: false,
        parameters: &[
            "/aws/service/deeplearning/ami/x86_64/oss-nvidia-driver-gpu-pytorch-2.7-amazon-linux-2023",
        ],
    },
    Image {
        name: "Deep Learning Base OSS Nvidia Driver GPU AMI (Amazon Linux 2023) local",
        stands_for: "Deep Learning Base AMI",
        size: 35,
        free_tier: false,
        parameters: &["/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023"],
    },
];

impl Image {
    pub fn id(&self, cloud: &Cloud) -> String {
        fixed_id("ami", &format!("{}/{}", cloud.region, self.name))
    }

    /// Returns the id of the root device's snapshot.
    pub fn snapshot(&self) -> String {
        fixed_id("snap", self.name)
    }
}

/// Returns the image that `ImageId` names, by an id or as `resolve:ssm:PARAMETER`.
pub fn resolve(cloud: &Cloud, id: &str) -> Result<&'static Image, AwsError> {
    let id = match id.strip_prefix("resolve:ssm:") {
        None => id.to_owned(),
        Some(name) => parameter(cloud, name).ok_or_else(|| {
            let message = format!("Parameter: {name} is not found or cannot be resolved to an AMI ID.");
            error("InvalidParameterValue", message)
        })?,
    };
    let hex = |rest: &str| [8, 17].contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_hexdigit());
    if !id.strip_prefix("ami-").is_some_and(hex) {
        let message = format!("Invalid id: \"{id}\" (expecting \"ami-...\")");
        return Err(error("InvalidAMIID.Malformed", message));
    }
    IMAGES.iter().find(|image| image.id(cloud) == id).ok_or_else(|| not_found(&id))
}

const NOT_FOUND: &str = "InvalidAMIID.NotFound";

fn not_found(id: &str) -> AwsError {
    error(NOT_FOUND, format!("The image id '[{id}]' does not exist"))
}

/// Returns the value of a public parameter of Systems Manager: the id of an image.
pub fn parameter(cloud: &Cloud, name: &str) -> Option<String> {
    let name =
        name.strip_suffix("/latest/ami-id").filter(|name| name.contains("/deeplearning/")).unwrap_or(name);
    IMAGES.iter().find(|image| image.parameters.contains(&name)).map(|image| image.id(cloud))
}

const FILTERS: Filters = &[
    ("architecture", "Architecture"),
    ("block-device-mapping.volume-type", "BlockDeviceMappings.Ebs.VolumeType"),
    ("creation-date", "CreationDate"),
    ("description", "Description"),
    ("ena-support", "EnaSupport"),
    ("hypervisor", "Hypervisor"),
    ("image-id", "ImageId"),
    ("image-type", "ImageType"),
    ("is-public", "Public"),
    ("name", "Name"),
    ("owner-alias", "ImageOwnerAlias"),
    ("owner-id", "OwnerId"),
    ("platform-details", "PlatformDetails"),
    ("root-device-name", "RootDeviceName"),
    ("root-device-type", "RootDeviceType"),
    ("state", "State"),
    ("virtualization-type", "VirtualizationType"),
];

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let ids = request.texts("ImageIds");
    let mut gone = Vec::new();
    for id in &ids {
        match resolve(cloud, id) {
            Err(error) if error.code == NOT_FOUND => gone.push(*id),
            resolved => resolved.map(drop)?,
        }
    }
    match gone[..] {
        [] => {}
        [id] => return Err(not_found(id)),
        _ => return Err(error(NOT_FOUND, format!("The image ids '[{}]' do not exist", gone.join(", ")))),
    }
    let owners = request.texts("Owners");
    let owned = owners.is_empty() || owners.iter().any(|owner| ["amazon", OWNER].contains(owner));
    let executable = request.texts("ExecutableUsers");
    let public = executable.is_empty() || executable.contains(&"all");
    let images =
        IMAGES.iter().filter(|image| owned && public && (ids.is_empty() || ids.contains(&&*image.id(cloud))));
    request.listed("Images", images.map(|image| described(cloud, image)).collect(), FILTERS)
}

fn described(cloud: &Cloud, image: &Image) -> Value {
    json!({
        "Architecture": ARCHITECTURE,
        "BlockDeviceMappings": [{"DeviceName": ROOT_DEVICE, "Ebs": {
            "DeleteOnTermination": true, "Encrypted": false, "SnapshotId": image.snapshot(), "VolumeSize": image.size,
            "VolumeType": "gp3",
        }}],
        "CreationDate": CREATED,
        "Description": format!(
            "Stands for the {} AMI on the local cloud: it is this machine, with what is installed on it", image.stands_for
        ),
        "EnaSupport": true,
        "FreeTierEligible": image.free_tier,
        "Hypervisor": "xen",
        "ImageId": image.id(cloud),
        "ImageLocation": format!("amazon/{}", image.name),
        "ImageOwnerAlias": "amazon",
        "ImageType": "machine",
        "ImdsSupport": "v2.0",
        "Name": image.name,
        "OwnerId": OWNER,
        "PlatformDetails": "Linux/UNIX",
        "Public": true,
        "RootDeviceName": ROOT_DEVICE,
        "RootDeviceType": "ebs",
        "State": "available",
        "UsageOperation": "RunInstances",
        "VirtualizationType": "hvm",
    })
}
