//! The store, as settings name it; and the first access key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use control::identity::{AccessKey, has_root_key, install_root_key, new_root_key};
use store::etcd::{self, Etcd, Options};
use store::sqlite::Sqlite;
use store::{Store, StoreError};

use crate::client::Credentials;
use crate::limits;
use crate::settings::{SettingError, Settings, StorePlace};

/// Opens the store. One that is elsewhere is connected to when it is first needed.
pub fn open(settings: &Settings) -> Result<Arc<dyn Store>, SettingError> {
    match &settings.store {
        StorePlace::Embedded => {
            let path = settings.data.join("store.sqlite");
            let store = Sqlite::open(&path).map_err(|error| {
                let allowed = format!("a directory whose store can be opened: {error}");
                settings.error("data", settings.data.display(), allowed)
            })?;
            Ok(Arc::new(store))
        }
        StorePlace::Etcd { endpoints, user } => {
            let options = Options {
                endpoints: endpoints.clone(),
                credentials: user
                    .clone()
                    .map(|(user, password)| etcd::Credentials { user, password }),
                ..Options::default()
            };
            let store = Etcd::connect(options).map_err(|error| {
                settings.error("store", format!("{:?}", settings.store), error.to_string())
            })?;
            Ok(Arc::new(store))
        }
    }
}

/// Where the root key lies, in the form of AWS's shared credentials file.
pub fn credentials_file(data: &Path) -> PathBuf {
    data.join("credentials")
}

/// Makes the root key if the store has none; says whether the key is new in its file. A store that
/// does not answer is asked again until it does.
pub async fn ensure_root_key(store: &dyn Store, data: &Path, now_ms: u64) -> io::Result<bool> {
    let mut has_warned = false;
    loop {
        match try_root_key(store, data, now_ms).await {
            Ok(done) => {
                // The start did not wait for this, and does not hear of it.
                if let (true, Err(error)) = (has_warned, &done) {
                    tracing::error!(%error, "the root access key cannot be written");
                }
                return done;
            }
            Err(error) if !has_warned => {
                tracing::warn!(%error, "the root access key waits for the store");
                has_warned = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(limits::STORE_RETRY).await;
    }
}

/// The key lies in a file before it is in the store, since nobody could read it from there: a disk
/// that is full, or a stop in between, must not lock everybody out. The next attempt, or the next
/// start, goes on with the file of the last.
async fn try_root_key(
    store: &dyn Store,
    data: &Path,
    now_ms: u64,
) -> Result<io::Result<bool>, StoreError> {
    let (file, draft) = (credentials_file(data), data.join("credentials.new"));
    let made = new_root_key(now_ms);
    let begun = Credentials::in_file(draft.clone()).ok();
    let is_whole = |key: &Credentials| key.secret.len() == made.secret.len();
    let key = match begun.filter(is_whole) {
        Some(Credentials { id, secret }) => AccessKey { id, secret, ..made },
        None if has_root_key(store).await? => return Ok(Ok(false)),
        None => match write_credentials(&draft, &made) {
            Ok(()) => made,
            Err(error) => return Ok(Err(error)),
        },
    };
    let is_root = install_root_key(store, &key).await?;
    let done = match is_root {
        true => fs::rename(&draft, &file),
        false => fs::remove_file(&draft),
    };
    Ok(done.map(|()| is_root))
}

/// How long the start waits for a store before it goes on without it.
pub const PATIENCE: Duration = Duration::from_secs(2);

fn write_credentials(path: &Path, key: &AccessKey) -> io::Result<()> {
    let text = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        key.id, key.secret
    );
    // A file that is there already may be readable for others.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let directory = path.parent().unwrap_or(path);
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn key_in(data: &Path) -> Option<String> {
        let key = Credentials::read(data).ok();
        key.map(|key| key.id)
    }

    #[tokio::test]
    async fn the_root_key_is_made_once_and_for_its_owner_alone() {
        let store = Sqlite::in_memory().unwrap();
        let data = tempfile::tempdir().unwrap();
        let data = data.path();
        assert!(ensure_root_key(&store, data, 0).await.unwrap());
        let first = key_in(data).unwrap();
        let mode = credentials_file(data)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!ensure_root_key(&store, data, 1).await.unwrap());
        assert_eq!(key_in(data), Some(first));
        assert_eq!(fs::read_dir(data).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_root_key_that_cannot_be_kept_is_not_made() {
        let store = Sqlite::in_memory().unwrap();
        let data = tempfile::tempdir().unwrap();
        let missing = data.path().join("missing");
        ensure_root_key(&store, &missing, 0).await.unwrap_err();
        assert!(ensure_root_key(&store, data.path(), 1).await.unwrap());
    }

    #[tokio::test]
    async fn a_root_key_that_was_stored_before_a_stop_is_in_its_file_after_it() {
        let store = Sqlite::in_memory().unwrap();
        let data = tempfile::tempdir().unwrap();
        let key = new_root_key(0);
        write_credentials(&data.path().join("credentials.new"), &key).unwrap();
        assert!(install_root_key(&store, &key).await.unwrap());
        assert!(ensure_root_key(&store, data.path(), 1).await.unwrap());
        assert_eq!(key_in(data.path()), Some(key.id));
    }

    #[tokio::test]
    async fn of_two_nodes_one_has_the_root_key() {
        let store = Sqlite::in_memory().unwrap();
        let data = tempfile::tempdir().unwrap();
        write_credentials(&data.path().join("credentials.new"), &new_root_key(0)).unwrap();
        assert!(install_root_key(&store, &new_root_key(1)).await.unwrap());
        assert!(!ensure_root_key(&store, data.path(), 2).await.unwrap());
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }
}
