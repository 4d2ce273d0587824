//! A rehearsal: a script of releases, played on the stage through a real traffic router, under constant load, with
//! every settled share of the traffic counted and compared with what was asked for.

pub mod demo;
pub mod journal;
pub mod play;
pub mod script;
mod workload;
pub mod yours;
