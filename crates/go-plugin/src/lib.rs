//! HashiCorp go-plugin over net/rpc: both the plugin's and the host's side
