-- People and what they wrote.
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

CREATE TABLE public.note (
    id INTEGER PRIMARY KEY,
    body TEXT DEFAULT 'empty'
);

CREATE INDEX note_by_person ON note (id);

CREATE VIEW recent AS
SELECT id, body FROM note WHERE id > 10;

CREATE FUNCTION double(x INTEGER) RETURNS INTEGER AS $$
    SELECT x * 2
$$ LANGUAGE sql;
