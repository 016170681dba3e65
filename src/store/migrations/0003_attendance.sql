-- Read by SQLite and PostgreSQL alike. Ids: UUIDs as text. Times: microseconds UTC.

-- 请假: one request a person and session, as it stands; what was granted is in the journal.
CREATE TABLE leave_requests (
  session_id TEXT NOT NULL REFERENCES sessions (id),
  person_id TEXT NOT NULL REFERENCES persons (id),
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  state TEXT NOT NULL,
  asked_us BIGINT NOT NULL,
  late BIGINT NOT NULL CHECK (late IN (0, 1)),
  decided_by TEXT REFERENCES persons (id),
  decided_us BIGINT,
  decision TEXT,
  PRIMARY KEY (session_id, person_id)
);

-- Who comes in besides the frozen roster, or not any more: from the corrections in the journal.
CREATE TABLE session_standings (
  session_id TEXT NOT NULL REFERENCES sessions (id),
  person_id TEXT NOT NULL REFERENCES persons (id),
  standing TEXT NOT NULL,
  PRIMARY KEY (session_id, person_id)
);
CREATE INDEX session_standings_by_person ON session_standings (person_id);
