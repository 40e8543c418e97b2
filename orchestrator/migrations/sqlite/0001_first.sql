-- Migrations only go forward and are never edited once released: add a file, and add it to `store/schema.rs`.

-- `number` stands for the agent in the other tables: the 16 bytes of its id are kept once.
CREATE TABLE agents (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    grp          TEXT    NOT NULL,
    joined_us    INTEGER NOT NULL,
    last_seen_us INTEGER NOT NULL,
    version      TEXT    NOT NULL,
    listen       TEXT    NOT NULL DEFAULT '',
    admin        TEXT    NOT NULL DEFAULT '',
    revision     INTEGER NOT NULL DEFAULT 0,
    workers      INTEGER NOT NULL DEFAULT 0
);

-- What agents said of the newest statement about each filter.
CREATE TABLE applied (
    agent    INTEGER NOT NULL REFERENCES agents (number),
    name     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    digest   TEXT    NOT NULL,
    active   INTEGER NOT NULL,
    phase    TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    took_us  INTEGER NOT NULL,
    at_us    INTEGER NOT NULL,
    PRIMARY KEY (agent, name)
) WITHOUT ROWID;

CREATE TABLE components (
    digest BLOB PRIMARY KEY,
    size   INTEGER NOT NULL,
    bytes  BLOB    NOT NULL
);

-- Every statement ever accepted, byte for byte as it was signed. `number` is the revision that began with it.
CREATE TABLE statements (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,
    grp         TEXT    NOT NULL,
    name        TEXT,
    sequence    INTEGER NOT NULL,
    version     INTEGER,
    digest      BLOB REFERENCES components (digest),
    statement   BLOB    NOT NULL UNIQUE,
    signature   BLOB    NOT NULL,
    key_id      TEXT    NOT NULL,
    public_key  TEXT    NOT NULL,
    received_us INTEGER NOT NULL,
    UNIQUE (grp, name, sequence)
);

-- `id` is a UUIDv7, so its order is the order of time. `detail` is the protobuf message, the last column so that a
-- listing never reads the pages it overflows to; `coding` says how it is packed: 0 plain, 1 zstd.
CREATE TABLE exchanges (
    id             BLOB    NOT NULL,
    agent          INTEGER NOT NULL,
    started_us     INTEGER NOT NULL,
    duration_us    INTEGER NOT NULL,
    first_byte_us  INTEGER NOT NULL,
    method         TEXT    NOT NULL,
    scheme         TEXT    NOT NULL,
    authority      TEXT    NOT NULL,
    host           TEXT    NOT NULL,
    path           TEXT    NOT NULL,
    version        TEXT    NOT NULL,
    status         INTEGER,
    request_bytes  INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    content_type   TEXT    NOT NULL,
    outcome        INTEGER NOT NULL,
    error          TEXT    NOT NULL,
    client         TEXT    NOT NULL,
    entry          TEXT    NOT NULL,
    user           TEXT    NOT NULL,
    filters        TEXT    NOT NULL,
    coding         INTEGER NOT NULL,
    detail         BLOB    NOT NULL
);
CREATE UNIQUE INDEX exchanges_by_id ON exchanges (id);
CREATE INDEX exchanges_by_host ON exchanges (host, id);
CREATE INDEX exchanges_by_status ON exchanges (status, id);

CREATE TABLE system_metrics (
    at_us  INTEGER NOT NULL,
    agent  INTEGER NOT NULL,
    sample BLOB    NOT NULL,
    PRIMARY KEY (at_us, agent)
) WITHOUT ROWID;
CREATE INDEX system_metrics_by_agent ON system_metrics (agent, at_us);

-- SHA-256 of tokens of 256 random bits: nothing to gain by guessing, nothing to read by stealing the file.
CREATE TABLE tokens (
    hash       BLOB PRIMARY KEY,
    kind       TEXT    NOT NULL,
    grp        TEXT,
    created_us INTEGER NOT NULL,
    expires_us INTEGER,
    spent_us   INTEGER
) WITHOUT ROWID;
