-- name: AddNote :exec
INSERT INTO notes (text) VALUES (?);

-- name: CountNotes :one
SELECT count(*) FROM notes;
