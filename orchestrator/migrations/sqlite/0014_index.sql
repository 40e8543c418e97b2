-- The index of searches (docs/store.md, "The index"). It is made from the exchanges, block by block of their numbers, and may be
-- emptied at any time: it is made anew. `format`: how its parts are written; `size`: numbers of a block; `noted`: the first number
-- that is not in it yet.
CREATE TABLE search_index (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    format INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    noted  INTEGER NOT NULL
);
-- Which ids a block has, how many rows were noted, and how many of these went since.
CREATE TABLE search_blocks (
    block    INTEGER PRIMARY KEY,
    rows     INTEGER NOT NULL,
    gone     INTEGER NOT NULL,
    least    BLOB    NOT NULL,
    greatest BLOB    NOT NULL
);
-- What was noted. `place` is the number of the block, times 512, and the number of the part.
CREATE TABLE search_parts (
    place INTEGER PRIMARY KEY,
    noted BLOB NOT NULL
);
-- Rows that are others than those that were noted.
CREATE TABLE search_changed (
    place  INTEGER PRIMARY KEY AUTOINCREMENT,
    number INTEGER NOT NULL
);
CREATE INDEX search_changed_by_number ON search_changed (number);

CREATE TRIGGER exchanges_go_search AFTER DELETE ON exchanges BEGIN
    UPDATE search_blocks SET gone = gone + 1 WHERE block = OLD.number / (SELECT size FROM search_index);
END;
CREATE TRIGGER exchanges_change_search AFTER UPDATE OF detail ON exchanges BEGIN
    INSERT INTO search_changed (number) VALUES (NEW.number);
END;
