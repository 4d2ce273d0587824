use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

const LIMITS: Limits = Limits {
    archive_bytes: 1 << 20,
    unpacked_bytes: 1 << 16,
    entries: 100,
};

struct Pack(Builder<GzEncoder<Vec<u8>>>);

impl Pack {
    fn new() -> Pack {
        Pack(Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    fn add(mut self, kind: EntryType, path: &str, target: &str, content: &[u8]) -> Pack {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        // Past the crate's own checks.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, path: &str) -> Pack {
        self.add(EntryType::Regular, path, "", path.as_bytes())
    }

    fn link(self, path: &str, target: &str) -> Pack {
        self.add(EntryType::Symlink, path, target, b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap().finish().unwrap()
    }

    fn unpack(self) -> Result<Vec<String>, String> {
        unpack_bytes(&self.bytes())
    }
}

fn unpack_bytes(bytes: &[u8]) -> Result<Vec<String>, String> {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("in");
    fs::create_dir(&folder).unwrap();
    let result = unpack(bytes, Place::Disk(&folder), &LIMITS).map_err(|e| e.to_string());
    assert_eq!(
        fs::read_dir(outer.path()).unwrap().count(),
        1,
        "something was written outside"
    );
    let names = result.map(|_| {
        let mut names = Vec::new();
        list(&folder, &folder, &mut names);
        names
    });
    assert_eq!(by_way_of_memory(bytes), names);
    names
}

/// The same where files may stay in memory: nothing is another, and a folder is made only where it is needed.
fn by_way_of_memory(bytes: &[u8]) -> Result<Vec<String>, String> {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("made");
    let make = folder.clone();
    let place = Place::memory(move || fs::create_dir(&make).map(|()| make));
    let place = unpack(bytes, place, &LIMITS).map_err(|e| e.to_string())?;
    if let Place::Memory { files, .. } = &place {
        assert!(!folder.exists());
        fs::create_dir(&folder).unwrap();
        files.write_to(&folder).unwrap();
    }
    let mut names = Vec::new();
    list(&folder, &folder, &mut names);
    Ok(names)
}

#[test]
fn what_is_large_as_it_is_sent_never_takes_memory() {
    let made = |archive_bytes| {
        let place = Place::of(archive_bytes, || Ok(tempfile::tempdir().unwrap()));
        matches!(place.unwrap(), Place::Disk(_))
    };
    assert!(made(1024 * 1024 + 1));
    assert!(!made(1024 * 1024));
}

#[test]
fn what_is_small_and_without_links_stays_in_memory() {
    let place = |pack: Pack| {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::memory(move || Ok(folder));
        unpack(
            &pack.bytes()[..],
            place,
            &Limits {
                unpacked_bytes: 1 << 22,
                entries: 5000,
                ..LIMITS
            },
        )
        .unwrap()
    };
    let large = vec![b'x'; 700_000];
    let half = |pack: Pack, name| pack.add(EntryType::Regular, name, "", &large);
    assert!(matches!(
        place(half(Pack::new().file("a/b"), "x")),
        Place::Memory { .. }
    ));
    assert!(matches!(place(half(half(Pack::new(), "x"), "y")), Place::Disk(_)));
    assert!(matches!(
        place(Pack::new().file("a").link("l", "a")),
        Place::Disk(_)
    ));
    // A file that replaces an earlier one takes its room.
    let again = half(half(Pack::new(), "x").add(EntryType::Regular, "x", "", b""), "y");
    assert!(matches!(place(again), Place::Memory { .. }));
    let many = |kind: EntryType, number: usize| {
        let named = (0..number).map(|n| n.to_string());
        place(named.fold(Pack::new(), |pack, name| pack.add(kind, &name, "", b"")))
    };
    for kind in [EntryType::Regular, EntryType::Directory] {
        assert!(matches!(many(kind, 2000), Place::Memory { .. }));
        assert!(matches!(many(kind, 2001), Place::Disk(_)));
    }
}

fn list(root: &Path, folder: &Path, names: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_symlink() {
            names.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
        } else if path.is_dir() {
            names.push(format!("{name}/"));
            list(root, &path, names);
        } else {
            assert!(
                fs::read(&path)
                    .unwrap()
                    .ends_with(name.rsplit('/').next().unwrap().as_bytes())
            );
            names.push(name);
        }
    }
}

#[test]
fn what_argo_cd_sends_is_unpacked() {
    let pack = Pack::new()
        .add(EntryType::Directory, ".", "", b"")
        .add(EntryType::Directory, "a", "", b"")
        .file("a/x")
        .file("b/c/y")
        .link("a/up", "../b/c/y")
        .link("dir", "b")
        .link("dead", "a/none")
        .link("through", "dir/c/y");
    assert_eq!(
        pack.unpack().unwrap(),
        [
            "a/",
            "a/up -> ../b/c/y",
            "a/x",
            "b/",
            "b/c/",
            "b/c/y",
            "dead -> a/none",
            "dir -> b",
            "through -> dir/c/y"
        ]
    );
}

#[test]
fn long_names_are_read() {
    let name = "n".repeat(200);
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = Header::new_gnu();
    header.set_size(name.len() as u64);
    builder.append_data(&mut header, &name, name.as_bytes()).unwrap();
    let pax = format!("{} path=p/{name}\n", name.len() + 12);
    let pack = Pack(builder)
        .add(EntryType::XHeader, "pax", "", pax.as_bytes())
        .add(EntryType::Regular, "short", "", name.as_bytes());
    assert_eq!(
        pack.unpack().unwrap(),
        [name.clone(), "p/".to_owned(), format!("p/{name}")]
    );
}

#[test]
fn paths_and_links_that_leave_are_refused() {
    for pack in [
        Pack::new().file("../x"),
        Pack::new().file("a/../../x"),
        Pack::new().file("/etc/x"),
        Pack::new().link("l", "/etc/passwd"),
        Pack::new().link("l", ".."),
        Pack::new().link("a/l", "../../x"),
        Pack::new().link("l", "a/../../x"),
        Pack::new().link("l", ""),
        // `s/d` is the root, so that two steps up from there are outside.
        Pack::new().link("s/d", "..").link("s/x", "d/../../y"),
        // A way out that only exists because of another link.
        Pack::new()
            .add(EntryType::Directory, "deep/er", "", b"")
            .link("d", "deep/er")
            .link("x", "d/../../../y"),
        Pack::new().link("loop", "loop"),
        Pack::new().link("a", "b").link("b", "a"),
        // Through a link, in either order.
        Pack::new().link("d", "e").file("d/x"),
        Pack::new().file("d/x").link("d", "e"),
    ] {
        let error = pack.unpack().unwrap_err();
        assert!(error.starts_with("illegal "), "{error}");
    }
}

#[test]
fn names_that_contradict_each_other_are_refused() {
    for pack in [
        Pack::new().file("a").file("a/b"),
        Pack::new().file("a/b").file("a"),
        Pack::new().file("a").add(EntryType::Directory, "a", "", b""),
    ] {
        assert!(pack.unpack().is_err());
    }
    assert_eq!(Pack::new().file("a").file("a").unpack().unwrap(), ["a"]);
}

#[test]
fn other_kinds_are_refused() {
    for kind in [
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Link,
        EntryType::GNUSparse,
    ] {
        let error = Pack::new().add(kind, "x", "y", b"").unpack().unwrap_err();
        assert_eq!(
            error,
            "\"x\" in the archive is neither a file, a folder nor a link"
        );
    }
}

#[test]
fn limits_hold() {
    let many = (0..101).fold(Pack::new(), |pack, n| {
        pack.add(EntryType::Regular, &n.to_string(), "", b"")
    });
    assert_eq!(
        many.unpack().unwrap_err(),
        "the archive holds more than 100 entries; raise --max-entries"
    );
    let large = Pack::new().add(EntryType::Regular, "x", "", &vec![0; (1 << 16) + 1]);
    assert!(large.unpack().unwrap_err().contains("more than 65536 bytes"));
    let name = vec![b'a'; 1 << 17];
    let long = Pack::new().add(EntryType::GNULongName, "x", "", &name);
    assert!(long.unpack().unwrap_err().contains("bytes in one name"));
    // Nothing but zeros behind the archive's end.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    assert!(
        unpack_bytes(&encoder.finish().unwrap())
            .unwrap_err()
            .contains("more than")
    );
}

#[test]
fn what_is_broken_is_refused() {
    let whole = Pack::new().file("a").file("b").bytes();
    for bytes in [
        &b""[..],
        b"no gzip",
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 4],
    ] {
        assert!(
            unpack_bytes(bytes)
                .unwrap_err()
                .starts_with("the archive cannot be read")
        );
    }
}

proptest::proptest! {
    /// Whatever comes, nothing is written outside (checked in `unpack_bytes`) and nothing panics.
    #[test]
    fn any_bytes_are_safe(seed in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2048)) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&seed).unwrap();
        let _ = unpack_bytes(&encoder.finish().unwrap());
    }

    #[test]
    fn any_links_stay_inside(links in proptest::collection::vec(("[abc](/[abc]){0,2}", "(\\.\\.|[abc])(/(\\.\\.|[abc])){0,4}"), 1..6)) {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("x/y/z/in");
        fs::create_dir_all(&folder).unwrap();
        let pack = links.iter().fold(Pack::new(), |pack, (path, target)| pack.link(path, target));
        if unpack(&pack.bytes()[..], Place::Disk(&folder), &LIMITS).is_ok() {
            for (path, _) in &links {
                if let Ok(real) = fs::canonicalize(folder.join(path)) {
                    proptest::prop_assert!(real.starts_with(fs::canonicalize(&folder).unwrap()));
                }
            }
        }
    }
}
