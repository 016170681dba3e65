-- The trigger binds everyone but the owner of the table, who can drop it. So give DATABASE_MIGRATION_URL
-- a role of its own, which then owns the tables, and the serving role only
--   GRANT SELECT, INSERT ON journal, journals TO serving;
--   GRANT SELECT, INSERT, UPDATE, DELETE ON <the other tables> TO serving;
CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'journal is append-only';
END $$;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
  FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
CREATE TRIGGER journals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journals
  FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
