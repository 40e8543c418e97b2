-- As SQLite's 0020.
ALTER TABLE kept ADD COLUMN rules BIGINT NOT NULL DEFAULT 0;
UPDATE kept SET rules = coalesce((SELECT min(place) FROM retention_rules), 0);
CREATE INDEX kept_by_rules ON kept (rules, number);
