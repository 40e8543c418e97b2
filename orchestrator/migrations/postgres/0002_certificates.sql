-- As SQLite's 0004.
ALTER TABLE agents ADD COLUMN revoked_us BIGINT;
ALTER TABLE agents ADD COLUMN certified_us BIGINT;
