//! Names that are given by flags: whether Kubernetes and the controller take them.

use super::Wishes;
use super::problem::{Problem, Refusal};

/// The longest name that a Service may have (RFC 1035).
pub(super) const LONGEST: usize = 63;

/// All that cannot be a name.
pub(super) fn check(wishes: &Wishes) -> Result<(), Refusal> {
    let mut problems = Vec::new();
    let mut refuse = |flag: &str, problem: String| problems.push(Problem::new(flag, "", problem));
    if let Some(name) = wishes.canary_service.as_deref().filter(|name| !is_label(name)) {
        refuse(
            "--canary-service",
            format!(
                "{name:?} cannot be the name of a Service; accepted are up to {LONGEST} letters from a to z, digits and -, a letter first and no - last"
            ),
        );
    }
    if !is_plugin(&wishes.router) {
        refuse(
            "--router",
            format!(
                "{:?} cannot be the name of a plugin; accepted is ORGANISATION/NAME as in argo-rollouts-config: letters, digits and -, in NAME also _ and .",
                wishes.router
            ),
        );
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Refusal(problems))
    }
}

/// A label of RFC 1035 as Kubernetes has it.
fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(inner)
        && !name.ends_with('-')
}

/// As `utils/config/config.go` of argo-rollouts wants the names of plugins.
fn is_plugin(name: &str) -> bool {
    let made_of = |part: &str, more: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    name.split_once('/')
        .is_some_and(|(organisation, name)| made_of(organisation, "-") && made_of(name, "-_."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services() {
        let longest = "a".repeat(LONGEST);
        let longer = format!("{longest}a");
        let cases = [
            ("shop-canary", true),
            ("s", true),
            ("s2", true),
            (longest.as_str(), true),
            (longer.as_str(), false),
            ("", false),
            ("Bad_Name", false),
            ("Shop", false),
            ("2shop", false),
            ("-shop", false),
            ("shop-", false),
            ("shop.demo", false),
            ("shop\n", false),
            ("caf\u{e9}", false),
        ];
        for (name, want) in cases {
            assert_eq!(is_label(name), want, "{name:?}");
        }
    }

    #[test]
    fn plugins() {
        let cases = [
            (super::super::ROUTER, true),
            ("My-Org/my_plugin.v2", true),
            ("", false),
            ("gatewayAPI", false),
            ("/gatewayAPI", false),
            ("argoproj-labs/", false),
            ("argoproj_labs/gatewayAPI", false),
            ("a/b/c", false),
            ("a/b c", false),
            ("a/b\n", false),
        ];
        for (name, want) in cases {
            assert_eq!(is_plugin(name), want, "{name:?}");
        }
    }
}
