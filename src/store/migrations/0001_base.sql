-- Read by SQLite and PostgreSQL alike. Ids: UUIDs as text. Times: microseconds UTC. Flags: 0 or 1.

CREATE TABLE settings (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE orgs (
  id TEXT PRIMARY KEY,
  parent_id TEXT REFERENCES orgs (id),
  kind TEXT NOT NULL,
  name TEXT NOT NULL
);
CREATE INDEX orgs_by_parent ON orgs (parent_id);

-- class is null for people who are no members (an administrator from outside).
CREATE TABLE persons (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  org_id TEXT NOT NULL REFERENCES orgs (id),
  group_id TEXT REFERENCES orgs (id),
  class TEXT,
  active BIGINT NOT NULL DEFAULT 1 CHECK (active IN (0, 1))
);
CREATE INDEX persons_by_org ON persons (org_id);

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  person_id TEXT NOT NULL UNIQUE REFERENCES persons (id),
  login TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  must_change_password BIGINT NOT NULL CHECK (must_change_password IN (0, 1)),
  large_type BIGINT NOT NULL CHECK (large_type IN (0, 1))
);

CREATE TABLE web_sessions (
  token_hash TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  created_us BIGINT NOT NULL,
  expires_us BIGINT NOT NULL
);
CREATE INDEX web_sessions_by_account ON web_sessions (account_id);

CREATE TABLE roles (
  person_id TEXT NOT NULL REFERENCES persons (id),
  org_id TEXT NOT NULL REFERENCES orgs (id),
  role TEXT NOT NULL,
  inherits BIGINT NOT NULL CHECK (inherits IN (0, 1)),
  PRIMARY KEY (person_id, org_id, role)
);

-- boot_id and boot_mono_us anchor the session's monotonic zero to a boot of the machine.
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  org_id TEXT NOT NULL REFERENCES orgs (id),
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  state TEXT NOT NULL,
  planned_start_us BIGINT NOT NULL,
  duration_min BIGINT NOT NULL,
  agenda TEXT NOT NULL,
  chair_id TEXT NOT NULL REFERENCES persons (id),
  recorder_id TEXT REFERENCES persons (id),
  late_after_s BIGINT NOT NULL,
  early_before_s BIGINT NOT NULL,
  min_ratio_permille BIGINT NOT NULL,
  bridge_s BIGINT NOT NULL,
  created_us BIGINT NOT NULL,
  opened_us BIGINT,
  declared_open_us BIGINT,
  declared_closed_us BIGINT,
  boot_id TEXT,
  boot_mono_us BIGINT,
  cancel_reason TEXT
);
CREATE INDEX sessions_by_org ON sessions (org_id, planned_start_us);
CREATE INDEX sessions_by_state ON sessions (state);

-- Planned until the session opens, frozen from then on.
CREATE TABLE session_roster (
  session_id TEXT NOT NULL REFERENCES sessions (id),
  position BIGINT NOT NULL,
  person_id TEXT NOT NULL REFERENCES persons (id),
  name TEXT NOT NULL,
  class TEXT NOT NULL,
  org_name TEXT NOT NULL,
  group_name TEXT,
  voter BIGINT NOT NULL CHECK (voter IN (0, 1)),
  due BIGINT NOT NULL CHECK (due IN (0, 1)),
  PRIMARY KEY (session_id, person_id)
);
CREATE INDEX session_roster_by_person ON session_roster (person_id);

-- body is null once lawfully deleted; the journal keeps id and digest.
CREATE TABLE chat (
  id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions (id),
  person_id TEXT NOT NULL REFERENCES persons (id),
  name TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  body TEXT
);
CREATE INDEX chat_by_session ON chat (session_id, at_us, id);

CREATE TABLE journals (
  session_id TEXT PRIMARY KEY REFERENCES sessions (id),
  header TEXT NOT NULL,
  header_hash TEXT NOT NULL
);

-- event is canonical JSON; seq starts at 1 without gaps.
CREATE TABLE journal (
  session_id TEXT NOT NULL REFERENCES journals (session_id),
  seq BIGINT NOT NULL CHECK (seq >= 1),
  at_us BIGINT NOT NULL,
  mono_us BIGINT NOT NULL,
  actor TEXT NOT NULL,
  event TEXT NOT NULL,
  prev_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (session_id, seq)
);

CREATE TABLE render_jobs (
  id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions (id),
  state TEXT NOT NULL,
  stage TEXT,
  permille BIGINT NOT NULL CHECK (permille BETWEEN 0 AND 1000),
  attempts BIGINT NOT NULL,
  message TEXT,
  result TEXT,
  created_us BIGINT NOT NULL,
  updated_us BIGINT NOT NULL
);
CREATE INDEX render_jobs_by_session ON render_jobs (session_id, created_us);
CREATE INDEX render_jobs_by_state ON render_jobs (state, created_us);
