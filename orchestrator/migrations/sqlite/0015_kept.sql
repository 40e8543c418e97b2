-- What rules keep is summed up as the others are: counting it anew for each look takes the longer the more is kept. A row of
-- `kept` goes with its exchange.
DELETE FROM kept WHERE NOT EXISTS (SELECT 1 FROM exchanges e WHERE e.number = kept.number);
ALTER TABLE kept ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE kept SET bytes = (SELECT e.bytes FROM exchanges e WHERE e.number = kept.number);
INSERT INTO held SELECT 'kept', count(*), coalesce(sum(bytes), 0) FROM kept;
CREATE TRIGGER kept_come AFTER INSERT ON kept BEGIN
    UPDATE held SET count = count + 1, bytes = bytes + NEW.bytes WHERE what = 'kept';
END;
CREATE TRIGGER kept_go AFTER DELETE ON kept BEGIN
    UPDATE held SET count = count - 1, bytes = bytes - OLD.bytes WHERE what = 'kept';
END;
CREATE TRIGGER exchanges_go_kept AFTER DELETE ON exchanges BEGIN
    DELETE FROM kept WHERE number = OLD.number;
END;
