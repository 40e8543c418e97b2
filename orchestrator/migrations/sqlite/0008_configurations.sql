-- What each agent said of the newest configuration of its group; `in_force` is the version it works with, 0 for none, and
-- `pinned` the keys that stay as they are set there, with commas between.
CREATE TABLE configured (
    agent    INTEGER PRIMARY KEY REFERENCES agents (number),
    version  INTEGER NOT NULL,
    digest   TEXT    NOT NULL,
    active   INTEGER NOT NULL,
    phase    TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    in_force INTEGER NOT NULL,
    pinned   TEXT    NOT NULL,
    at_us    INTEGER NOT NULL
);
