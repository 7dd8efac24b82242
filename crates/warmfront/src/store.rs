//! The store, as settings name it; and the first access key.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use control::identity::{AccessKey, root_key};
use store::Store;
use store::etcd::{Credentials, Etcd, Options};
use store::sqlite::Sqlite;

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
                    .map(|(user, password)| Credentials { user, password }),
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

/// Makes the root key if the store has none, and writes it to its file. A store that does not
/// answer is asked again until it does.
pub async fn ensure_root_key(store: &dyn Store, data: &Path, now_ms: u64) -> io::Result<bool> {
    let mut has_warned = false;
    loop {
        match root_key(store, now_ms).await {
            Ok(Some(key)) => {
                write_credentials(&credentials_file(data), &key)?;
                return Ok(true);
            }
            Ok(None) => return Ok(false),
            Err(error) if !has_warned => {
                tracing::warn!(%error, "the root access key waits for the store");
                has_warned = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(limits::STORE_RETRY).await;
    }
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
    file.sync_all()
}
