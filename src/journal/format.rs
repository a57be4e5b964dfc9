//! The format of the file: its tables, and how a file of an older format becomes one of this.
//!
//! Events keep the text that they were written with, since each carries the hash of the one before. What an older
//! format left out of an event has a default in `event.rs`.

use rusqlite::{Connection, TransactionBehavior};

/// The format's number, in SQLite's `user_version`.
///
/// 1. Events as JSON in `events`, the writer in `lock`.
/// 2. `lock` also has the number and hash of the last event; the end of a run has its cause.
/// 3. An intent has the resource that it is attached to.
/// 4. A failure has its kind and its operation.
/// 5. A head lies beside the file, and the lock is a file too: `lock` has only the epoch and the last event.
/// 6. A figure is a drawing of any kind, and not only a curve; pictures lie beside the file.
/// 7. A step can get another name.
/// 8. A step that failed has figures.
pub const FORMAT: i64 = 8;
/// The first format whose files have a head.
pub(super) const FIRST_WITH_HEAD: i64 = 5;

const TABLES: &str = "
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL);
    CREATE TABLE lock (
        only INTEGER PRIMARY KEY CHECK (only = 0), epoch INTEGER NOT NULL, head INTEGER, head_hash BLOB);
    INSERT INTO lock (only, epoch) VALUES (0, 0);";

const HEAD: &str = "
    ALTER TABLE lock ADD COLUMN head INTEGER;
    ALTER TABLE lock ADD COLUMN head_hash BLOB;";

/// Returns the number of the file's format; 0 for a new file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Creates the tables of a new file, or brings those of an older format up to this one. A file of this format or of a
/// newer one stays as it is.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    if version(connection)? >= FORMAT {
        return Ok(());
    }
    // Outside of a transaction, where alone SQLite accepts it. It changes nothing in a file that has it already.
    connection.execute_batch("PRAGMA journal_mode = WAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have upgraded it meanwhile.
    match version(&transaction)? {
        0 => transaction.execute_batch(TABLES)?,
        1 => transaction.execute_batch(HEAD)?,
        FORMAT.. => return Ok(()),
        _ => {}
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}
