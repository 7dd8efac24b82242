//! Taking up changes: watched files, and what a reload does with them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::settings::Settings;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified_secs: i64,
    modified_nanos: i64,
    size_bytes: u64,
}

/// Every watched file with its state; those that are not there have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Snapshot(BTreeMap<PathBuf, Option<Stamp>>);

impl Snapshot {
    /// The configuration file, the distributions, the policies and their directory.
    fn of(settings: &Settings) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add(&settings.config);
        for file in &settings.distributions {
            snapshot.add(file);
        }
        if let Some(directory) = &settings.policies {
            // A directory that cannot be read shows in the files that go missing.
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let file = entry.path();
                if file
                    .extension()
                    .is_some_and(|extension| extension == "json")
                {
                    snapshot.add(&file);
                }
            }
        }
        snapshot
    }

    fn add(&mut self, file: &Path) {
        let stamp = fs::metadata(file).ok().map(|metadata| Stamp {
            inode: metadata.ino(),
            modified_secs: metadata.mtime(),
            modified_nanos: metadata.mtime_nsec(),
            size_bytes: metadata.size(),
        });
        self.0.insert(file.to_owned(), stamp);
    }
}

/// Sees changes of the files that settings name.
#[derive(Debug)]
pub struct Watch {
    taken_up: Snapshot,
    seen: Snapshot,
}

impl Watch {
    /// From the present state.
    pub fn new(settings: &Settings) -> Watch {
        let now = Snapshot::of(settings);
        Watch {
            taken_up: now.clone(),
            seen: now,
        }
    }

    /// Whether files are other than when they were taken up last, and have stood still since the
    /// last look.
    pub fn look(&mut self, settings: &Settings) -> bool {
        let now = Snapshot::of(settings);
        let is_still = now == self.seen;
        self.seen = now;
        is_still && self.seen != self.taken_up
    }

    /// What has been seen is taken up, whether it could be used or not. Called before files are
    /// read, so that a change while they are is not missed.
    pub fn take_up(&mut self, settings: &Settings) {
        *self = Watch::new(settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::ServeArguments;
    use crate::settings::Sources;

    fn settings(directory: &Path) -> Settings {
        let arguments = ServeArguments {
            config: Some(directory.join("w.toml")),
            ..ServeArguments::default()
        };
        Sources::new(&arguments, None, None, |_| None)
            .read()
            .unwrap()
    }

    #[test]
    fn a_change_counts_once_it_stands_still() {
        let directory = tempfile::tempdir().unwrap();
        let policies = directory.path().join("policies");
        fs::create_dir(&policies).unwrap();
        let distribution = directory.path().join("a.json");
        fs::write(&distribution, "1").unwrap();
        let config = "distribution = \"a.json\"\npolicies = \"policies\"";
        fs::write(directory.path().join("w.toml"), config).unwrap();
        let settings = settings(directory.path());

        let mut watch = Watch::new(&settings);
        assert!(!watch.look(&settings), "nothing has changed");
        fs::write(&distribution, "12").unwrap();
        assert!(!watch.look(&settings), "it may be half written");
        fs::write(&distribution, "123").unwrap();
        assert!(!watch.look(&settings), "it was");
        assert!(watch.look(&settings));
        watch.take_up(&settings);
        assert!(!watch.look(&settings));

        fs::write(policies.join("p.json"), "{}").unwrap();
        fs::write(policies.join("readme.txt"), "").unwrap();
        assert!(!watch.look(&settings));
        assert!(watch.look(&settings), "a policy came");
        watch.take_up(&settings);

        fs::remove_file(&distribution).unwrap();
        assert!(!watch.look(&settings));
        assert!(watch.look(&settings), "a file went");
    }
}
