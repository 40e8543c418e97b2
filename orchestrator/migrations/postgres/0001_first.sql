-- The tables that SQLite has after 0003, on PostgreSQL. Migrations only go forward and are never edited once released: add
-- a file, and add it to `store/schema.rs`. Text is compared by its bytes, as everywhere else.

CREATE TABLE agents (
    number       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           UUID             NOT NULL UNIQUE,
    name         TEXT COLLATE "C" NOT NULL,
    grp          TEXT COLLATE "C" NOT NULL,
    joined_us    BIGINT           NOT NULL,
    last_seen_us BIGINT           NOT NULL,
    version      TEXT COLLATE "C" NOT NULL,
    listen       TEXT COLLATE "C" NOT NULL DEFAULT '',
    admin        TEXT COLLATE "C" NOT NULL DEFAULT '',
    revision     BIGINT           NOT NULL DEFAULT 0,
    workers      BIGINT           NOT NULL DEFAULT 0
);

-- What agents said of the newest statement about each filter.
CREATE TABLE applied (
    agent    BIGINT           NOT NULL REFERENCES agents (number),
    name     TEXT COLLATE "C" NOT NULL,
    version  BIGINT           NOT NULL,
    digest   TEXT COLLATE "C" NOT NULL,
    active   BOOLEAN          NOT NULL,
    phase    TEXT COLLATE "C" NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    revision BIGINT           NOT NULL,
    took_us  BIGINT           NOT NULL,
    at_us    BIGINT           NOT NULL,
    PRIMARY KEY (agent, name)
);

-- Components are compiled code: packing them again saves little and costs each reader.
CREATE TABLE components (
    digest BYTEA  PRIMARY KEY,
    size   BIGINT NOT NULL,
    bytes  BYTEA  NOT NULL
);
ALTER TABLE components ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Every statement ever accepted, byte for byte as it was signed. `number` is the revision that began with it.
CREATE TABLE statements (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        TEXT COLLATE "C" NOT NULL,
    grp         TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C",
    sequence    BIGINT           NOT NULL,
    version     BIGINT,
    digest      BYTEA REFERENCES components (digest),
    statement   BYTEA            NOT NULL,
    signature   BYTEA            NOT NULL,
    key_id      TEXT COLLATE "C" NOT NULL,
    public_key  TEXT COLLATE "C" NOT NULL,
    received_us BIGINT           NOT NULL,
    UNIQUE (grp, name, sequence)
);
-- Statements may be longer than an entry of an index.
CREATE UNIQUE INDEX statements_by_statement ON statements (sha256(statement));

-- Sums over the tables below, and the highest number they ever had. Its row is also the lock of those who write there.
CREATE TABLE held (
    what   TEXT COLLATE "C" PRIMARY KEY,
    count  BIGINT NOT NULL,
    bytes  BIGINT NOT NULL,
    newest BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO held VALUES ('exchanges', 0, 0, 0), ('system_metrics', 0, 0, 0);

-- `number` is the order in which rows came, without gaps and never used again: whoever inserts holds the row of `held` and
-- goes on from there, so no number becomes visible after a higher one. `coding` says how `detail` is packed: 0 plain, 1 zstd.
CREATE TABLE exchanges (
    number         BIGINT PRIMARY KEY,
    received_us    BIGINT           NOT NULL,
    bytes          BIGINT           NOT NULL,
    id             UUID             NOT NULL,
    agent          BIGINT           NOT NULL,
    started_us     BIGINT           NOT NULL,
    duration_us    BIGINT           NOT NULL,
    first_byte_us  BIGINT           NOT NULL,
    method         TEXT COLLATE "C" NOT NULL,
    scheme         TEXT COLLATE "C" NOT NULL,
    authority      TEXT COLLATE "C" NOT NULL,
    host           TEXT COLLATE "C" NOT NULL,
    path           TEXT COLLATE "C" NOT NULL,
    version        TEXT COLLATE "C" NOT NULL,
    status         BIGINT,
    request_bytes  BIGINT           NOT NULL,
    response_bytes BIGINT           NOT NULL,
    content_type   TEXT COLLATE "C" NOT NULL,
    outcome        BIGINT           NOT NULL,
    error          TEXT COLLATE "C" NOT NULL,
    client         TEXT COLLATE "C" NOT NULL,
    entry          TEXT COLLATE "C" NOT NULL,
    "user"         TEXT COLLATE "C" NOT NULL,
    filters        TEXT COLLATE "C" NOT NULL,
    coding         BIGINT           NOT NULL,
    detail         BYTEA            NOT NULL
);
ALTER TABLE exchanges ALTER COLUMN detail SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX exchanges_by_id ON exchanges (id);
CREATE INDEX exchanges_by_host ON exchanges (host, id);
CREATE INDEX exchanges_by_status ON exchanges (status, id);

CREATE TABLE system_metrics (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,
    agent       BIGINT NOT NULL,
    sample      BYTEA  NOT NULL
);
CREATE UNIQUE INDEX system_metrics_by_time ON system_metrics (at_us, agent);
CREATE INDEX system_metrics_by_agent ON system_metrics (agent, at_us);

CREATE FUNCTION weir_rows_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE held SET count = held.count + came.count, bytes = held.bytes + came.bytes,
        newest = greatest(held.newest, came.newest)
    FROM (SELECT count(*) AS count, coalesce(sum(n.bytes), 0)::bigint AS bytes, coalesce(max(n.number), 0) AS newest
          FROM new_rows n) AS came
    WHERE what = TG_TABLE_NAME AND came.count > 0;
    RETURN NULL;
END $$;
CREATE FUNCTION weir_rows_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE held SET count = held.count - went.count, bytes = held.bytes - went.bytes
    FROM (SELECT count(*) AS count, coalesce(sum(o.bytes), 0)::bigint AS bytes FROM old_rows o) AS went
    WHERE what = TG_TABLE_NAME AND went.count > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER exchanges_come AFTER INSERT ON exchanges REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER exchanges_go AFTER DELETE ON exchanges REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE TRIGGER system_metrics_come AFTER INSERT ON system_metrics REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER system_metrics_go AFTER DELETE ON system_metrics REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();

-- SHA-256 of tokens of 256 random bits. `agent` and `key`: who spent it, with which key (SHA-256 of its
-- SubjectPublicKeyInfo).
CREATE TABLE tokens (
    hash       BYTEA PRIMARY KEY,
    kind       TEXT COLLATE "C" NOT NULL,
    grp        TEXT COLLATE "C",
    created_us BIGINT           NOT NULL,
    expires_us BIGINT,
    spent_us   BIGINT,
    agent      UUID,
    key        BYTEA
);
-- There is one admin token.
CREATE UNIQUE INDEX tokens_admin ON tokens (kind) WHERE kind = 'admin';
