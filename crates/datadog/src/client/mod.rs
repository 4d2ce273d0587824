//! Everything that does I/O: keys, requests, budgets. It decides nothing about releases.

mod account;
mod admission;
mod batch;
mod cluster;
mod credentials;
mod exchange;
mod failure;
mod http;
mod kubeconfig;
mod memory;
mod rate;
mod secrets;

pub use self::account::Account;
pub use self::admission::BudgetLeft;
pub use self::credentials::{AllowList, Credentials, Environment};
pub use self::exchange::{Answered, Asked, Exchange, ExchangeSettings, Via};
pub use self::failure::Failure;
pub use self::http::{Carrier, Http, Reply};
pub use self::rate::{Bucket, Budget, RateHeaders};
