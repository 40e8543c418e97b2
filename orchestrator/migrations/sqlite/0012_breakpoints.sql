-- Breakpoints, for as long as somebody renews them.
CREATE TABLE breakpoints (
    id       BLOB    NOT NULL PRIMARY KEY,
    -- JSON
    wanted   TEXT    NOT NULL,
    owner    TEXT    NOT NULL,
    made_us  INTEGER NOT NULL,
    until_us INTEGER NOT NULL
) STRICT;
