//! Tests of the handler as Lambda runs it: a program that asks for events. And of what it needs from the machine.

mod binary;
mod events;
mod lambda;
