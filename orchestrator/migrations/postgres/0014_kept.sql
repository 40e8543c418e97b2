-- As SQLite's 0015.
DELETE FROM kept WHERE NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.number = kept.number);
ALTER TABLE kept ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE kept SET bytes = (SELECT e.bytes FROM exchanges e WHERE e.number = kept.number);
INSERT INTO held SELECT 'kept', count(*), coalesce(sum(bytes), 0), coalesce(max(number), 0) FROM kept;
CREATE TRIGGER kept_come AFTER INSERT ON kept REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER kept_go AFTER DELETE ON kept REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
CREATE FUNCTION weir_exchanges_went_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM kept k USING old_rows o WHERE k.number = o.number;
    RETURN NULL;
END $$;
-- Behind `exchanges_go`, by its name: the lock on the row of `held` comes first.
CREATE TRIGGER exchanges_go_kept AFTER DELETE ON exchanges REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_exchanges_went_kept();
