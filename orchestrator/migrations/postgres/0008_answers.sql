-- Answers to requests with an Idempotency-Key, for a day. `id` is a hash of who asked and the key, `sealed` can be opened with the
-- key alone; none while the request is carried out.
CREATE TABLE answers (
    id          BYTEA  PRIMARY KEY,
    fingerprint BYTEA  NOT NULL,
    begun_us    BIGINT NOT NULL,
    sealed      BYTEA
);
CREATE INDEX answers_by_time ON answers (begun_us);
