-- As SQLite's 0017.
ALTER TABLE tokens ADD COLUMN id UUID;
ALTER TABLE tokens ADD COLUMN created_by TEXT COLLATE "C";
ALTER TABLE tokens ADD COLUMN revoked_us BIGINT;
ALTER TABLE tokens ADD COLUMN revoked_by TEXT COLLATE "C";
UPDATE tokens SET id = (lpad(to_hex(created_us / 1000), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8'
    || substr(md5(random()::text), 1, 15))::uuid WHERE kind = 'join';
CREATE UNIQUE INDEX tokens_join ON tokens (id) WHERE kind = 'join';
