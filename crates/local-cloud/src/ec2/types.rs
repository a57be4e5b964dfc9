//! Instance types: their names, and the hardware of each.

use serde_json::{Value, json};

use super::error::error;
use super::request::{Filters, Request};
use crate::call::{AwsError, Reply};
use crate::support::instance_type::Instance;

/// Families whose sizes follow the rule of [`Instance`], with their sizes.
const FAMILIES: &[(&str, &[&str])] = &[
    ("m1", &["small"]),
    ("t2", &["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    ("t3", &["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    ("m4", &["large", "xlarge", "2xlarge", "4xlarge", "10xlarge", "16xlarge"]),
    ("m5", SIZES_5),
    ("m5a", SIZES_5),
    ("m5d", SIZES_5),
    ("m6i", SIZES_6),
    ("m6a", SIZES_6),
    (
        "m7i",
        &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"],
    ),
    ("c4", &["large", "xlarge", "2xlarge", "4xlarge"]),
    ("c5", &["large", "xlarge", "2xlarge", "4xlarge", "9xlarge", "12xlarge", "18xlarge", "24xlarge"]),
    ("c6i", SIZES_6),
    (
        "c7i",
        &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"],
    ),
    ("r5", SIZES_5),
    ("r6i", SIZES_6),
    ("g4dn", &["xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]),
    ("g5", &["xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"]),
    ("p3", &["2xlarge", "8xlarge", "16xlarge"]),
];
const SIZES_5: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"];
const SIZES_6: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"];

/// An instance type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    pub vcpus: u64,
    pub memory_mib: u64,
    gpus: Option<Gpus>,
    burstable: bool,
    nitro: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gpus {
    name: &'static str,
    count: u64,
    /// The memory of each GPU.
    memory_mib: u64,
}

impl Type {
    /// Returns the type of a name such as `m5.xlarge`. None: the table lacks it.
    pub fn of(name: &str) -> Option<Self> {
        let (family, size) = name.split_once('.')?;
        let (_, sizes) = FAMILIES.iter().find(|(known, _)| *known == family)?;
        if !sizes.contains(&size) {
            return None;
        }
        let burstable = family.starts_with('t');
        // The small sizes of t2 have one vCPU, those of t3 have two.
        let small = if family == "t2" { 1 } else { 2 };
        let (vcpus, memory_mib) = match size {
            _ if family == "m1" => (1, 1740),
            "nano" => (small, 512),
            "micro" => (small, 1024),
            "small" => (small, 2048),
            _ => {
                let rule = Instance::of_ec2(name)?;
                (rule.vcpus as u64, rule.memory_bytes >> 20)
            }
        };
        let gpus = |name, memory_mib, counts: &[(&str, u64)]| {
            let count = counts.iter().find(|(of, _)| *of == size).map_or(1, |(_, count)| *count);
            Some(Gpus { name, count, memory_mib })
        };
        let gpus = match family {
            "g4dn" => gpus("T4", 16_384, &[("12xlarge", 4)]),
            "g5" => gpus("A10G", 24_576, &[("12xlarge", 4), ("24xlarge", 4), ("48xlarge", 8)]),
            "p3" => gpus("V100", 16_384, &[("8xlarge", 4), ("16xlarge", 8)]),
            _ => None,
        };
        let nitro = !["m1", "t2", "m4", "c4", "p3"].contains(&family);
        Some(Self { vcpus, memory_mib, gpus, burstable, nitro })
    }

    pub fn has_gpus(&self) -> bool {
        self.gpus.is_some()
    }
}

const FILTERS: Filters = &[
    ("bare-metal", "BareMetal"),
    ("burstable-performance-supported", "BurstablePerformanceSupported"),
    ("current-generation", "CurrentGeneration"),
    ("free-tier-eligible", "FreeTierEligible"),
    ("hypervisor", "Hypervisor"),
    ("instance-type", "InstanceType"),
    ("memory-info.size-in-mib", "MemoryInfo.SizeInMiB"),
    ("processor-info.supported-architecture", "ProcessorInfo.SupportedArchitectures"),
    ("supported-root-device-type", "SupportedRootDeviceTypes"),
    ("supported-usage-class", "SupportedUsageClasses"),
    ("supported-virtualization-type", "SupportedVirtualizationTypes"),
    ("vcpu-info.default-cores", "VCpuInfo.DefaultCores"),
    ("vcpu-info.default-vcpus", "VCpuInfo.DefaultVCpus"),
];

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    let names = request.texts("InstanceTypes");
    let known = |name: &str| Type::of(name).map(|kind| described(name, kind));
    let items = if names.is_empty() {
        let all = FAMILIES.iter().flat_map(|(family, sizes)| {
            sizes.iter().filter_map(move |size| known(&format!("{family}.{size}")))
        });
        all.collect()
    } else {
        let unknown: Vec<&str> = names.iter().copied().filter(|name| Type::of(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(unknown_types(&unknown));
        }
        names.into_iter().filter_map(known).collect()
    };
    request.listed("InstanceTypes", items, FILTERS)
}

fn unknown_types(names: &[&str]) -> AwsError {
    let message = format!("The following supplied instance types do not exist: [{}]", names.join(", "));
    error("InvalidInstanceType", message)
}

fn described(name: &str, kind: Type) -> Value {
    // A vCPU of t2 is a core, a vCPU of the others is one of a core's two threads.
    let threads = if name.starts_with("t2.") { 1 } else { 2 };
    let gpus = kind.gpus.map(|gpus| {
        json!({
            "Gpus": [{
                "Count": gpus.count, "Manufacturer": "NVIDIA", "Name": gpus.name,
                "MemoryInfo": {"SizeInMiB": gpus.memory_mib},
            }],
            "TotalGpuMemoryInMiB": gpus.count * gpus.memory_mib,
        })
    });
    json!({
        "BareMetal": false,
        "BurstablePerformanceSupported": kind.burstable,
        "CurrentGeneration": !["m1.", "m4.", "c4."].iter().any(|family| name.starts_with(family)),
        "FreeTierEligible": (name == "t2.micro" || name == "t3.micro"),
        "GpuInfo": gpus,
        "Hypervisor": if kind.nitro { "nitro" } else { "xen" },
        "InstanceType": name,
        "MemoryInfo": {"SizeInMiB": kind.memory_mib},
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedVirtualizationTypes": ["hvm"],
        "VCpuInfo": {
            "DefaultCores": (kind.vcpus / threads).max(1),
            "DefaultThreadsPerCore": threads,
            "DefaultVCpus": kind.vcpus,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_what_aws_lists() {
        let of = |name| Type::of(name).map(|kind| (kind.vcpus, kind.memory_mib));
        assert_eq!(of("t2.micro"), Some((1, 1024)));
        assert_eq!(of("t3.nano"), Some((2, 512)));
        assert_eq!(of("t2.xlarge"), Some((4, 16_384)));
        assert_eq!(of("m5.xlarge"), Some((4, 16_384)));
        assert_eq!(of("m4.10xlarge"), Some((40, 163_840)));
        assert_eq!(of("c4.xlarge"), Some((4, 7680)));
        assert_eq!(of("p3.2xlarge"), Some((8, 62_464)));
        assert_eq!(of("m5.metal"), None);
        assert_eq!(of("m6g.large"), None);
        for (family, sizes) in FAMILIES {
            for size in *sizes {
                assert!(Type::of(&format!("{family}.{size}")).is_some(), "{family}.{size}");
            }
        }
    }
}
