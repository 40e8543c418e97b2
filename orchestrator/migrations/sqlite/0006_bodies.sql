-- Captured bodies, each once, by the SHA-256 of its bytes. `coding` says how they are packed: 0 plain, 1 zstd; they stand in
-- `bytes`, or in the body store under the key `object`. `size` is their number before they were packed, `stored` what they
-- take of a disk, about. Small bodies, and all that came before this, stand in the message of their exchange.
CREATE TABLE bodies (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB    NOT NULL UNIQUE,
    size   INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    coding INTEGER NOT NULL,
    object TEXT,
    bytes  BLOB
);
CREATE UNIQUE INDEX bodies_by_object ON bodies (object) WHERE object IS NOT NULL;
-- Which exchange needs which.
CREATE TABLE body_uses (
    exchange INTEGER NOT NULL,
    body     INTEGER NOT NULL REFERENCES bodies (number),
    PRIMARY KEY (exchange, body)
) WITHOUT ROWID;
CREATE INDEX body_uses_by_body ON body_uses (body);
-- Keys of the body store that no row names any more.
CREATE TABLE bodies_gone (
    object TEXT PRIMARY KEY
) WITHOUT ROWID;
-- Which body store it is: another would not have the bodies.
CREATE TABLE body_store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id  TEXT    NOT NULL
);

INSERT INTO held VALUES ('bodies', 0, 0);
CREATE TRIGGER bodies_come AFTER INSERT ON bodies BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.stored WHERE what = 'bodies';
END;
CREATE TRIGGER bodies_go AFTER DELETE ON bodies BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.stored WHERE what = 'bodies';
    INSERT INTO bodies_gone SELECT OLD.object WHERE OLD.object IS NOT NULL;
END;
CREATE TRIGGER body_uses_go AFTER DELETE ON body_uses BEGIN
    DELETE FROM bodies WHERE number = OLD.body AND NOT EXISTS (SELECT 1 FROM body_uses WHERE body = OLD.body);
END;
CREATE TRIGGER exchanges_go_bodies AFTER DELETE ON exchanges BEGIN
    DELETE FROM body_uses WHERE exchange = OLD.number;
END;
