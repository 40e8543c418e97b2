-- What an agent can be asked, and what of that its operator allows, with spaces between.
ALTER TABLE agents ADD COLUMN commands TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN allowed TEXT NOT NULL DEFAULT '';

-- Of an exchange that an orchestrator had an agent send: the one that was sent again, or sixteen zeros where none was. A
-- null is told by the head of a row, so it costs no look at what overflows.
ALTER TABLE exchanges ADD COLUMN replay_of BLOB;
CREATE INDEX exchanges_replayed ON exchanges (replay_of) WHERE replay_of IS NOT NULL;
