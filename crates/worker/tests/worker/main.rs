//! The worker as SageMaker meets it: a program, a folder tree, a port. And as PyTorch meets its files.

mod cluster;
mod files;
mod group;
mod instances;
mod job;
mod pth;
mod pytorch;
mod serve;
mod train;
