/**
 * The schema, one step per version: step n takes a store of version n to n+1. A published step is never changed.
 *
 * Times are nanoseconds since 1970, 0 for none. Labels, annotations and extensions are JSON.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE properties (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE namespaces (name TEXT PRIMARY KEY, labels TEXT NOT NULL DEFAULT '{}') STRICT, WITHOUT ROWID;

  CREATE TABLE containers (
    namespace TEXT NOT NULL REFERENCES namespaces(name),
    id TEXT NOT NULL,
    labels TEXT NOT NULL,
    image TEXT NOT NULL,
    runtime_name TEXT NOT NULL,
    runtime_options_type TEXT,
    runtime_options BLOB,
    spec_type TEXT,
    spec BLOB,
    snapshotter TEXT NOT NULL,
    snapshot_key TEXT NOT NULL,
    extensions TEXT NOT NULL,
    sandbox TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (namespace, id)
  ) STRICT;

  CREATE TABLE images (
    namespace TEXT NOT NULL REFERENCES namespaces(name),
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    media_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    annotations TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE blobs (
    namespace TEXT NOT NULL REFERENCES namespaces(name),
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX blobs_by_digest ON blobs(digest);

  CREATE TABLE ingests (
    namespace TEXT NOT NULL REFERENCES namespaces(name),
    ref TEXT NOT NULL,
    directory TEXT NOT NULL,
    total INTEGER NOT NULL,
    expected TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, ref)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE leases (
    namespace TEXT NOT NULL REFERENCES namespaces(name),
    id TEXT NOT NULL,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE lease_resources (
    namespace TEXT NOT NULL,
    lease TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (namespace, lease, type, id),
    FOREIGN KEY (namespace, lease) REFERENCES leases(namespace, id) ON DELETE CASCADE
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE snapshots (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL REFERENCES namespaces(name),
    snapshotter TEXT NOT NULL,
    key TEXT NOT NULL,
    kind INTEGER NOT NULL,
    parent INTEGER REFERENCES snapshots(number),
    labels TEXT NOT NULL,
    size INTEGER NOT NULL DEFAULT -1,
    inodes INTEGER NOT NULL DEFAULT -1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (namespace, snapshotter, key)
  ) STRICT;
  CREATE INDEX snapshots_by_parent ON snapshots(parent);

  CREATE TABLE sandboxes (
    namespace TEXT NOT NULL REFERENCES namespaces(name),
    id TEXT NOT NULL,
    record BLOB NOT NULL,
    labels TEXT NOT NULL,
    PRIMARY KEY (namespace, id)
  ) STRICT, WITHOUT ROWID
  `,
];
