-- What is kept is bounded by its own size and by when it came here, so both stand in the row, before what may overflow.
-- `number` is the order in which rows came: it is never used again, so a reader can go on from one.

-- Sums over the tables below, kept by triggers: counting tens of millions of rows anew takes minutes.
CREATE TABLE held (
    what  TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO held VALUES ('exchanges', 0, 0), ('system_metrics', 0, 0);

ALTER TABLE exchanges RENAME TO exchanges_before;
CREATE TABLE exchanges (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us    INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
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
CREATE TRIGGER exchanges_come AFTER INSERT ON exchanges BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'exchanges';
END;
CREATE TRIGGER exchanges_go AFTER DELETE ON exchanges BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'exchanges';
END;
-- When these came was not noted: they count as of now.
INSERT INTO exchanges SELECT NULL, unixepoch() * 1000000, 512 + length(path) + length(detail), * FROM exchanges_before
    ORDER BY exchanges_before.rowid;
DROP TABLE exchanges_before;
CREATE UNIQUE INDEX exchanges_by_id ON exchanges (id);
CREATE INDEX exchanges_by_host ON exchanges (host, id);
CREATE INDEX exchanges_by_status ON exchanges (status, id);

ALTER TABLE system_metrics RENAME TO system_metrics_before;
CREATE TABLE system_metrics (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    sample      BLOB    NOT NULL
);
CREATE TRIGGER system_metrics_come AFTER INSERT ON system_metrics BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'system_metrics';
END;
CREATE TRIGGER system_metrics_go AFTER DELETE ON system_metrics BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'system_metrics';
END;
INSERT INTO system_metrics SELECT NULL, unixepoch() * 1000000, 128 + length(sample), * FROM system_metrics_before
    ORDER BY at_us, agent;
DROP TABLE system_metrics_before;
CREATE UNIQUE INDEX system_metrics_by_time ON system_metrics (at_us, agent);
CREATE INDEX system_metrics_by_agent ON system_metrics (agent, at_us);
