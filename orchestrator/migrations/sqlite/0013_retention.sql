-- Rules by which exchanges go before their time, or stay beyond it. `after_us`: a rule that drops, and how long after they came;
-- without it, one that keeps. `walked`: the number of the last exchange that the rule was asked about.
CREATE TABLE retention_rules (
    place    INTEGER PRIMARY KEY,
    query    TEXT    NOT NULL,
    after_us INTEGER,
    walked   INTEGER NOT NULL
);
-- Numbers of exchanges that a rule keeps, noted when they would have gone.
CREATE TABLE kept (
    number INTEGER PRIMARY KEY
);

-- The audit trail is bounded as the others are.
ALTER TABLE audit ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE audit SET bytes = 128 + length(actor) + length(action) + length(object) + length(source);
INSERT INTO held SELECT 'audit', count(*), coalesce(sum(bytes), 0) FROM audit;
CREATE TRIGGER audit_come AFTER INSERT ON audit BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'audit';
END;
CREATE TRIGGER audit_go AFTER DELETE ON audit BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'audit';
END;
