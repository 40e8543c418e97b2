-- What agents see beside exchanges. As for exchanges, `number` is the order in which rows came and is never used again, and
-- `bytes` is about what a row takes of the disk; `detail` is the protobuf message. Keys begin with the agent, or hold it, so
-- that no agent takes the place of another's rows.
INSERT INTO held VALUES ('messages', 0, 0, 0), ('tunnels', 0, 0, 0), ('connections', 0, 0, 0), ('filter_logs', 0, 0, 0), ('metrics_minutes', 0, 0, 0), ('metrics_hours', 0, 0, 0);

CREATE TABLE messages (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    agent       BIGINT NOT NULL,
    exchange    UUID    NOT NULL,
    place       BIGINT NOT NULL,
    detail      BYTEA  NOT NULL
);
CREATE TRIGGER messages_come AFTER INSERT ON messages REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER messages_go AFTER DELETE ON messages REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE UNIQUE INDEX messages_by_exchange ON messages (exchange, agent, place);

CREATE TABLE tunnels (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    agent       BIGINT NOT NULL,
    id          UUID    NOT NULL,
    host        TEXT COLLATE "C" NOT NULL,
    detail      BYTEA  NOT NULL
);
CREATE TRIGGER tunnels_come AFTER INSERT ON tunnels REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER tunnels_go AFTER DELETE ON tunnels REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE UNIQUE INDEX tunnels_by_id ON tunnels (agent, id);
CREATE INDEX tunnels_by_agent ON tunnels (agent, number);
CREATE INDEX tunnels_by_host ON tunnels (host, number);

CREATE TABLE connections (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    agent       BIGINT NOT NULL,
    id          UUID    NOT NULL,
    client      TEXT COLLATE "C" NOT NULL,
    detail      BYTEA  NOT NULL
);
CREATE TRIGGER connections_come AFTER INSERT ON connections REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER connections_go AFTER DELETE ON connections REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE UNIQUE INDEX connections_by_id ON connections (agent, id);
CREATE INDEX connections_by_agent ON connections (agent, number);
CREATE INDEX connections_by_client ON connections (client, number);

CREATE TABLE filter_logs (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    agent       BIGINT NOT NULL,
    id          UUID    NOT NULL,
    filter      TEXT COLLATE "C" NOT NULL,
    detail      BYTEA  NOT NULL
);
CREATE TRIGGER filter_logs_come AFTER INSERT ON filter_logs REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER filter_logs_go AFTER DELETE ON filter_logs REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE UNIQUE INDEX filter_logs_by_id ON filter_logs (agent, id);
CREATE INDEX filter_logs_by_filter ON filter_logs (filter, number);

CREATE TABLE metrics_minutes (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    agent       BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,
    detail      BYTEA  NOT NULL
);
CREATE TRIGGER metrics_minutes_come AFTER INSERT ON metrics_minutes REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER metrics_minutes_go AFTER DELETE ON metrics_minutes REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE UNIQUE INDEX metrics_minutes_by_time ON metrics_minutes (at_us, agent);
CREATE INDEX metrics_minutes_by_agent ON metrics_minutes (agent, at_us);

CREATE TABLE metrics_hours (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_us BIGINT NOT NULL,
    bytes       BIGINT NOT NULL,
    agent       BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,
    detail      BYTEA  NOT NULL
);
CREATE TRIGGER metrics_hours_come AFTER INSERT ON metrics_hours REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER metrics_hours_go AFTER DELETE ON metrics_hours REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE UNIQUE INDEX metrics_hours_by_time ON metrics_hours (at_us, agent);
CREATE INDEX metrics_hours_by_agent ON metrics_hours (agent, at_us);

-- The number of the last sample that is in the minutes and the hours; one row, or none before the first.
CREATE TABLE metrics_folded (
    up_to BIGINT NOT NULL
);
