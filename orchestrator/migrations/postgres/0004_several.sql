-- Which agents are connected to which orchestrator. Each says so of its own every few seconds; a crash of the server may
-- forget it.
CREATE UNLOGGED TABLE presence (
    agent        BIGINT PRIMARY KEY,
    orchestrator UUID   NOT NULL,
    heard_us     BIGINT NOT NULL,
    heartbeat    BYTEA
) WITH (fillfactor = 50);

-- SHA-256 of the key of the one certificate authority of all orchestrators here. To begin with another, which every agent
-- has to join anew, delete the row.
CREATE TABLE authority (
    one BOOLEAN PRIMARY KEY CHECK (one),
    key BYTEA   NOT NULL
);
