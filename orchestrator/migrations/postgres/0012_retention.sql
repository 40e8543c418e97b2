-- As SQLite's 0013.
CREATE TABLE retention_rules (
    place    BIGINT           PRIMARY KEY,
    query    TEXT COLLATE "C" NOT NULL,
    after_us BIGINT,
    walked   BIGINT           NOT NULL
);
CREATE TABLE kept (
    number BIGINT PRIMARY KEY
);

ALTER TABLE audit ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE audit SET bytes = 128 + octet_length(actor) + octet_length(action) + octet_length(object) + octet_length(source);
INSERT INTO held SELECT 'audit', count(*), coalesce(sum(bytes), 0), coalesce(max(number), 0) FROM audit;
CREATE TRIGGER audit_come AFTER INSERT ON audit REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_came();
CREATE TRIGGER audit_go AFTER DELETE ON audit REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_rows_went();
