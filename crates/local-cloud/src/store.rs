//! The cloud's state in one SQLite file: a table of typed items, and the tables of IAM's decisions, the logs and S3.
//!
//! A commit survives the death of the process (WAL). It may not survive a power failure: `synchronous=NORMAL` flushes
//! only at checkpoints. That is enough for a cloud whose resources end with the machine.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::AwsError;
use crate::support::lock::locked;

/// The format of the file, which is in SQLite's `user_version`.
const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE item (
        kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID;
    CREATE TABLE decision (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL,
        principal TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL, outcome TEXT NOT NULL
    );
    CREATE TABLE log_group (name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE log_stream (
        log_group TEXT NOT NULL REFERENCES log_group ON DELETE CASCADE, name TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (log_group, name)
    ) WITHOUT ROWID;
    CREATE TABLE log_event (
        id INTEGER PRIMARY KEY, log_group TEXT NOT NULL, stream TEXT NOT NULL,
        time_ms INTEGER NOT NULL, ingested_ms INTEGER NOT NULL, message TEXT NOT NULL,
        FOREIGN KEY (log_group, stream) REFERENCES log_stream ON DELETE CASCADE
    );
    CREATE INDEX log_event_order ON log_event (log_group, stream, time_ms, id);
    CREATE INDEX log_event_of_group ON log_event (log_group, time_ms, id);
    -- S3's keys are blobs: they sort by their bytes, as S3 lists them, and a NUL in one is nothing special.
    CREATE TABLE s3_object (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        bucket TEXT NOT NULL, key BLOB NOT NULL, version TEXT NOT NULL,
        latest INTEGER NOT NULL, record TEXT NOT NULL,
        UNIQUE (bucket, key, version)
    );
    CREATE INDEX s3_object_latest ON s3_object (bucket, key) WHERE latest;
    CREATE INDEX s3_object_order ON s3_object (bucket, key, seq DESC);
    CREATE TABLE s3_part (
        upload TEXT NOT NULL, number INTEGER NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;";

/// Why the state file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "{} was written by a newer opsml (format {found}, this one reads {FORMAT}): use that one, or another \
         OPSML_CLOUD_DIR", path.display()
    )]
    Newer { path: PathBuf, found: i64 },
    #[error("cannot open the local cloud's state {}: {source}", path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
}

/// The state file. Clones share one connection. Every call is one short transaction.
#[derive(Clone, Debug)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens the file, which must not be a symbolic link. Creates it if it is missing.
    ///
    /// # Errors
    /// The file cannot be opened, or a newer opsml wrote it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Sqlite { path: path.to_owned(), source };
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(without_links(path), flags).map_err(failed)?;
        let found = prepare(&mut connection).map_err(failed)?;
        if found > FORMAT {
            return Err(OpenError::Newer { path: path.to_owned(), found });
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Writes an item. It replaces the item of the same name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put<T: Serialize>(&self, kind: &str, name: &str, value: &T) -> Result<(), AwsError> {
        let value = to_json(value)?;
        self.with(|c| {
            c.prepare_cached("INSERT OR REPLACE INTO item VALUES (?1, ?2, ?3)")?
                .execute(params![kind, name, value])
        })?;
        Ok(())
    }

    /// Writes an item, unless there is one of the same name. Returns whether it was written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn insert<T: Serialize>(&self, kind: &str, name: &str, value: &T) -> Result<bool, AwsError> {
        let value = to_json(value)?;
        let written = self.with(|c| {
            c.prepare_cached("INSERT OR IGNORE INTO item VALUES (?1, ?2, ?3)")?
                .execute(params![kind, name, value])
        })?;
        Ok(written == 1)
    }

    /// Returns an item.
    ///
    /// # Errors
    /// The file can't be read, or the item isn't a `T`.
    pub fn get<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<Option<T>, AwsError> {
        let found: Option<String> = self.with(|c| select(c, kind, name))?;
        found.map(|json| from_json(kind, name, &json)).transpose()
    }

    /// Returns all items of a kind, by name.
    ///
    /// # Errors
    /// The file can't be read, or an item isn't a `T`.
    pub fn list<T: DeserializeOwned>(&self, kind: &str) -> Result<Vec<(String, T)>, AwsError> {
        let rows: Vec<(String, String)> = self.with(|c| {
            c.prepare_cached("SELECT name, value FROM item WHERE kind = ?1 ORDER BY name")?
                .query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        rows.into_iter()
            .map(|(name, json)| {
                let value = from_json(kind, &name, &json)?;
                Ok((name, value))
            })
            .collect()
    }

    /// Reads, changes and writes an item in one transaction, and returns what `change` returns. None: the item doesn't
    /// exist. The store is locked while `change` runs, so `change` must not use it.
    ///
    /// # Errors
    /// The error of `change`, after which the item is as it was; the file can't be read or written.
    pub fn update<T, R>(
        &self,
        kind: &str,
        name: &str,
        change: impl FnOnce(&mut T) -> Result<R, AwsError>,
    ) -> Result<Option<R>, AwsError>
    where
        T: Serialize + DeserializeOwned,
    {
        let connection = self.lock();
        let Some(json) = select(&connection, kind, name).map_err(failed)? else { return Ok(None) };
        let mut value: T = from_json(kind, name, &json)?;
        let answer = change(&mut value)?;
        let json = to_json(&value)?;
        connection
            .prepare_cached("UPDATE item SET value = ?3 WHERE kind = ?1 AND name = ?2")
            .and_then(|mut statement| statement.execute(params![kind, name, json]))
            .map_err(failed)?;
        Ok(Some(answer))
    }

    /// Deletes an item, and returns whether it existed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn delete(&self, kind: &str, name: &str) -> Result<bool, AwsError> {
        let deleted = self.with(|c| {
            c.prepare_cached("DELETE FROM item WHERE kind = ?1 AND name = ?2")?.execute(params![kind, name])
        })?;
        Ok(deleted == 1)
    }

    /// Runs several statements as one transaction, for services that have tables of their own.
    pub(crate) fn transaction<R>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> Result<R, AwsError> {
        let mut connection = self.lock();
        let transaction = connection.transaction().map_err(failed)?;
        let answer = work(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(answer)
    }

    /// Runs one statement, for services that have tables of their own.
    pub(crate) fn with<R>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> Result<R, AwsError> {
        work(&self.lock()).map_err(failed)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        locked(&self.connection)
    }
}

/// Returns the path with its folders' real names, since SQLite would refuse a link among them, too.
fn without_links(path: &Path) -> PathBuf {
    let real = path.parent().zip(path.file_name());
    real.and_then(|(folder, name)| Some(folder.canonicalize().ok()?.join(name)))
        .unwrap_or_else(|| path.to_owned())
}

/// Sets up the connection, and returns the file's format. A newer file isn't changed.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > FORMAT {
        return Ok(found);
    }
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    if found == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(found)
}

fn select(connection: &Connection, kind: &str, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM item WHERE kind = ?1 AND name = ?2")?
        .query_row(params![kind, name], |row| row.get(0))
        .optional()
}

/// Returns the error if the file can't be used, as on a full disk. The state is as it was.
fn failed(error: rusqlite::Error) -> AwsError {
    AwsError::internal(format!("the local cloud could not use its state file: {error}"))
}

fn to_json<T: Serialize>(value: &T) -> Result<String, AwsError> {
    serde_json::to_string(value).map_err(|error| AwsError::internal(error.to_string()))
}

fn from_json<T: DeserializeOwned>(kind: &str, name: &str, json: &str) -> Result<T, AwsError> {
    serde_json::from_str(json)
        .map_err(|error| AwsError::internal(format!("the stored {kind} {name} cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let store = Store::open(&path).unwrap();
        store.put("role", "b", &2).unwrap();
        assert!(store.insert("role", "a", &1).unwrap());
        assert!(!store.insert("role", "a", &9).unwrap());
        assert_eq!(store.update("role", "b", |n: &mut i64| Ok(std::mem::replace(n, 3))).unwrap(), Some(2));
        // As if the process were killed: a forgotten handle isn't closed.
        std::mem::forget(store);

        let store = Store::open(&path).unwrap();
        assert_eq!(store.list::<i64>("role").unwrap(), [("a".into(), 1), ("b".into(), 3)]);
        assert_eq!(store.get::<i64>("user", "a").unwrap(), None);
        assert!(store.delete("role", "a").unwrap());
        assert!(!store.delete("role", "a").unwrap());
    }

    #[test]
    fn a_refused_update_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state.db")).unwrap();
        store.put("role", "a", &1).unwrap();
        let refused = store.update("role", "a", |n: &mut i64| {
            *n = 2;
            Err::<(), _>(AwsError::validation("no"))
        });
        assert_eq!(refused, Err(AwsError::validation("no")));
        assert_eq!(store.get::<i64>("role", "a").unwrap(), Some(1));
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", FORMAT + 1).unwrap();
        let before = std::fs::read(&path).unwrap();
        let message = Store::open(&path).unwrap_err().to_string();
        assert!(message.contains("newer opsml (format 2"), "{message}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
