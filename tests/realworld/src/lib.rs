//! The unmodified controller, API server and gateways on one machine, and the scenes that run there
