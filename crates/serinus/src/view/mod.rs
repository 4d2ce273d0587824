//! A rehearsal on a terminal or in a log.

pub mod frame;
pub mod live;
pub mod paint;
pub mod plain;
