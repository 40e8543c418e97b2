-- What agents see beside exchanges. As for exchanges, `number` is the order in which rows came and is never used again, and
-- `bytes` is about what a row takes of the disk; `detail` is the protobuf message. Keys begin with the agent, or hold it, so
-- that no agent takes the place of another's rows.
INSERT INTO held VALUES ('messages', 0, 0), ('tunnels', 0, 0), ('connections', 0, 0), ('filter_logs', 0, 0), ('metrics_minutes', 0, 0), ('metrics_hours', 0, 0);

CREATE TABLE messages (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    exchange    BLOB    NOT NULL,
    place       INTEGER NOT NULL,
    detail      BLOB    NOT NULL
);
CREATE TRIGGER messages_come AFTER INSERT ON messages BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'messages';
END;
CREATE TRIGGER messages_go AFTER DELETE ON messages BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'messages';
END;
CREATE UNIQUE INDEX messages_by_exchange ON messages (exchange, agent, place);

CREATE TABLE tunnels (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    host        TEXT    NOT NULL,
    detail      BLOB    NOT NULL
);
CREATE TRIGGER tunnels_come AFTER INSERT ON tunnels BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'tunnels';
END;
CREATE TRIGGER tunnels_go AFTER DELETE ON tunnels BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'tunnels';
END;
CREATE UNIQUE INDEX tunnels_by_id ON tunnels (agent, id);
CREATE INDEX tunnels_by_agent ON tunnels (agent, number);
CREATE INDEX tunnels_by_host ON tunnels (host, number);

CREATE TABLE connections (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    client      TEXT    NOT NULL,
    detail      BLOB    NOT NULL
);
CREATE TRIGGER connections_come AFTER INSERT ON connections BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'connections';
END;
CREATE TRIGGER connections_go AFTER DELETE ON connections BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'connections';
END;
CREATE UNIQUE INDEX connections_by_id ON connections (agent, id);
CREATE INDEX connections_by_agent ON connections (agent, number);
CREATE INDEX connections_by_client ON connections (client, number);

CREATE TABLE filter_logs (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    filter      TEXT    NOT NULL,
    detail      BLOB    NOT NULL
);
CREATE TRIGGER filter_logs_come AFTER INSERT ON filter_logs BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'filter_logs';
END;
CREATE TRIGGER filter_logs_go AFTER DELETE ON filter_logs BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'filter_logs';
END;
CREATE UNIQUE INDEX filter_logs_by_id ON filter_logs (agent, id);
CREATE INDEX filter_logs_by_filter ON filter_logs (filter, number);

CREATE TABLE metrics_minutes (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,
    detail      BLOB    NOT NULL
);
CREATE TRIGGER metrics_minutes_come AFTER INSERT ON metrics_minutes BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'metrics_minutes';
END;
CREATE TRIGGER metrics_minutes_go AFTER DELETE ON metrics_minutes BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'metrics_minutes';
END;
CREATE UNIQUE INDEX metrics_minutes_by_time ON metrics_minutes (at_us, agent);
CREATE INDEX metrics_minutes_by_agent ON metrics_minutes (agent, at_us);

CREATE TABLE metrics_hours (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    received_us INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    agent       INTEGER NOT NULL,
    at_us       INTEGER NOT NULL,
    detail      BLOB    NOT NULL
);
CREATE TRIGGER metrics_hours_come AFTER INSERT ON metrics_hours BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'metrics_hours';
END;
CREATE TRIGGER metrics_hours_go AFTER DELETE ON metrics_hours BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'metrics_hours';
END;
CREATE UNIQUE INDEX metrics_hours_by_time ON metrics_hours (at_us, agent);
CREATE INDEX metrics_hours_by_agent ON metrics_hours (agent, at_us);

-- The number of the last sample that is in the minutes and the hours; one row, or none before the first.
CREATE TABLE metrics_folded (
    up_to INTEGER NOT NULL
);
