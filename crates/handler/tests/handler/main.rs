//! The handler as Lambda runs it: a program that asks for events, and what it needs from the machine.

mod binary;
mod events;
mod lambda;
