-- Join tokens are listed and revoked by an id, and tell who made them. Those made before get one too, of the time when they were made
-- (UUID version 7, RFC 9562 section 5.7); who made them is not known.
ALTER TABLE tokens ADD COLUMN id BLOB;
ALTER TABLE tokens ADD COLUMN created_by TEXT;
ALTER TABLE tokens ADD COLUMN revoked_us INTEGER;
ALTER TABLE tokens ADD COLUMN revoked_by TEXT;
UPDATE tokens SET id = unhex(printf('%012x', created_us / 1000) || '7' || substr(hex(randomblob(2)), 2) || '8'
    || substr(hex(randomblob(8)), 2)) WHERE kind = 'join';
CREATE UNIQUE INDEX tokens_join ON tokens (id) WHERE kind = 'join';
