//! Companion of the Serinus plugins: rehearse a release, measure a split
