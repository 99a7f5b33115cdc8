//! The file of the instance's keys: made at the first start, for its owner only.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use retinue_app::key::{self, KeyRing};
use retinue_app::{App, Clock, Rng};
use retinue_model::error::Kind;
use retinue_model::{Error, Result};
use retinue_store::migrate;

use crate::config::Config;
use crate::system::{SystemClock, SystemRng};
use crate::{operator, wiring};

/// How often it is looked whether the file changed.
const WATCH: Duration = Duration::from_millis(500);

fn path(config: &Config) -> PathBuf {
    config.data.dir.join("instance.key")
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let said = format!(
        "The file of the instance's keys, {}, can't be used: {error}. Make it readable and writable for this user.",
        path.display()
    );
    Error::new(Kind::StorageFull, "key_file_unusable", said).because(error)
}

/// The keys of this instance; made if there are none.
///
/// # Errors
/// `key_file_unusable`, `key_file_exposed`, `key_file_foreign`, `invalid_key_file`.
pub(crate) fn open(config: &Config) -> Result<KeyRing> {
    let path = path(config);
    if let Some(keys) = read(&path)? {
        return Ok(keys);
    }
    let turn = Turn::take(&path)?;
    turn.keys()
}

/// How many keys there are, if there is a file of them.
///
/// # Errors
/// Those of [`open`].
pub(crate) fn look(config: &Config) -> Result<Option<usize>> {
    Ok(read(&path(config))?.map(|keys| keys.len()))
}

fn read(path: &Path) -> Result<Option<KeyRing>> {
    text(path)?.map(|text| KeyRing::parse(&text)).transpose()
}

/// What the file says, if there is one that nobody else can read or change.
fn text(path: &Path) -> Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    // Of the file that is open: what is at the path may be another one by now.
    let metadata = file.metadata().map_err(|error| failed(path, error))?;
    check_private(path, &metadata)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| failed(path, error))?;
    Ok(Some(text))
}

#[cfg(unix)]
fn check_private(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    check_owner(path, metadata.uid(), rustix::process::geteuid().as_raw())?;
    check_mode(path, metadata.mode() & 0o777)
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &std::fs::Metadata) -> Result<()> {
    Ok(())
}

fn check_mode(path: &Path, mode: u32) -> Result<()> {
    let of_others = mode & 0o077;
    if of_others == 0 {
        return Ok(());
    }
    Err(Error::conflict(
        "key_file_exposed",
        format!(
            "The file of the instance's keys, {0}, can be read by others than its owner ({mode:o}), who could then sign in as anybody. Run `chmod 600 {0}`; if somebody may have read it, `retinue key rotate --forget` too.",
            path.display()
        ),
    ))
}

/// Whoever owns a file can change it, whatever its mode says.
fn check_owner(path: &Path, owner: u32, this_user: u32) -> Result<()> {
    if owner == this_user || owner == 0 {
        return Ok(());
    }
    // What belongs to root, others could not read any more.
    let chown = if this_user == 0 { String::new() } else { format!(", or `chown {this_user} {}`", path.display()) };
    Err(Error::conflict(
        "key_file_foreign",
        format!(
            "The file of the instance's keys, {0}, belongs to user {owner}, and this is user {this_user}: its owner could sign in as anybody. Run it as user {owner}{chown}.",
            path.display()
        ),
    ))
}

/// The only one who changes the file: others wait until it is dropped.
struct Turn<'a> {
    path: &'a Path,
    _lock: File,
}

impl<'a> Turn<'a> {
    fn take(path: &'a Path) -> Result<Self> {
        // Before there is a lock that its owner could not open.
        text(path)?;
        let beside = path.with_extension("key.lock");
        let lock = || {
            let file = private().create(true).truncate(false).open(&beside)?;
            file.lock().map(|()| file)
        };
        Ok(Self { path, _lock: lock().map_err(|error| failed(&beside, error))? })
    }

    /// The keys as they are now; made if there are none.
    fn keys(&self) -> Result<KeyRing> {
        if let Some(keys) = read(self.path)? {
            return Ok(keys);
        }
        let keys = KeyRing::generate(&SystemRng::new(), SystemClock.now())?;
        self.write(&keys)?;
        Ok(keys)
    }

    /// Puts the file in place whole, or not at all.
    fn write(&self, keys: &KeyRing) -> Result<()> {
        let folder = self.path.parent().unwrap_or(self.path);
        let new = folder.join(format!(".instance.key.{:016x}", random()));
        let put = || {
            // One that somebody else put there is never written to.
            let mut file = private().create_new(true).open(&new)?;
            file.write_all(keys.text().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, self.path)?;
            File::open(folder)?.sync_all()
        };
        put().map_err(|error| failed(self.path, error))
    }
}

/// To write to a file that is its owner's only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn random() -> u64 {
    let mut random = [0; 8];
    SystemRng::new().fill(&mut random);
    u64::from_le_bytes(random)
}

/// `retinue key rotate`: a new key for what is new. With `forget`, the others don't count any more.
pub(crate) async fn rotate(config: &Config, forget: bool) -> Result<String> {
    wiring::make_data_folder(config)?;
    let path = path(config);
    let turn = Turn::take(&path)?;
    let (keys, now) = (turn.keys()?, SystemClock.now());
    let lifetime = jiff::SignedDuration::from_hours(config.auth.sessions.absolute_hours.into());
    // A cookie counts for as long as its session may last.
    let needed_since =
        if forget { jiff::Timestamp::MAX } else { now.saturating_sub(lifetime).map_err(Error::internal)? };
    let before = keys.len();
    let rotated = keys.rotated(&SystemRng::new() as &dyn Rng, now, needed_since)?;
    turn.write(&rotated)?;
    let dropped = before + 1 - rotated.len();
    let said = match (forget, dropped) {
        (true, _) => "A new key is in use, and everybody signs in again.\n".to_owned(),
        (false, 0) => "A new key is in use; what was made with the others still counts.\n".to_owned(),
        (false, dropped) => format!("A new key is in use; {dropped} that nothing needs any more were dropped.\n"),
    };
    drop(turn);
    // Whoever must be rid of a key is, whether the database can be reached or not.
    let untold = tell(config, dropped).await.err();
    let untold = untold.map(|error| format!("The audit trail does not tell of it: {error}\n")).unwrap_or_default();
    Ok(format!("{said}A running server takes it within a second.\n{untold}"))
}

/// Tells of it in the audit trail, if there is one yet.
async fn tell(config: &Config, dropped: usize) -> anyhow::Result<()> {
    if migrate::current(&wiring::location(config)).await? == 0 {
        return Ok(());
    }
    Ok(operator::open(config).await?.tell_of_new_key(dropped).await?)
}

/// Takes other keys when the file changes, for as long as the program runs.
pub(crate) async fn keep_watch(config: Config, app: App) {
    let path = path(&config);
    // What was read at the start may have changed since: it is taken once more.
    let mut known = String::new();
    let mut complained = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(WATCH) => {}
            () = app.stopped() => return,
        }
        match look_again(&path, &known) {
            Ok(None) => complained = false,
            Ok(Some((text, keys))) => {
                if let Err(error) = key::take(&app, keys).await {
                    tracing::error!(
                        ?error,
                        "the sessions of keys that are gone could not be ended; their cookies don't count"
                    );
                }
                tracing::info!("took the instance's keys");
                (known, complained) = (text, false);
            }
            // The keys that are in use stay. Said once, and tried again.
            Err(error) if !complained => {
                tracing::error!(
                    ?error,
                    "the file of the instance's keys can't be used; the keys before go on counting"
                );
                complained = true;
            }
            Err(_) => {}
        }
    }
}

/// The keys of the file, if it says something else than is known.
fn look_again(path: &Path, known: &str) -> Result<Option<(String, KeyRing)>> {
    let text = text(path)?.ok_or_else(|| failed(path, std::io::ErrorKind::NotFound.into()))?;
    if text == known {
        return Ok(None);
    }
    let keys = KeyRing::parse(&text)?;
    Ok(Some((text, keys)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_read_and_only_this_user_or_root_may_own() {
        let path = Path::new("data/instance.key");
        for (mode, is_good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o666, false)] {
            assert_eq!(check_mode(path, mode).is_ok(), is_good, "{mode:o}");
        }
        for (owner, this_user, is_good) in
            [(1000, 1000, true), (0, 1000, true), (0, 0, true), (1001, 1000, false), (1000, 0, false)]
        {
            assert_eq!(check_owner(path, owner, this_user).is_ok(), is_good, "{owner} {this_user}");
        }
        let said = check_owner(path, 1001, 1000).unwrap_err();
        assert_eq!(said.code(), "key_file_foreign");
        assert!(said.detail().contains("`chown 1000 data/instance.key`"), "{}", said.detail());
        let said = check_owner(path, 1000, 0).unwrap_err();
        assert!(said.detail().ends_with("Run it as user 1000."), "{}", said.detail());
    }

    #[cfg(unix)]
    #[test]
    fn whoever_may_not_use_the_keys_makes_no_lock() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instance.key");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Turn::take(&path).err().unwrap().code(), "key_file_exposed");
        assert!(!folder.path().join("instance.key.lock").exists());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(folder.path().join("instance.key.lock")).unwrap();
        let said = Turn::take(&path).err().unwrap();
        assert!(said.detail().contains("instance.key.lock"), "{}", said.detail());
    }
}
