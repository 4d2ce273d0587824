//! Measuring a split: requests are sent, their answers counted by who served them, and the counts compared with what
//! was expected.

pub mod ask;
pub mod burst;
pub mod by;
pub mod expect;
pub mod interval;
pub mod load;
pub mod tally;
