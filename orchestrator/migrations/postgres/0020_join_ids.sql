-- As SQLite's 0021. Versions that know no ids go on making join tokens beside this one: those have one too, of the time when they are made.
ALTER TABLE tokens ALTER COLUMN id SET DEFAULT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
    || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid;
UPDATE tokens SET id = (lpad(to_hex(created_us / 1000), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8'
    || substr(md5(random()::text), 1, 15))::uuid WHERE kind = 'join' AND id IS NULL;
