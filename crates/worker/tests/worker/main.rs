//! Tests of the worker as SageMaker uses it (a program, a folder tree, a port), and of its files as PyTorch reads them.

mod bucket;
mod cluster;
mod files;
mod group;
mod instances;
mod job;
mod pictures;
mod pth;
mod pytorch;
mod serve;
mod served;
mod shared;
mod train;
