-- When the agent's identity was taken away, and when the certificate ends that it showed last.
ALTER TABLE agents ADD COLUMN revoked_us INTEGER;
ALTER TABLE agents ADD COLUMN certified_us INTEGER;
