-- Join tokens without an id come in backups of a PostgreSQL database at which an earlier version was at work too.
UPDATE tokens SET id = unhex(printf('%012x', created_us / 1000) || '7' || substr(hex(randomblob(2)), 2) || '8'
    || substr(hex(randomblob(8)), 2)) WHERE kind = 'join' AND id IS NULL;
