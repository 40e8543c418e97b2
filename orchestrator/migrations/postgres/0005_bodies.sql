-- As SQLite's 0006.
CREATE TABLE bodies (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest BYTEA  NOT NULL UNIQUE,
    size   BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    coding BIGINT NOT NULL,
    object TEXT COLLATE "C",
    bytes  BYTEA
);
ALTER TABLE bodies ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX bodies_by_object ON bodies (object) WHERE object IS NOT NULL;
CREATE TABLE body_uses (
    exchange BIGINT NOT NULL,
    body     BIGINT NOT NULL REFERENCES bodies (number),
    PRIMARY KEY (exchange, body)
);
CREATE INDEX body_uses_by_body ON body_uses (body);
CREATE TABLE bodies_gone (
    object TEXT COLLATE "C" PRIMARY KEY
);
CREATE TABLE body_store (
    one BOOLEAN PRIMARY KEY CHECK (one),
    id  TEXT COLLATE "C" NOT NULL
);

INSERT INTO held VALUES ('bodies', 0, 0, 0);
CREATE FUNCTION weir_bodies_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE held SET count = held.count + came.count, bytes = held.bytes + came.bytes
    FROM (SELECT count(*) AS count, coalesce(sum(n.stored), 0)::bigint AS bytes FROM new_rows n) AS came
    WHERE what = 'bodies' AND came.count > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER bodies_summed AFTER INSERT ON bodies REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_bodies_came();
CREATE FUNCTION weir_bodies_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE held SET count = held.count - went.count, bytes = held.bytes - went.bytes
    FROM (SELECT count(*) AS count, coalesce(sum(o.stored), 0)::bigint AS bytes FROM old_rows o) AS went
    WHERE what = 'bodies' AND went.count > 0;
    INSERT INTO bodies_gone SELECT o.object FROM old_rows o WHERE o.object IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER bodies_taken_off AFTER DELETE ON bodies REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_bodies_went();
-- Triggers fire in the order of their names, so `exchanges_go` has taken the lock on the row of `held` by now, which whoever
-- inserts exchanges has too: nobody begins to use a body that is found here to be in no use.
CREATE FUNCTION weir_exchanges_went_bodies() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    went bigint[];
BEGIN
    WITH gone AS (DELETE FROM body_uses u USING old_rows o WHERE u.exchange = o.number RETURNING u.body)
    SELECT array_agg(DISTINCT body) INTO went FROM gone;
    IF went IS NOT NULL THEN
        DELETE FROM bodies b WHERE b.number = ANY (went)
            AND NOT EXISTS (SELECT 1 FROM body_uses u WHERE u.body = b.number);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER exchanges_go_bodies AFTER DELETE ON exchanges REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION weir_exchanges_went_bodies();
