-- As SQLite's 0011.
ALTER TABLE agents ADD COLUMN commands TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN allowed TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN replay_of UUID;
CREATE INDEX exchanges_replayed ON exchanges (replay_of) WHERE replay_of IS NOT NULL;

-- What orchestrators send each other: commands for agents that are with another, and the answers. A letter is deleted by who
-- takes it; a crash of the server may forget it, and whoever waits is told that no answer came.
CREATE UNLOGGED TABLE mail (
    number    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient UUID   NOT NULL,
    sender    UUID   NOT NULL,
    agent     BIGINT,
    body      BYTEA  NOT NULL,
    at_us     BIGINT NOT NULL
);
CREATE INDEX mail_by_recipient ON mail (recipient);
