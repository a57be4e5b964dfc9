//! The vCPUs and the memory of instance types. Sizes follow one rule: `large` has 2 vCPUs, `xlarge` 4, `Nxlarge` 4 N;
//! the family gives the memory of each vCPU. <https://aws.amazon.com/sagemaker/ai/pricing/>

use std::num::NonZero;

/// The hardware of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    pub vcpus: usize,
    pub memory_bytes: u64,
}

const MIB: u64 = 1 << 20;

impl Instance {
    /// Returns the hardware of a SageMaker type such as `ml.m5.xlarge`. None: the family is unknown.
    pub fn of(name: &str) -> Option<Self> {
        Self::of_ec2(name.strip_prefix("ml.")?)
    }

    /// Returns the hardware of an EC2 type such as `m5.xlarge`. None: the family is unknown.
    pub fn of_ec2(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (family, size) = (parts.next()?, parts.next()?);
        let burstable = matches!(family, "t2" | "t3");
        let vcpus = match size {
            "medium" if burstable => 2,
            "medium" => 1,
            "large" => 2,
            "xlarge" => 4,
            _ => 4 * size.strip_suffix("xlarge")?.parse::<usize>().ok()?,
        };
        let mib_each = match family {
            "t2" | "t3" if size == "medium" => 2048,
            "c4" => 1920,
            "c5n" => 2688,
            "p2" => 15616,
            "p3" => 7808,
            "p3dn" | "g6e" => 8192,
            "p4d" | "p4de" => 12288,
            "p5" | "p5e" | "p5en" => 10922,
            "g4dn" | "g5" | "g6" | "t2" | "t3" => 4096,
            _ => match family.as_bytes().first()? {
                b'c' => 2048,
                b'm' => 4096,
                b'r' => 8192,
                _ => return None,
            },
        };
        Some(Self { vcpus, memory_bytes: vcpus as u64 * mib_each * MIB })
    }

    /// Returns with how many threads a process of this instance should compute. It is the number of the instance's
    /// vCPUs, but at most its share of the machine's cores if `processes` run at once.
    pub fn threads(name: &str, processes: usize) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let cores = (cores / processes.max(1)).max(1);
        Self::of(name).map_or(cores, |instance| instance.vcpus.min(cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_gives_what_aws_lists() {
        let gib = |name| Instance::of(name).map(|i| (i.vcpus, i.memory_bytes / (MIB * 1024)));
        assert_eq!(gib("ml.m5.large"), Some((2, 8)));
        assert_eq!(gib("ml.m5.2xlarge"), Some((8, 32)));
        assert_eq!(gib("ml.t2.medium"), Some((2, 4)));
        assert_eq!(gib("ml.t3.xlarge"), Some((4, 16)));
        assert_eq!(gib("ml.c5.xlarge"), Some((4, 8)));
        assert_eq!(gib("ml.r5.24xlarge"), Some((96, 768)));
        assert_eq!(gib("ml.p3.2xlarge"), Some((8, 61)));
        assert_eq!(gib("ml.p5.48xlarge"), Some((192, 2047)));
        assert_eq!(gib("ml.inf1.xlarge"), None);
        assert_eq!(gib("nonsense"), None);
    }
}
