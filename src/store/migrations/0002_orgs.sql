-- Organisations and members as they are kept by people: codes, moves, seats, and who changed what.

ALTER TABLE orgs ADD COLUMN code TEXT;
ALTER TABLE orgs ADD COLUMN closed_us BIGINT;
-- From when the edge counts that parent_id repeats.
ALTER TABLE orgs ADD COLUMN parent_from_us BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX orgs_by_code ON orgs (code);

-- Under whom an organisation stands from a moment on; 0 is since ever. Never changed: a move is
-- another row.
CREATE TABLE org_edges (
  org_id TEXT NOT NULL REFERENCES orgs (id),
  from_us BIGINT NOT NULL,
  parent_id TEXT REFERENCES orgs (id),
  PRIMARY KEY (org_id, from_us)
);
CREATE INDEX org_edges_by_parent ON org_edges (parent_id);
CREATE INDEX org_edges_by_time ON org_edges (from_us);
INSERT INTO org_edges (org_id, from_us, parent_id) SELECT id, 0, parent_id FROM orgs;

ALTER TABLE persons ADD COLUMN code TEXT;
ALTER TABLE persons ADD COLUMN phone TEXT;
CREATE UNIQUE INDEX persons_by_code ON persons (code);
CREATE INDEX persons_by_name ON persons (name, id);
CREATE INDEX persons_by_org_name ON persons (org_id, name, id);
CREATE INDEX persons_by_group_name ON persons (group_id, name, id);
DROP INDEX persons_by_org;

-- Posts in the committee of an organisation. Days are 2026-11-22, local; null is open.
CREATE TABLE seats (
  person_id TEXT NOT NULL REFERENCES persons (id),
  org_id TEXT NOT NULL REFERENCES orgs (id),
  post TEXT NOT NULL,
  from_on TEXT,
  until_on TEXT,
  PRIMARY KEY (person_id, org_id)
);
CREATE INDEX seats_by_org ON seats (org_id);

-- Changes of organisations, people and roles. detail is JSON without phone numbers and passwords.
CREATE TABLE audit (
  id TEXT PRIMARY KEY,
  at_us BIGINT NOT NULL,
  account_id TEXT NOT NULL,
  person_id TEXT NOT NULL,
  action TEXT NOT NULL,
  org_id TEXT NOT NULL,
  subject TEXT,
  detail TEXT NOT NULL
);
CREATE INDEX audit_by_org ON audit (org_id, at_us, id);
