//! The handler as Lambda meets it: a program that asks for events, and what it needs of the machine.

mod binary;
mod events;
mod lambda;
