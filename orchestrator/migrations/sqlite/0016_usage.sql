-- Who used what: exchanges by the hour in which they began, agent and authenticated user. Rows come from exchanges, each counted once:
-- `usage_folded` has the number of the last that was.
CREATE TABLE usage (
    hour_us        INTEGER NOT NULL,
    agent          INTEGER NOT NULL,
    "user"         TEXT    NOT NULL,
    exchanges      INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    request_bytes  INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    duration_us    INTEGER NOT NULL,
    PRIMARY KEY (hour_us, agent, "user")
) WITHOUT ROWID;
CREATE TABLE usage_folded (
    up_to INTEGER NOT NULL
);
