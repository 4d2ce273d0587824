//! The variables that come with a request.

/// Variables of a request, as the repo-server's `newEnv` and `getPluginEnvs` make them.
#[derive(Debug, Clone, Default)]
pub struct Environment(Vec<(String, String)>);

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Environment(pairs.into_iter().collect())
    }
}

impl Environment {
    /// The variables of this process, where `argocd-cmp-server` or a shell has set them.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect()
    }

    /// A variable that is set and not empty. The last of two with one name counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self
            .0
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str());
        value.filter(|v| !v.is_empty())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// All variables whose names `wanted` takes.
    pub fn filtered(&self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(move |(n, _)| wanted(n))
            .map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Replaces `$NAME` and `${NAME}` of the Application's variables, `$$` is a dollar, an unknown name is nothing.
    ///
    /// Follows `Env.Envsubst` in argo-cd `pkg/apis/application/v1alpha1/types.go` and Go's `os.Expand`. Beside
    /// `ARGOCD_APP_*` it knows `ARGOCD_ENV_*`, which Argo CD's own sources do not have.
    #[must_use]
    pub fn substitute(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if rest.is_empty() {
                out.push('$');
                break;
            }
            let (name, width) = shell_name(rest);
            match name {
                "" if width == 0 => out.push('$'),
                "" => {}
                "$" => out.push('$'),
                name if name.starts_with("ARGOCD_APP_") || name.starts_with("ARGOCD_ENV_") => {
                    out.push_str(self.get(name).unwrap_or_default());
                }
                _ => {}
            }
            rest = &rest[width..];
        }
        out.push_str(rest);
        out
    }
}

/// Go's `os.getShellName`: the name and the bytes it takes.
fn shell_name(text: &str) -> (&str, usize) {
    let special = |b: u8| b.is_ascii_digit() || b"*#$@!?-".contains(&b);
    let bytes = text.as_bytes();
    if bytes[0] == b'{' {
        return match text.find('}') {
            Some(1) => ("", 2),
            Some(end) => (&text[1..end], end + 1),
            None => ("", 1),
        };
    }
    if special(bytes[0]) {
        return (&text[..1], 1);
    }
    let end = bytes
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))
        .unwrap_or(bytes.len());
    (&text[..end], end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitution_is_gos() {
        let pairs = [
            ("ARGOCD_APP_NAME", "shop"),
            ("ARGOCD_ENV_TAG", "v1"),
            ("HOME", "/root"),
        ];
        let env: Environment = pairs
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into_iter()
            .collect();
        for (text, expected) in [
            ("a-$ARGOCD_APP_NAME-b", "a-shop-b"),
            ("${ARGOCD_APP_NAME}:${ARGOCD_ENV_TAG}", "shop:v1"),
            ("$$5 $", "$5 $"),
            ("$HOME$ARGOCD_APP_NONE", ""),
            ("${}x", "x"),
            ("${ARGOCD_APP_NAME", "ARGOCD_APP_NAME"),
            ("$-$1 €$€", " €$€"),
        ] {
            assert_eq!(env.substitute(text), expected, "{text}");
        }
    }
}
