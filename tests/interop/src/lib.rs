//! Go programs against our libraries
