-- As SQLite's 0016.
CREATE TABLE usage (
    hour_us        BIGINT NOT NULL,
    agent          BIGINT NOT NULL,
    "user"         TEXT COLLATE "C" NOT NULL,
    exchanges      BIGINT NOT NULL,
    failed         BIGINT NOT NULL,
    request_bytes  BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    duration_us    BIGINT NOT NULL,
    PRIMARY KEY (hour_us, agent, "user")
);
CREATE TABLE usage_folded (
    up_to BIGINT NOT NULL
);
