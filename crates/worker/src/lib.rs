//! Trains and serves image classifiers with libtorch, with the interface of SageMaker's containers.
//!
//! `opsml-worker train` is one instance of a training job ([`train`]), `opsml-worker serve` one of an endpoint
//! ([`serve`], of a [`served`] model, which may [`fetch`] images); `opsml-worker files` lists the files that another machine needs ([`files`]).
//! A job: [`container`] finds its configuration, [`dataset`] lists the images, [`loader`] makes batches of them on
//! threads with [`augment`], [`resnet`] is the network, [`backbone`] its part that may stand [`still`] and then computes [`features`], in numbers that
//! [`precision`] chooses, with kernels of [`convolution`], on a [`device`]; features are [`shared`] among jobs through [`s3`];
//! [`optimizer`] (with [`adam`]) updates its weights, [`checkpoint`] saves them,
//! [`weights`] reads and writes them in the formats of [`state_dict`] and [`pth`] (whose pickles [`pickle`] reads).
//! [`tested`] tells what the model says of the test images.
//! [`instances`] shares a job among several instances, over a [`process_group`]; [`memory`] keeps what a step frees, and [`usage`]
//! records CPU and memory.

pub mod adam;
pub mod augment;
pub mod backbone;
pub mod checkpoint;
pub mod container;
pub mod convolution;
pub mod dataset;
pub mod device;
pub mod error;
pub mod features;
pub mod fetch;
pub mod files;
pub mod instances;
pub mod layout;
pub mod loader;
pub mod memory;
pub mod optimizer;
pub mod pickle;
pub mod precision;
pub mod process_group;
pub mod pth;
pub mod resnet;
pub mod s3;
pub mod serve;
pub mod served;
pub mod shared;
pub mod state_dict;
pub mod still;
pub mod tested;
pub mod train;
pub mod usage;
pub mod weights;
mod why;
