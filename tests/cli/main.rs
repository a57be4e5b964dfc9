//! The program from outside: each test with a home, a folder and a local cloud of its own.

mod cloud;
mod env;
mod judge;
mod lifecycle;
mod real_worker;
mod small;
