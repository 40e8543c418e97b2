-- Bodies that the body store was found to have lost: 1. The next one with the same bytes is written again. Their size in `held` stays.
ALTER TABLE bodies ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
CREATE INDEX bodies_lost ON bodies (digest) WHERE lost = 1;
