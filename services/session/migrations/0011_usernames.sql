-- The form in which user names are compared: who looks the same is the same. Lines that come with their next change bring
-- it; until then the names of before are known as far as the database can fold them.
ALTER TABLE roster ADD COLUMN username_key TEXT NOT NULL DEFAULT '';
UPDATE roster SET username_key = LOWER(username);
