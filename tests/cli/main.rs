//! The program from outside: each test with a home, a folder and a local cloud of its own.

mod env;
mod lifecycle;
mod small;
