-- Rules that an organisation lays over those of its superiors, YAML (docs/RULES.md).
CREATE TABLE org_rules (
  org_id TEXT PRIMARY KEY REFERENCES orgs (id),
  body TEXT NOT NULL,
  by_person TEXT NOT NULL REFERENCES persons (id),
  at_us BIGINT NOT NULL
);

-- Online secret ballots (docs/BALLOTS.md). Nothing here names a person, an endpoint or a time.
CREATE TABLE ballot_boxes (
  ballot_id TEXT PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES sessions (id),
  is_open BIGINT NOT NULL CHECK (is_open IN (0, 1))
);
