-- Prefixes are looked up by the order of bytes, as SQLite has it, whatever the database's locale.
ALTER TABLE persons ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE persons ALTER COLUMN code TYPE TEXT COLLATE "C";
ALTER TABLE orgs ALTER COLUMN code TYPE TEXT COLLATE "C";

-- A serving role of its own needs SELECT and INSERT on these two and no more.
CREATE FUNCTION org_edges_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'org_edges is append-only';
END $$;
CREATE TRIGGER org_edges_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON org_edges
  FOR EACH STATEMENT EXECUTE FUNCTION org_edges_is_append_only();
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit is append-only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
