//! What to do: pure decisions over settled saves, steps, services and time.

pub mod event;
pub mod fact;
pub mod gate;
