-- Who spent a token, and with which key (SHA-256 of its SubjectPublicKeyInfo): the answer may be lost on its way, and
-- whoever asks again with that key is told the same.
ALTER TABLE tokens ADD COLUMN agent BLOB;
ALTER TABLE tokens ADD COLUMN key BLOB;
