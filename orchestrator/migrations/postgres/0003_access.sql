-- As SQLite's 0005.
CREATE TABLE access_tokens (
    id         UUID             PRIMARY KEY,
    hash       BYTEA            NOT NULL UNIQUE,
    name       TEXT COLLATE "C" NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    created_us BIGINT           NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    expires_us BIGINT           NOT NULL,
    used_us    BIGINT
);
CREATE TABLE users (
    name       TEXT COLLATE "C" PRIMARY KEY,
    role       TEXT COLLATE "C" NOT NULL,
    password   TEXT COLLATE "C" NOT NULL,
    created_us BIGINT           NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL
);
CREATE TABLE audit (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_us  BIGINT           NOT NULL,
    actor  TEXT COLLATE "C" NOT NULL,
    role   TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    status BIGINT           NOT NULL,
    source TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_by_actor ON audit (actor, number);
CREATE INDEX audit_by_time ON audit (at_us);
