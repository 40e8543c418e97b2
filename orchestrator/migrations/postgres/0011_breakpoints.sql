-- Breakpoints, for as long as somebody renews them.
CREATE TABLE breakpoints (
    id       uuid   NOT NULL PRIMARY KEY,
    -- JSON
    wanted   text   NOT NULL,
    owner    text   NOT NULL,
    made_us  bigint NOT NULL,
    until_us bigint NOT NULL
);
