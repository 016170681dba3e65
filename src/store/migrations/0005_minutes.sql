-- Minutes (会议记录) and the daily chain of an organisation.

-- The state of a session's minutes for lists; folded from the journal, which alone counts.
-- objections_until_us: end of the objection days once the chair has confirmed.
CREATE TABLE minutes (
  session_id TEXT PRIMARY KEY REFERENCES sessions (id),
  state TEXT NOT NULL,
  objections_until_us BIGINT,
  open_objections BIGINT NOT NULL CHECK (open_objections >= 0),
  updated_us BIGINT NOT NULL
);
CREATE INDEX minutes_by_state ON minutes (state, objections_until_us);

-- Append-only. content is canonical JSON; the journal holds id and digest of those that count.
CREATE TABLE minutes_versions (
  id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions (id),
  at_us BIGINT NOT NULL,
  author TEXT NOT NULL,
  digest TEXT NOT NULL,
  content TEXT NOT NULL
);
CREATE INDEX minutes_versions_by_session ON minutes_versions (session_id, at_us, id);

-- Objection days of an organisation and everything below it that has no row of its own.
CREATE TABLE minutes_policies (
  org_id TEXT PRIMARY KEY REFERENCES orgs (id),
  objection_days BIGINT NOT NULL CHECK (objection_days BETWEEN 0 AND 30)
);

-- Append-only: the header that an organisation's chain of sealed sessions begins with.
CREATE TABLE daily_chains (
  org_id TEXT PRIMARY KEY REFERENCES orgs (id),
  header TEXT NOT NULL,
  header_hash TEXT NOT NULL
);

-- Append-only. entry is canonical JSON; n counts from 1 without gaps; every entry is a signed head.
CREATE TABLE daily_entries (
  org_id TEXT NOT NULL REFERENCES daily_chains (org_id),
  n BIGINT NOT NULL CHECK (n >= 1),
  day TEXT NOT NULL,
  session_id TEXT NOT NULL UNIQUE REFERENCES sessions (id),
  entry TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  signature TEXT NOT NULL,
  PRIMARY KEY (org_id, n)
);
