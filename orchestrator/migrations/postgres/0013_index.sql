-- As SQLite's 0014.
CREATE TABLE search_index (
    one    BIGINT PRIMARY KEY CHECK (one = 1),
    format BIGINT NOT NULL,
    size   BIGINT NOT NULL,
    noted  BIGINT NOT NULL
);
CREATE TABLE search_blocks (
    block    BIGINT PRIMARY KEY,
    rows     BIGINT NOT NULL,
    gone     BIGINT NOT NULL,
    least    UUID   NOT NULL,
    greatest UUID   NOT NULL
);
CREATE TABLE search_parts (
    place BIGINT PRIMARY KEY,
    noted BYTEA  NOT NULL
);
-- Packing them costs each writer and saves little.
ALTER TABLE search_parts ALTER COLUMN noted SET STORAGE EXTERNAL;
CREATE TABLE search_changed (
    place  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number BIGINT NOT NULL
);
CREATE INDEX search_changed_by_number ON search_changed (number);

CREATE FUNCTION weir_noted_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE search_blocks SET gone = search_blocks.gone + went.count
    FROM (SELECT o.number / i.size AS block, count(*) AS count FROM old_rows o, search_index i GROUP BY 1) AS went
    WHERE search_blocks.block = went.block;
    RETURN NULL;
END $$;
CREATE TRIGGER exchanges_go_search AFTER DELETE ON exchanges REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_noted_went();
CREATE FUNCTION weir_noted_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_changed (number) VALUES (NEW.number);
    RETURN NULL;
END $$;
CREATE TRIGGER exchanges_change_search AFTER UPDATE OF detail ON exchanges
    FOR EACH ROW EXECUTE FUNCTION weir_noted_changed();
