-- Credentials of programs (SHA-256 of 256 random bits) and of people (Argon2id), each with a role.
CREATE TABLE access_tokens (
    id         BLOB    PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    expires_us INTEGER NOT NULL,
    used_us    INTEGER
) WITHOUT ROWID;
CREATE TABLE users (
    name       TEXT    PRIMARY KEY,
    role       TEXT    NOT NULL,
    password   TEXT    NOT NULL,
    created_us INTEGER NOT NULL,
    created_by TEXT    NOT NULL
) WITHOUT ROWID;

-- Who changed what, granted or not, and who looked at what is hidden.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us  INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    role   TEXT    NOT NULL,
    action TEXT    NOT NULL,
    object TEXT    NOT NULL,
    status INTEGER NOT NULL,
    source TEXT    NOT NULL
);
CREATE INDEX audit_by_actor ON audit (actor, number);
CREATE INDEX audit_by_time ON audit (at_us);
