//! The service. It has no state: the list is a part of the program.

/// Pricing.
#[derive(Debug)]
pub struct Pricing;
