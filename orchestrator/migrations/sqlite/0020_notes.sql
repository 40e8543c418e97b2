-- Notes of what is kept are of the rules that were in force: the `place` of the first of them. Those of rules before count for nothing,
-- and go some at a time.
ALTER TABLE kept ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;
UPDATE kept SET rules = coalesce((SELECT min(place) FROM retention_rules), 0);
CREATE INDEX kept_by_rules ON kept (rules, number);
