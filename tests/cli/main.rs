//! Tests of the program as users run it. Each test has a home, a folder and a local cloud of its own.

mod audit;
mod autoscale;
mod check;
mod cloud;
mod command;
mod crash;
mod ec2;
mod env;
mod failure;
mod functions;
mod hostile;
mod judge;
mod lifecycle;
mod limits;
mod moto;
mod prices;
mod project;
mod real_worker;
mod seeds;
mod serve;
mod small;
mod source;
mod structure;
mod urls;
mod verbs;
