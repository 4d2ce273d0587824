//! Which entry of `trafficRouting.plugins` is this plugin's.
//!
//! The controller calls a router without telling it the name under which the operator registered it, and a Rollout may
//! configure several plugins.

use std::collections::BTreeMap;
use std::path::Path;

use rollouts_plugin::types::{RawJson, Rollout};

use super::ConfigError;

/// The name in the Go plugin's documentation (`pkg/plugin/plugin.go` `PluginName`), which most Rollouts carry.
const USUAL: &str = "argoproj-labs/gatewayAPI";

/// The folder into which the controller copies plugins, as `<org>/<name>` below it (Go: `utils/defaults/defaults.go`
/// `DefaultRolloutPluginFolder`, `utils/plugin/downloader.go` `DownloadPlugins`).
const PLUGIN_FOLDER: &str = "plugin-bin";

/// What is known about the name under which this process was registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginName(Option<String>);

impl PluginName {
    /// From the operator's argument or, without one, from the path of the executable: the controller keeps plugins in
    /// `plugin-bin/<org>/<name>`.
    pub fn new(argument: Option<String>, executable: Option<&Path>) -> Self {
        Self(argument.or_else(|| executable.and_then(from_path)))
    }

    /// The entry of a Rollout that is meant for this plugin: the one of its name if that is known; otherwise that of
    /// the usual name, or the only one.
    ///
    /// Answers what errors should call the entry, and its JSON.
    ///
    /// # Errors
    /// Where there is no such entry.
    pub fn entry<'a>(&self, rollout: &'a Rollout) -> Result<(String, &'a RawJson), ConfigError> {
        let plugins = rollout
            .canary()
            .and_then(|canary| canary.traffic_routing.as_ref())
            .map(|routing| &routing.plugins)
            .filter(|plugins| !plugins.is_empty())
            .ok_or(ConfigError::NoPlugins)?;
        let (name, json) = self.pick(plugins).ok_or_else(|| ConfigError::NotFound {
            found: plugins
                .keys()
                .map(|name| format!("{name:?}"))
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        Ok((format!("trafficRouting.plugins[{name:?}]"), json))
    }

    fn pick<'a>(&self, plugins: &'a BTreeMap<String, RawJson>) -> Option<(&'a String, &'a RawJson)> {
        let named = |name: &str| plugins.get_key_value(name);
        let only = || plugins.iter().next().filter(|_| plugins.len() == 1);
        self.0
            .as_deref()
            .and_then(named)
            .or_else(|| named(USUAL))
            .or_else(only)
    }
}

fn from_path(executable: &Path) -> Option<String> {
    let parts = executable
        .iter()
        .map(|part| part.to_str())
        .collect::<Option<Vec<_>>>()?;
    match parts.as_slice() {
        [.., PLUGIN_FOLDER, org, name] => Some(format!("{org}/{name}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(
        argument: Option<&str>,
        executable: &str,
        plugins: serde_json::Value,
    ) -> Result<String, ConfigError> {
        let rollout: Rollout = serde_json::from_value(json!({
            "spec": {"strategy": {"canary": {"trafficRouting": {"plugins": plugins}}}}}))
        .unwrap();
        PluginName::new(argument.map(str::to_owned), Some(Path::new(executable)))
            .entry(&rollout)
            .map(|(path, _)| path)
    }

    #[test]
    fn the_registered_name_decides() {
        let both = json!({"acme/router": {}, "argoproj-labs/gatewayAPI": {}, "acme/other": {}});
        let found = |argument, executable| entry(argument, executable, both.clone()).unwrap();
        assert_eq!(
            found(Some("acme/router"), "/x/plugin-bin/acme/other"),
            r#"trafficRouting.plugins["acme/router"]"#
        );
        assert_eq!(
            found(None, "/home/argo/plugin-bin/acme/other"),
            r#"trafficRouting.plugins["acme/other"]"#
        );
        assert_eq!(
            found(None, "plugin-bin/acme/router"),
            r#"trafficRouting.plugins["acme/router"]"#
        );
        assert_eq!(
            found(None, "/usr/bin/router"),
            r#"trafficRouting.plugins["argoproj-labs/gatewayAPI"]"#
        );
    }

    #[test]
    fn a_single_entry_is_ours_whatever_its_name() {
        assert_eq!(
            entry(None, "/r", json!({"x/y": {}})).unwrap(),
            r#"trafficRouting.plugins["x/y"]"#
        );
    }

    #[test]
    fn no_entry_is_an_error_that_lists_what_there_is() {
        let error = entry(None, "/r", json!({"x/y": {}, "a/b": {}}))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(r#"has the entries "a/b", "x/y""#) && error.contains("--plugin-name"),
            "{error}"
        );
        assert_eq!(entry(None, "/r", json!({})), Err(ConfigError::NoPlugins));
        let blue_green = Rollout::default();
        assert_eq!(
            PluginName::default().entry(&blue_green).unwrap_err(),
            ConfigError::NoPlugins
        );
    }
}
