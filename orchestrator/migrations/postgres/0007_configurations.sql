-- As SQLite's 0008.
CREATE TABLE configured (
    agent    BIGINT           PRIMARY KEY REFERENCES agents (number),
    version  BIGINT           NOT NULL,
    digest   TEXT COLLATE "C" NOT NULL,
    active   BOOLEAN          NOT NULL,
    phase    TEXT COLLATE "C" NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    in_force BIGINT           NOT NULL,
    pinned   TEXT COLLATE "C" NOT NULL,
    at_us    BIGINT           NOT NULL
);
