-- What a token is for beside its role: names of areas with commas between them, empty where there is no bound. The trail tells it of who acted.
ALTER TABLE access_tokens ADD COLUMN areas TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN areas TEXT NOT NULL DEFAULT '';
