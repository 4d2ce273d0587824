//! A plain directory, as Argo CD's Directory source reads it.
//!
//! Follows `findManifests`, `getPotentiallyValidManifestFile` and `getObjsFromYAMLOrJSON` in argo-cd
//! `reposerver/repository/repository.go`. One difference: Jsonnet is an error, not evaluated.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use globset::GlobMatcher;

use super::RenderError;
use super::checkout::{Checkout, Entry};
use super::options::DirectoryOptions;
use crate::edit::{self, Manifest};

/// A file that holds this text is left out (`skipFileRenderingMarker`).
const SKIP_MARKER: &str = "+argocd:skip-file-rendering";

/// Reads the manifests of the Application's folder.
pub(super) fn render(
    checkout: &Checkout,
    options: &DirectoryOptions,
    most_bytes: u64,
) -> Result<Vec<Manifest>, RenderError> {
    if let Some(field) = &options.jsonnet {
        return Err(RenderError::Unsupported(format!(
            "directory.{field}: Jsonnet is not rendered by this plugin"
        )));
    }
    let include = pattern("include", options.include.as_deref())?;
    let exclude = pattern("exclude", options.exclude.as_deref())?;
    let files = checkout
        .entries(options.recurse)
        .map_err(|e| RenderError::io(&e, checkout.app(), checkout))?;

    let mut manifests = Vec::new();
    let mut left = most_bytes;
    for Entry { path: file, link } in files {
        let relative = file.strip_prefix(checkout.app()).unwrap_or(&file);
        let matches = |glob: &GlobMatcher| glob.is_match(relative);
        if !is_manifest(&file)
            || exclude.as_ref().is_some_and(matches)
            || include.as_ref().is_some_and(|g| !matches(g))
        {
            continue;
        }
        let name = relative.to_string_lossy().into_owned();
        let real = match link {
            false => file,
            true => match target(&file, &name, checkout)? {
                Some(real) => real,
                None => continue,
            },
        };
        let Some(bytes) = read(&real, checkout, &mut left, most_bytes)? else {
            continue;
        };
        if name.ends_with(".jsonnet") {
            return Err(RenderError::Unsupported(format!(
                "{name}: Jsonnet is not rendered by this plugin; exclude it or render it elsewhere"
            )));
        }
        let text = match decode(bytes) {
            Ok(text) => text,
            Err(lossy) if looks_like_a_manifest(&lossy) => {
                return Err(RenderError::File {
                    file: name,
                    problem: "it is neither UTF-8 nor UTF-16 text".into(),
                });
            }
            Err(_) => continue,
        };
        if text.contains(SKIP_MARKER) {
            continue;
        }
        manifests.extend(manifest(name, text)?);
    }
    Ok(manifests)
}

fn pattern(field: &str, text: Option<&str>) -> Result<Option<GlobMatcher>, RenderError> {
    let Some(text) = text.filter(|t| !t.is_empty()) else {
        return Ok(None);
    };
    // As gobwas/glob without separators: `*` also crosses folders.
    let glob = globset::GlobBuilder::new(&as_globset(text))
        .literal_separator(false)
        .empty_alternates(true)
        .build();
    glob.map(|g| Some(g.compile_matcher()))
        .map_err(|e| RenderError::Unsupported(format!("directory.{field} is no pattern: {e}")))
}

/// A pattern of gobwas/glob in the words of globset. `**` is nothing but `*` there, so that `**/a` is in some folder, and
/// only `!` turns a class around.
fn as_globset(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 2);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\\' => out.extend(chars.next()),
            '*' => while chars.next_if_eq(&'*').is_some() {},
            '[' if chars.next_if_eq(&'^').is_some() => {
                // Behind the others it is one of them.
                let class: String = std::iter::from_fn(|| chars.next_if(|c| *c != ']')).collect();
                out.push_str(&class);
                out.push('^');
            }
            _ => {}
        }
    }
    out
}

fn is_manifest(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // Our own settings are no manifest, in whatever folder they lie.
    let ours = name == super::SETTINGS_FILE;
    !ours
        && [".yaml", ".yml", ".json", ".jsonnet"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Where a link leads; `None` where that is nowhere.
fn target(link: &Path, name: &str, checkout: &Checkout) -> Result<Option<PathBuf>, RenderError> {
    let Ok(real) = fs::canonicalize(link) else {
        tracing::warn!(file = name, "a link to nowhere is left out");
        return Ok(None);
    };
    if !real.starts_with(checkout.root()) {
        return Err(RenderError::File {
            file: name.to_owned(),
            problem: "the link leaves the repository".into(),
        });
    }
    Ok(Some(real))
}

/// The file's bytes; `None` for what is no file.
fn read<'c>(
    path: &Path,
    checkout: &'c Checkout,
    left: &mut u64,
    most_bytes: u64,
) -> Result<Option<Cow<'c, [u8]>>, RenderError> {
    let io = |e| RenderError::io(&e, path, checkout);
    let Some(size) = checkout.size(path).map_err(io)? else {
        return Ok(None);
    };
    *left = left
        .checked_sub(size)
        .ok_or(RenderError::TooLarge { most_bytes })?;
    checkout.read(path).map_err(io)
}

/// Text of a file that may begin with a byte order mark, as `utfutil` of the repo-server reads it; where it is no text,
/// what could be made of it.
fn decode(bytes: Cow<'_, [u8]>) -> Result<String, String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes
            .chunks(2)
            .map(|c| unit([c[0], c.get(1).copied().unwrap_or(0)]))
            .collect();
        String::from_utf16(&units).map_err(|_| String::from_utf16_lossy(&units))
    };
    let utf8 = |bytes: Cow<'_, [u8]>| {
        String::from_utf8(bytes.into_owned()).map_err(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    };
    match &*bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest.into()),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn looks_like_a_manifest(text: &str) -> bool {
    ["apiVersion:", "kind:", "metadata:"]
        .iter()
        .all(|word| text.contains(word))
}

/// A file as it is handed over; `None` where Argo CD would pass over it.
fn manifest(name: String, text: String) -> Result<Option<Manifest>, RenderError> {
    let fail = |problem: String| RenderError::File {
        file: name.clone(),
        problem,
    };
    if name.ends_with(".json") {
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<serde::de::IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(fail(format!("it is no JSON: {error}"))),
            None => return Err(fail("it is empty".into())),
        }
        if !text[values.byte_offset()..].trim().is_empty() {
            return Err(fail(
                "it holds more than one object; JSON files may hold one".into(),
            ));
        }
        let text = edit::yaml_safe(&text).into_owned();
        return Ok(Some(Manifest { name, text }));
    }
    let looks_like_one = looks_like_a_manifest(&text);
    let text = match edit::yaml_safe_documents(&text) {
        Cow::Owned(safe) => safe,
        Cow::Borrowed(_) => text,
    };
    if !looks_like_one && !readable(&text).map_err(fail)? {
        return Ok(None);
    }
    Ok(Some(Manifest { name, text }))
}

/// Whether a file that does not look like a manifest is one: Argo CD passes over it where its first document is none, and
/// fails where a later one is none.
fn readable(text: &str) -> Result<bool, String> {
    let Ok(documents) = edit::split(text) else {
        return Ok(false);
    };
    let mut objects = 0;
    for document in documents {
        match edit::read(&text[document.range]) {
            Ok(value) if value.is_null() => {}
            Ok(value) if value["kind"].as_str().is_some_and(|k| !k.is_empty()) => objects += 1,
            _ if objects == 0 => return Ok(false),
            Ok(_) => return Err(format!("the document at line {} has no kind", document.line)),
            Err(e) => return Err(format!("line {}: {}", document.line + e.line - 1, e.problem)),
        }
    }
    Ok(objects > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render_files(
        files: &[(&str, &str)],
        options: &DirectoryOptions,
    ) -> Result<Vec<(String, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let checkout = Checkout::open(folder.path(), "app").unwrap();
        let manifests = render(&checkout, options, 1 << 20).map_err(|e| e.to_string())?;
        Ok(manifests.into_iter().map(|m| (m.name, m.text)).collect())
    }

    fn names(files: &[(&str, &str)], options: &DirectoryOptions) -> Vec<String> {
        render_files(files, options)
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    #[test]
    fn files_are_chosen_as_argo_cd_chooses_them() {
        let files = [
            ("app/b.yaml", OBJECT),
            ("app/a.yml", OBJECT),
            ("app/c.json", "{\"kind\": \"x\"}"),
            ("app/d.txt", OBJECT),
            ("app/.hidden.yaml", OBJECT),
            ("app/.canary.yaml", "default: off"),
            ("app/e/f.yaml", OBJECT),
            ("app/skip.yaml", "# +argocd:skip-file-rendering\nkind: x\n"),
            ("other/x.yaml", OBJECT),
        ];
        let options = |recurse, include: &str, exclude: &str| DirectoryOptions {
            recurse,
            include: Some(include.to_owned()),
            exclude: Some(exclude.to_owned()),
            jsonnet: None,
        };
        assert_eq!(
            names(&files, &options(false, "", "")),
            [".hidden.yaml", "a.yml", "b.yaml", "c.json"]
        );
        assert_eq!(
            names(&files, &options(true, "", "*.json")),
            [".hidden.yaml", "a.yml", "b.yaml", "e/f.yaml"]
        );
        assert_eq!(
            names(&files, &options(true, "{*/f,b}.yaml", "")),
            ["b.yaml", "e/f.yaml"]
        );
        assert_eq!(names(&files, &options(true, "e*", "")), ["e/f.yaml"]);
        // As gobwas/glob v0.2.3 has it, which was run beside it.
        for (pattern, expected) in [
            ("**/f.yaml", &["e/f.yaml"][..]),
            ("**/b.yaml", &[]),
            ("{,e/}*.yaml", &[".hidden.yaml", "b.yaml", "e/f.yaml"]),
            ("[^b].yaml", &["b.yaml"]),
            ("[!b].yaml", &[]),
            ("?.yaml", &["b.yaml"]),
            ("\\b.y*", &["b.yaml"]),
        ] {
            assert_eq!(names(&files, &options(true, pattern, "")), expected, "{pattern}");
        }
    }

    #[test]
    fn yaml_that_is_no_manifest_is_passed_over() {
        let files = [
            ("app/values.yaml", "replicas: 3\n"),
            ("app/broken.yaml", "a: [\n"),
            ("app/odd.yaml", "\"kind\": x\n\"apiVersion\": v1\n"),
            ("app/empty.yaml", "# nothing\n"),
            ("app/list.yaml", "- a\n"),
        ];
        assert_eq!(names(&files, &DirectoryOptions::default()), ["odd.yaml"]);
        let half = [("app/a.yaml", "kind: x\n---\nb: 1\n")];
        let error = render_files(&half, &DirectoryOptions::default()).unwrap_err();
        assert_eq!(error, "a.yaml: the document at line 3 has no kind");
    }

    #[test]
    fn json_is_written_so_that_yaml_reads_it() {
        let files = [
            ("app/a.json", r#"{"kind": "a\/b"}"#),
            (
                "app/b.yaml",
                "{\"kind\": \"\\ud83d\\ude00\"}\n---\nkind: \"c\\/d\"\n",
            ),
        ];
        let texts: Vec<_> = render_files(&files, &DirectoryOptions::default())
            .unwrap()
            .into_iter()
            .map(|(_, t)| t)
            .collect();
        assert_eq!(
            texts,
            [r#"{"kind": "a/b"}"#, "{\"kind\": \"😀\"}\n---\nkind: \"c\\/d\"\n"]
        );
        for (text, problem) in [
            ("{", "it is no JSON"),
            ("", "it is empty"),
            ("{} {}", "it holds more than one object"),
        ] {
            let error = render_files(&[("app/a.json", text)], &DirectoryOptions::default()).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn byte_order_marks_are_read() {
        for bytes in [
            b"\xef\xbb\xbfkind: \xc3\xa9".to_vec(),
            "\u{feff}kind: é"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            "\u{feff}kind: é"
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect(),
            "kind: é".into(),
        ] {
            assert_eq!(decode(bytes.into()).as_deref(), Ok("kind: é"));
        }
        assert!(decode(b"kind: \xff".into()).is_err());
    }

    #[test]
    fn links_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("x.yaml"), OBJECT).unwrap();
        fs::create_dir_all(folder.path().join("app")).unwrap();
        fs::write(folder.path().join("shared.yaml"), OBJECT).unwrap();
        std::os::unix::fs::symlink("../shared.yaml", folder.path().join("app/in.yaml")).unwrap();
        std::os::unix::fs::symlink("nowhere.yaml", folder.path().join("app/dead.yaml")).unwrap();
        let checkout = Checkout::open(folder.path(), "app").unwrap();
        let all = || render(&checkout, &DirectoryOptions::default(), 1 << 20);
        assert_eq!(all().unwrap().len(), 1);
        std::os::unix::fs::symlink(outside.path().join("x.yaml"), folder.path().join("app/out.yaml"))
            .unwrap();
        assert!(all().unwrap_err().to_string().contains("leaves the repository"));
    }

    #[test]
    fn jsonnet_and_too_much_are_errors() {
        let error = render_files(&[("app/a.jsonnet", "{}")], &DirectoryOptions::default()).unwrap_err();
        assert!(error.contains("Jsonnet"), "{error}");
        let much = "# ".repeat(1 << 20);
        let error = render_files(&[("app/a.yaml", &much)], &DirectoryOptions::default()).unwrap_err();
        assert!(error.contains("1048576 bytes"), "{error}");
    }
}
