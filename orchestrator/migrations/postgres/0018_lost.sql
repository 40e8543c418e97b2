-- As SQLite's 0019.
ALTER TABLE bodies ADD COLUMN lost BIGINT NOT NULL DEFAULT 0;
CREATE INDEX bodies_lost ON bodies (digest) WHERE lost = 1;
